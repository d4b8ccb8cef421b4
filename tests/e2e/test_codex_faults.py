"""The real Codex when things go wrong: each ends in a clear event, can be gone on with, and hurts nobody else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.claude import outcomes
from tests.e2e.codex import Codex, codex_daemon, patch, shell
from tests.e2e.daemon import Daemon, Json, messages, of_type, until
from tests.e2e.model import Model
from tetherd.framing import MAX_LINE

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Daemon, Model]]:
    with codex_daemon(retries=1) as (daemon, model):
        daemon.start()
        yield daemon, model


@pytest.fixture
def codex(running: tuple[Daemon, Model], request: pytest.FixtureRequest) -> Iterator[Codex]:
    """A session of its own that has not begun."""
    session = Codex(*running, name=f"work-{request.node.name[:60]}")
    yield session
    session.end()


def notices(events: list[Json], code: str) -> list[str]:
    return [event["data"]["text"] for event in of_type(events, "notice_raised") if event["data"]["code"] == code]


# -- dying -------------------------------------------------------------------------------------------------------


def test_a_killed_codex_is_seen_leaves_nothing_and_goes_on(codex: Codex) -> None:
    codex.begin({"say": "The word is heron.", "call": [shell("true; sleep 4712")]}, text="remember")
    codex.approve_next()
    until(lambda: codex.processes("sleep\x004712"), "the command to run")
    for pid in codex.programs():
        os.kill(pid, signal.SIGKILL)
    ending = codex.ended()["ending"]
    assert (ending["reason"], ending["signal"]) == ("failed", 9)
    until(lambda: not codex.processes("sleep\x004712"), "its command to be gone")
    codex.ask("resume")
    codex.send({"say": "Heron."}, text="which word?")
    assert messages(codex.turns_done(1))[-1] == "Heron."
    codex.model.wait_for_turn_with("which word?", "The word is heron.")


def test_a_killed_shim_is_seen_leaves_nothing_and_goes_on(codex: Codex) -> None:
    codex.begin({"say": "Ready."})
    codex.turns_done(1)
    codex.send({"call": [shell("true; sleep 4713")]})
    codex.approve_next()
    until(lambda: codex.processes("sleep\x004713"), "the command to run")
    programs, run_id = codex.programs(), codex.state()["run_id"]
    for pid in codex.daemon.shims():
        if run_id in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
    assert codex.ended()["ending"]["reason"] == "lost"
    until(lambda: not codex.processes("sleep\x004713"), "its command to be gone")
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in programs), "the program to be gone")
    codex.ask("resume")
    codex.send({"say": "Here again."})
    assert messages(codex.turns_done(2))[-1] == "Here again."


def test_killed_before_it_has_written_anything_down_it_begins_anew_and_says_so(codex: Codex) -> None:
    codex.session_id = codex.daemon.new_session(adapter="codex", directory=str(codex.directory), start=True)
    codex.daemon.wait_for_state(codex.session_id, "awaiting_input")
    for pid in codex.programs():
        os.kill(pid, signal.SIGKILL)
    codex.ended()
    codex.ask("resume")
    codex.send({"say": "A beginning."})
    events = codex.turns_done(1)
    assert messages(events) == ["A beginning."]
    assert len(notices(events, "resume_failed")) == 1


# -- the model API -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "sk-revoked"])
def test_without_a_key_that_works_it_says_so(key: str | None) -> None:
    with codex_daemon(key=key) as (daemon, model):
        daemon.start()
        codex = Codex(daemon, model).begin({"say": "never"})
        (completed,) = of_type(codex.turns_done(1), "turn_completed")
        assert completed["data"]["outcome"] == "failed"
        assert ("SCRIPTED_KEY" if key is None else "codex login") in completed["data"]["detail"]
        assert codex.state()["state"] == "awaiting_input"
        assert key is None or key not in daemon.log
        codex.end()


@pytest.mark.parametrize("status", [400, 429, 500])
def test_an_error_of_the_model_api_ends_the_turn_with_words(codex: Codex, status: int) -> None:
    codex.begin({"status": status, "message": "not to its liking"})
    (completed,) = of_type(codex.turns_done(1), "turn_completed")
    assert completed["data"]["outcome"] == "failed"
    assert completed["data"]["detail"]
    codex.send({"say": "Well again."})
    assert messages(codex.turns_done(2)) == ["Well again."]


def test_what_it_tries_again_is_told_and_said_once(codex: Codex) -> None:
    codex.begin({"say": "This will break", "chunks": 3, "cut": 2, "times": 1}, {"say": "This will not."})
    events = codex.turns_done(1)
    assert outcomes(events) == ["completed"]
    assert len(notices(events, "agent_retries")) == 1
    assert messages(events)[-1] == "This will not."


# -- size --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [12 * MIB, MAX_LINE + MIB], ids=["12 MiB", "over the limit"])
def test_a_change_of_many_megabytes(codex: Codex, size: int) -> None:
    """A file that is deleted stands in the question with all that it held, in one line."""
    file = codex.directory / "large.txt"
    file.write_text(("x" * 1023 + "\n") * (size // 1024))
    codex.begin({"call": [patch("*** Delete File: large.txt")]}, {"say": "Done."})
    (approval,) = codex.waiting()
    assert approval["kind"] == "edit"
    if size > MAX_LINE:
        assert approval["files"] == [] and "does not say" in approval["title"]
    else:
        assert "more characters" in approval["files"][0]["diff"]
    codex.decide(approval)
    events = codex.turns_done(1)
    assert outcomes(events) == ["completed"]
    assert not file.exists()
    unread = of_type(events, "output_unrecognised")
    assert {event["data"]["why"] for event in unread} == ({"a line over the limit"} if size > MAX_LINE else set())


def test_two_hundred_megabytes_of_output_and_others_notice_nothing(codex: Codex) -> None:
    other = codex.daemon.new_session()
    codex.begin({"call": [shell("yes 'a line of output' | head -c 200000000")]}, {"say": "Done."})
    codex.approve_next()
    codex.daemon.post(f"/api/sessions/{other}/input", {"text": "@echo hi"})
    codex.daemon.wait_for_text(other, "echo 2")
    events = codex.turns_done(1)
    assert outcomes(events) == ["completed"]
    (finished,) = of_type(events, "tool_call_finished")
    assert "a line of output" in finished["data"]["output"]
    codex.daemon.post(f"/api/sessions/{other}/stop")
