"""Our own workers behind a real daemon: every step that people take with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.agents.workers.kinds import CLAUDE, LITELLM, Kind
from tests.e2e.daemon import Daemon, Json, idle_daemon, messages, of_type, until
from tests.e2e.model import KEY, Model
from tests.e2e.workers import Session, outcomes, worker_daemon
from tests.emulators.script import prompt
from tetherd.agents.workers.core.content import UNTOLD
from tetherd.agents.workers.core.toolcall import INTERRUPTED
from tetherd.client.client import ApiError

Running = tuple[Daemon, Model]


# every start of LiteLLM takes seconds: its steps are for `make test-agents`
@pytest.fixture(params=[CLAUDE, pytest.param(LITELLM, marks=pytest.mark.agents)], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
def running(kind: Kind) -> Iterator[Running]:
    with worker_daemon(kind) as (daemon, model):
        daemon.start()
        yield daemon, model


@pytest.fixture
def session(running: Running, kind: Kind) -> Session:
    session = Session(running[0], kind)
    (session.directory / "a.txt").write_text("one\ntwo\n")
    os.mkfifo(session.directory / "pid")
    return session


def bash(command: str) -> Json:
    return {"tool": "bash", "input": {"command": command}}


EDIT = {"tool": "edit", "input": {"path": "a.txt", "old": "two", "new": "2"}}
SLEEP = bash("setsid sh -c 'echo $$ > pid; exec sleep 600' & wait")


def command_runs(session: Session) -> int:
    """Once SLEEP runs: the pid of what it left in a session of its own."""
    return int((session.directory / "pid").read_text())


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def costs(events: list[Json]) -> list[float | None]:
    return [one["data"]["cost_usd"] for one in of_type(events, "usage_reported")]


def holding_the_key(daemon: Daemon) -> set[str]:
    files = (file for file in daemon.home.rglob("*") if file.is_file() and not file.is_symlink())
    return {file.name for file in files if KEY.encode() in file.read_bytes()}


def test_text_an_approval_a_refusal_a_follow_up_a_stop_and_a_resume(running: Running, session: Session) -> None:
    daemon, model = running
    session.begin(
        {"think": "Let me see.", "say": "Good morning.", "chunks": 4, "call": [bash("echo hi > made.txt; env")]},
        {"call": [EDIT]},
        {"say": "All right."},
        text="first",
    )
    asked = session.decide()
    assert (asked["kind"], asked["tool"], asked["command"]) == ("command", "Bash", "echo hi > made.txt; env")
    until(lambda: session.waiting()["kind"] == "edit", "the edit")
    asked = session.decide("reject", reason="two is right")
    assert asked["files"][0]["path"] == str(session.directory / "a.txt")
    assert "-two\n+2\n" in asked["files"][0]["diff"]
    events = session.turns_done(1)
    assert outcomes(events) == [("completed", None)]
    assert messages(events) == ["Good morning.", "All right."]
    assert "".join(one["data"]["text"] for one in of_type(events, "thinking_written")) == "Let me see."
    model.wait_for_turn_with("The person rejected this. Their reason: two is right")
    assert (session.directory / "made.txt").read_text() == "hi\n"
    assert (session.directory / "a.txt").read_text() == "one\ntwo\n"
    (ran, edited) = of_type(events, "tool_call_finished")
    assert (ran["data"]["ok"], edited["data"]["ok"]) == (True, False)
    assert KEY not in ran["data"]["output"] and "TETHER_RUN_ID" in ran["data"]["output"]
    (usage,) = of_type(events, "usage_reported")
    assert (usage["data"]["input_tokens"], usage["data"]["output_tokens"]) == (3000, 126)
    assert usage["data"]["cost_usd"] > 0

    session.send({"say": "And good evening."}, text="second")
    events = session.turns_done(2)
    session.ask("stop")
    session.state("ended")
    session.ask("resume")
    session.state("awaiting_input")
    session.send({"say": "Welcome back."}, text="third")
    events = session.turns_done(3)
    assert messages(events)[-2:] == ["And good evening.", "Welcome back."]
    body = model.wait_for_turn_with("third")
    assert all(text in str(body) for text in ("first", "Good morning.", "And good evening."))
    assert costs(events)[1] == costs(events)[2] is not None
    assert not of_type(events, "output_unrecognised")
    assert holding_the_key(daemon) == {"spec.json"}  # what the shim starts the agent with; the owner's alone
    assert KEY not in daemon.log


def test_an_interrupt_in_mid_command_leaves_no_survivor_and_the_session_goes_on(
    running: Running, session: Session
) -> None:
    _, model = running
    session.begin({"call": [SLEEP]}, {"say": "never"})
    session.decide()
    pid = command_runs(session)
    session.ask("interrupt")
    events = session.turns_done(1)
    assert outcomes(events) == [("interrupted", None)]
    assert is_gone(pid)
    session.send({"say": "Here I am."})
    assert messages(session.turns_done(2)) == ["Here I am."]
    model.wait_for_turn_with(INTERRUPTED)


def test_an_interrupt_while_a_person_is_asked(session: Session) -> None:
    session.begin({"call": [EDIT]}, {"say": "never"})
    session.waiting()
    session.ask("interrupt")
    assert outcomes(session.turns_done(1)) == [("interrupted", None)]
    session.send({"say": "Here I am."})
    assert messages(session.turns_done(2)) == ["Here I am."]
    assert (session.directory / "a.txt").read_text() == "one\ntwo\n"


def test_a_stop_in_mid_command_leaves_no_survivor(running: Running, session: Session) -> None:
    daemon, model = running
    session.begin({"call": [SLEEP]})
    session.decide()
    pid = command_runs(session)
    session.ask("stop")
    session.state("ended")
    assert is_gone(pid)
    assert daemon.agents() == set()
    session.ask("resume")
    session.state("awaiting_input")
    session.send({"say": "Here I am."})
    session.daemon.wait_for_text(session.session_id, "Here I am.")
    assert INTERRUPTED in str(model.turns()[-1]) or UNTOLD in str(model.turns()[-1])


def test_the_daemon_is_killed_in_mid_sentence_and_nothing_is_lost_or_doubled(
    running: Running, session: Session
) -> None:
    daemon, model = running
    session.begin({"say": "One. Two. Three. Four.", "chunks": 4, "hold": "half", "hold_after": 2})
    model.wait_for_hold("half")
    daemon.kill()
    model.release("half")
    daemon.start()
    events = session.turns_done(1)
    assert messages(events) == ["One. Two. Three. Four."]
    assert outcomes(events) == [("completed", None)]


def test_the_daemon_is_killed_with_an_approval_open_and_the_answer_still_counts(
    running: Running, session: Session
) -> None:
    daemon, _ = running
    session.begin({"call": [EDIT]}, {"say": "Done."})
    before = session.waiting()
    daemon.kill()
    daemon.start()
    assert session.decide()["approval_id"] == before["approval_id"]
    events = session.turns_done(1)
    assert messages(events) == ["Done."]
    assert (session.directory / "a.txt").read_text() == "one\n2\n"
    assert len(of_type(events, "approval_requested")) == 1


def test_a_fork_knows_what_was_said_and_leaves_the_first_alone(running: Running, session: Session, kind: Kind) -> None:
    daemon, model = running
    session.begin({"say": "Good morning."}, text="first")
    session.turns_done(1)
    fork = Session(daemon, kind)
    fork.session_id = str(daemon.post("/api/sessions", {"name": "Fork", "fork_of": session.session_id})["session_id"])
    fork.ask("start")
    fork.state("awaiting_input")
    fork.send({"say": "Good evening."}, text="second")
    fork.turns_done(1)
    assert "Good morning." in str(model.wait_for_turn_with("second"))
    session.send({"say": "And now?"}, text="third")
    session.turns_done(2)
    assert "Good evening." not in str(model.wait_for_turn_with("third"))
    assert session.state("awaiting_input")["vendor_session_id"] != fork.state("awaiting_input")["vendor_session_id"]


def test_in_edits_a_change_inside_passes_and_one_outside_does_not(session: Session) -> None:
    outside = {"tool": "write", "input": {"path": "../outside.txt", "content": "x"}}
    session.begin({"call": [EDIT, outside]}, {"say": "Done."}, approval_mode="edits")
    asked = session.decide("reject")
    assert asked["files"][0]["path"] == str(session.directory.parent / "outside.txt")
    session.turns_done(1)
    assert (session.directory / "a.txt").read_text() == "one\n2\n"
    assert not (session.directory.parent / "outside.txt").exists()


def test_what_the_api_refuses_is_a_failed_turn_and_the_session_goes_on(session: Session) -> None:
    session.begin({"status": 401, "message": "revoked"})
    session.turns_done(1)
    session.send({"status": 429, "headers": {"retry-after": "3600"}})
    session.turns_done(2)
    session.send({"say": "half of it", "chunks": 2, "cut": 1})
    session.turns_done(3)
    session.send({"say": "fine"})
    ends = outcomes(session.turns_done(4))
    assert [outcome for outcome, _ in ends] == ["failed", "failed", "failed", "completed"]
    words = [str(detail) for _, detail in ends]
    assert "does not take the key (401): revoked" in words[0]
    assert "it asks to wait 3600 s" in words[1]
    assert "broke in the middle" in words[2]


def test_litellm_without_a_model_is_refused_with_the_way_out() -> None:
    LITELLM.require()
    with idle_daemon() as daemon:
        daemon.start()
        with pytest.raises(ApiError, match="TETHER_LITELLM_MODEL is not set"):
            daemon.new_session("hello", adapter="litellm")


def test_both_are_listed_with_the_agents() -> None:
    with worker_daemon(CLAUDE) as (daemon, _):
        daemon.start()
        agents = {agent["adapter"]: agent for agent in daemon.get("/api/agents")["agents"]}
        assert (agents["claude_api"]["found"], agents["claude_api"]["login"]) == (True, "API key")
        assert agents["litellm"]["found"] is (find_spec("litellm") is not None)
        assert "reasons" in agents["claude_api"]["abilities"]


def test_claude_auto_takes_it_where_there_is_a_key_and_no_program() -> None:
    with worker_daemon(CLAUDE) as (daemon, _):
        daemon.environ["TETHER_CLAUDE_COMMAND"] = "/none/such"
        daemon.start()
        session_id = daemon.new_session(prompt({"say": "By the API."}), adapter="claude_auto")
        daemon.wait_for_text(session_id, "By the API.")
        assert daemon.session(session_id)["adapter"] == "claude_api"


def test_an_image_reaches_the_model_whole(session: Session, running: Running) -> None:
    _, model = running
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    images = [{"media_type": "image/png", "data": pixel}]
    session.begin({"say": "A pixel."}, images=images)
    assert messages(session.turns_done(1)) == ["A pixel."]
    model.wait_for_turn_with(pixel)
