"""The real Claude Code when things go wrong: each ends in a clear event, can be gone on with, and hurts nobody else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.claude import Claude, bash, call, claude_daemon, outcomes
from tests.e2e.daemon import Daemon, Json, messages, of_type, until
from tests.e2e.model import Model
from tests.emulators.script import Step
from tetherd.framing import MAX_LINE

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Daemon, Model]]:
    with claude_daemon() as (daemon, model):
        daemon.start()
        yield daemon, model


@pytest.fixture
def claude(running: tuple[Daemon, Model], request: pytest.FixtureRequest) -> Iterator[Claude]:
    """A session of its own that has not begun."""
    session = Claude(*running, name=f"work-{request.node.name[:60]}")
    yield session
    session.end()


def detail(events: list[Json]) -> str:
    return str(of_type(events, "turn_completed")[-1]["data"]["detail"])


def notices(events: list[Json], code: str) -> list[str]:
    return [event["data"]["text"] for event in of_type(events, "notice_raised") if event["data"]["code"] == code]


def main_process(claude: Claude) -> int:
    (pid,) = claude.processes(claude.state()["vendor_session_id"])
    return pid


# -- dying -------------------------------------------------------------------------------------------------------


def test_a_killed_claude_is_seen_leaves_nothing_and_goes_on(claude: Claude) -> None:
    claude.begin({"say": "The word is heron.", "call": [bash("true; sleep 4712")]}, text="remember")
    claude.approve_next()
    until(lambda: claude.processes("sleep\x004712"), "the command to run")
    os.kill(main_process(claude), signal.SIGKILL)
    ending = claude.ended()["ending"]
    assert (ending["reason"], ending["signal"]) == ("failed", 9)
    until(lambda: not claude.processes("sleep\x004712"), "its command to be gone")
    claude.ask("resume")
    claude.send({"say": "Heron."}, text="which word?")
    assert messages(claude.turns_done(1))[-1] == "Heron."
    claude.model.wait_for_turn_with("which word?", "The word is heron.")


def test_a_killed_shim_is_seen_leaves_nothing_and_goes_on(claude: Claude) -> None:
    claude.begin({"say": "Ready."})
    claude.turns_done(1)
    claude.send({"call": [bash("true; sleep 4713")]})
    claude.approve_next()
    until(lambda: claude.processes("sleep\x004713"), "the command to run")
    shims = [pid for pid in claude.daemon.shims() if claude.state()["run_id"] in _command_line(pid)]
    for pid in shims:
        os.kill(pid, signal.SIGKILL)
    assert claude.ended()["ending"]["reason"] == "lost"
    until(lambda: not claude.processes("sleep\x004713"), "its command to be gone")
    until(lambda: not claude.processes(claude.state()["vendor_session_id"]), "the program to be gone")
    claude.ask("resume")
    claude.send({"say": "Here again."})
    assert messages(claude.turns_done(2))[-1] == "Here again."


def test_killed_in_its_very_first_turn_it_can_be_resumed_all_the_same(claude: Claude) -> None:
    """Nothing of the conversation is on disk yet: --resume would find none."""
    claude.begin({"say": "never", "hold": "first", "hold_after": 0})
    claude.model.wait_for_hold("first")
    os.kill(main_process(claude), signal.SIGKILL)
    claude.ended()
    conversation = claude.state()["vendor_session_id"]
    claude.ask("resume")
    claude.send({"say": "A beginning."})
    assert messages(claude.turns_done(1))[-1] == "A beginning."
    assert claude.state()["vendor_session_id"] == conversation


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


# -- the model API -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "words"), [(None, "log in"), ("sk-revoked", "API key")])
def test_without_a_key_that_works_it_says_so(key: str | None, words: str) -> None:
    with claude_daemon(key) as (daemon, model):
        daemon.start()
        claude = Claude(daemon, model).begin({"say": "never"})
        events = claude.turns_done(1)
        assert outcomes(events) == ["failed"]
        assert words in detail(events)
        assert claude.state()["state"] == "awaiting_input"
        assert key is None or key not in daemon.log


@pytest.mark.parametrize(("status", "words"), [(400, "not to its liking"), (429, "429"), (529, "529")])
def test_an_error_of_the_model_api_ends_the_turn_with_its_words(claude: Claude, status: int, words: str) -> None:
    claude.begin({"status": status, "message": "not to its liking"})
    events = claude.turns_done(1)
    assert outcomes(events) == ["failed"]
    assert words in detail(events)
    claude.send({"say": "Well again."})
    assert messages(claude.turns_done(2)) == ["Well again."]


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 529, "times": 1},
        {"status": 429, "times": 1},
        {"say": "This will break", "chunks": 3, "cut": 2, "times": 1},
    ],
    ids=["529", "429", "cut"],
)
def test_what_it_tries_again_is_told_and_said_once(claude: Claude, trouble: Step) -> None:
    claude.begin(trouble, {"say": "This will not."})
    events = claude.turns_done(1)
    assert outcomes(events) == ["completed"]
    assert len(notices(events, "api_retry")) == 1
    assert messages(events)[-1] == "This will not."
    assert messages(events).count("This will not.") == 1


# -- size --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [12 * MIB, MAX_LINE + MIB], ids=["12 MiB", "over the limit"])
def test_a_tool_result_of_many_megabytes(claude: Claude, size: int) -> None:
    """An edit is answered with the whole file as it was, in one line."""
    file = claude.directory / "large.txt"
    file.write_text("first line\n" + ("x" * 1023 + "\n") * (size // 1024))
    read = call("Read", file_path=str(file), limit=1)
    edit = call("Edit", file_path=str(file), old_string="first line", new_string="changed line")
    claude.begin({"call": [read]}, {"call": [edit]}, {"say": "Done."})
    claude.approve_next()
    events = claude.turns_done(1)
    assert outcomes(events) == ["completed"]
    assert file.read_text().startswith("changed line\n")
    assert [event["data"]["ok"] for event in of_type(events, "tool_call_finished")] == [True, True]
    unread = of_type(events, "output_unrecognised")
    assert [event["data"]["why"] for event in unread] == (["a line over the limit"] if size > MAX_LINE else [])


def test_two_hundred_megabytes_of_output_and_others_notice_nothing(claude: Claude) -> None:
    other = claude.daemon.new_session()
    claude.begin({"call": [bash("yes 'a line of output' | head -c 200000000")]}, {"say": "Done."})
    claude.approve_next()
    claude.daemon.post(f"/api/sessions/{other}/input", {"text": "@echo hi"})
    claude.daemon.wait_for_text(other, "echo 2")
    events = claude.turns_done(1)
    assert outcomes(events) == ["completed"]
    (finished,) = of_type(events, "tool_call_finished")
    assert "a line of output" in finished["data"]["output"]
    claude.daemon.post(f"/api/sessions/{other}/stop")
