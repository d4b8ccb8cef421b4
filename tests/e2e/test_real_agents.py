"""One scenario, step by step, with every real agent: what the table in docs/agents/README.md says is tested here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon import Daemon, idle_daemon, messages, of_type, until
from tests.e2e.model import Model, model_api
from tests.e2e.real_agents import AGENTS, PI, RealAgent
from tests.emulators.script import prompt
from tetherd.client.client import ApiError

pytestmark = [pytest.mark.agents, pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.adapter)]

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

TURN_SECONDS = 150
"""Gemini CLI may have to wait for the next minute before it loads a session."""

LONG = "This is an answer in many pieces, and it is whole at its end. " * 4


@dataclass
class Stage:
    """A daemon with one real agent and a scripted model."""

    agent: RealAgent
    daemon: Daemon
    model: Model

    @property
    def work(self) -> Path:
        return self.daemon.home / "work"

    def begin(self, *steps: dict[str, Any], **more: Any) -> str:
        return self.daemon.new_session(prompt(*steps), adapter=self.agent.adapter, **more)

    def follow_up(self, session_id: str, *steps: dict[str, Any]) -> None:
        self.daemon.post(f"/api/sessions/{session_id}/input", {"text": prompt(*steps)})

    def shell(self, command: str) -> dict[str, Any]:
        return {"call": [self.agent.shell(command)]}

    def decide(self, approval: dict[str, Any], decision: str, **more: Any) -> None:
        body = {"decision": decision, "digest": approval["digest"], **more}
        self.daemon.post(f"/api/approvals/{approval['approval_id']}/decision", body)

    def turn_ended(self, session_id: str, turns: int = 1) -> dict[str, Any]:
        """The end of the so-many-th turn."""

        def look() -> dict[str, Any] | None:
            ended = of_type(self.daemon.events(session_id), "turn_completed")
            return ended[turns - 1]["data"] if len(ended) >= turns else None

        return until(look, f"the end of turn {turns}", TURN_SECONDS)


@contextmanager
def staged(agent: RealAgent) -> Iterator[Stage]:
    with model_api(accept_key=None) as model, idle_daemon() as daemon:
        daemon.environ |= agent.environment(daemon.home, model.url)
        daemon.start()
        stage = Stage(agent, daemon, model)
        stage.work.mkdir()
        try:
            yield stage
        finally:  # shown where a test has failed
            for session in daemon.get("/api/sessions")["sessions"]:
                print(*daemon.events(session["session_id"]), sep="\n")
            for log in (daemon.data_dir / "runs").glob("*/err.log"):
                print(log.read_text(errors="replace")[-4000:])


@pytest.fixture
def stage(agent: RealAgent) -> Iterator[Stage]:
    with staged(agent) as stage:
        yield stage


def test_text_streams_and_what_was_used_is_counted(stage: Stage) -> None:
    session_id = stage.begin({"say": LONG, "chunks": 20, "hold": "half", "hold_after": 10})
    stage.model.wait_for_hold("half")
    live = _live_text(stage, session_id, at_least=len(LONG) // 4)
    assert LONG.startswith(live)
    stage.model.release("half")
    assert stage.turn_ended(session_id)["outcome"] == "completed"
    assert messages(stage.daemon.events(session_id)) == [LONG]
    usage = stage.daemon.session(session_id)["usage"]
    expected = (1000, 42) if stage.agent.has_tokens else (None, None)
    assert (usage["input_tokens"], usage["output_tokens"]) == expected
    assert (usage["cost_usd"] or 0) > 0 if stage.agent.has_cost else usage["cost_usd"] is None


def _live_text(stage: Stage, session_id: str, at_least: int) -> str:
    """What a follower who comes late is shown of a message that is still being written."""
    text = ""
    for event in stage.daemon.client.follow(f"/api/sessions/{session_id}/events?after=0"):
        said = json.loads(event.data)
        if event.kind in ("delta", "message_written"):
            part = said if event.kind == "delta" else said["data"]
            text = text[: part["offset"]] + part["text"]
        if len(text) >= at_least:
            return text
    raise AssertionError("the stream ended")


def test_a_command_runs_once_it_is_approved(stage: Stage) -> None:
    session_id = stage.begin(stage.shell("echo approved-output | tee ran.txt"), {"say": "it ran"})
    asked = stage.daemon.wait_for_approval(session_id)
    assert asked["kind"] == "command"
    assert "echo approved-output | tee ran.txt" in asked["command"]
    assert not (stage.work / "ran.txt").exists()
    stage.decide(asked, "approve")
    assert stage.turn_ended(session_id)["outcome"] == "completed"
    assert (stage.work / "ran.txt").read_text() == "approved-output\n"
    events = stage.daemon.events(session_id)
    (begun,) = of_type(events, "tool_call_started")
    (ended,) = of_type(events, "tool_call_finished")
    assert (begun["data"]["tool"], ended["data"]["ok"]) == ("Bash", True)
    assert ("approved-output" in ended["data"]["output"]) is stage.agent.shows_output
    assert stage.daemon.get(f"/api/approvals/{asked['approval_id']}")["delivered"]
    assert messages(events)[-1] == "it ran"


def test_an_edit_that_is_denied_is_not_made(stage: Stage) -> None:
    (stage.work / "notes.txt").write_text("one\ntwo\nthree\n")
    path = str(stage.work / "notes.txt")
    first = [{"call": [stage.agent.before_edit(path)]}] if stage.agent.before_edit else []
    session_id = stage.begin(*first, {"call": [stage.agent.edit(path, "two", "TWO")]}, {"say": "understood"})
    asked = stage.daemon.wait_for_approval(session_id)
    assert asked["kind"] == "edit"
    (file,) = asked["files"]
    assert file["path"] == path
    assert "-two\n" in file["diff"] and "+TWO\n" in file["diff"]
    assert (" one\n" in file["diff"]) is stage.agent.shows_context
    stage.decide(asked, "reject", reason="not in this file")
    assert stage.turn_ended(session_id)["outcome"] in ("completed", "interrupted")
    assert (stage.work / "notes.txt").read_text() == "one\ntwo\nthree\n"
    ended = of_type(stage.daemon.events(session_id), "tool_call_finished")
    assert not ended[-1]["data"]["ok"]
    if stage.agent.refusal is not None:
        assert stage.model.wait_for_request_with(stage.agent.refusal)
        assert messages(stage.daemon.events(session_id))[-1] == "understood"


def test_an_interrupt_ends_the_running_command_and_the_session_goes_on(stage: Stage) -> None:
    session_id = stage.begin(stage.shell("echo $$ > pid; sleep 300 & echo $! > child; wait; touch survived"))
    stage.decide(stage.daemon.wait_for_approval(session_id), "approve")
    pids = [_pid(stage.work / name) for name in ("pid", "child")]
    assert all(map(_runs, pids))
    stage.daemon.post(f"/api/sessions/{session_id}/interrupt")
    assert stage.turn_ended(session_id)["outcome"] == "interrupted"
    until(lambda: not any(map(_runs, pids)), "the command to end")
    stage.follow_up(session_id, {"say": "still here"})
    assert stage.turn_ended(session_id, 2)["outcome"] == "completed"
    assert messages(stage.daemon.events(session_id))[-1] == "still here"
    assert not (stage.work / "survived").exists()


def _pid(path: Path) -> int:
    """The process id in a file, once it is there."""
    return int(until(lambda: (path.exists() and path.read_text().strip()) or None, path.name))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_pending_question_goes_away_with_an_interrupt(stage: Stage) -> None:
    session_id = stage.begin(stage.shell("touch never"))
    asked = stage.daemon.wait_for_approval(session_id)
    stage.daemon.post(f"/api/sessions/{session_id}/interrupt")
    assert stage.turn_ended(session_id)["outcome"] == "interrupted"
    assert stage.daemon.get(f"/api/approvals/{asked['approval_id']}")["state"] != "pending"
    assert not (stage.work / "never").exists()
    stage.follow_up(session_id, {"say": "still here"})
    stage.daemon.wait_for_text(session_id, "still here")


def test_a_follow_up_that_comes_early_waits_for_its_turn(stage: Stage) -> None:
    session_id = stage.begin({"say": LONG, "chunks": 20, "hold": "half", "hold_after": 10})
    stage.model.wait_for_hold("half")
    stage.follow_up(session_id, {"say": "the second answer"})
    stage.model.release("half")
    assert stage.turn_ended(session_id, 2)["outcome"] == "completed"
    assert messages(stage.daemon.events(session_id)) == [LONG, "the second answer"]


def test_a_daemon_that_is_killed_in_mid_turn_loses_nothing(stage: Stage) -> None:
    session_id = stage.begin({"say": LONG, "chunks": 20, "hold": "half", "hold_after": 10})
    stage.model.wait_for_hold("half")
    agents = stage.daemon.agents()
    stage.daemon.kill()
    stage.model.release("half")
    stage.daemon.start()
    assert stage.turn_ended(session_id)["outcome"] == "completed"
    assert messages(stage.daemon.events(session_id)) == [LONG]
    assert agents <= stage.daemon.agents() | {pid for pid in agents if not _runs(pid)}
    stage.follow_up(session_id, {"say": "and on"})
    stage.daemon.wait_for_text(session_id, "and on")


def test_a_daemon_that_is_killed_while_it_asks_goes_on_with_the_answer(stage: Stage) -> None:
    session_id = stage.begin(stage.shell("echo once >> ran.txt"), {"say": "it ran"})
    asked = stage.daemon.wait_for_approval(session_id)
    stage.daemon.kill()
    stage.daemon.start()
    assert stage.daemon.wait_for_approval(session_id)["approval_id"] == asked["approval_id"]
    stage.decide(asked, "approve")
    stage.daemon.kill()
    stage.daemon.start()
    assert stage.turn_ended(session_id)["outcome"] == "completed"
    assert (stage.work / "ran.txt").read_text() == "once\n"
    assert messages(stage.daemon.events(session_id))[-1] == "it ran"


def test_a_session_that_was_stopped_is_resumed_with_its_memory(stage: Stage) -> None:
    session_id = stage.begin({"say": "the first answer"})
    stage.turn_ended(session_id)
    stage.daemon.post(f"/api/sessions/{session_id}/stop")
    stage.daemon.wait_for_state(session_id, "ended")
    assert not stage.daemon.agents()
    before = len(stage.model.requests())
    stage.daemon.post(f"/api/sessions/{session_id}/resume")
    stage.follow_up(session_id, {"say": "the second answer"})
    stage.turn_ended(session_id, 2)
    events = stage.daemon.events(session_id)
    assert messages(events) == ["the first answer", "the second answer"]
    assert stage.model.wait_for_request_with("the first answer", after=before)
    assert not of_type(events, "notice_raised", "output_unrecognised")
    first, second = of_type(events, "agent_ready")
    assert first["data"]["vendor_session_id"] == second["data"]["vendor_session_id"]


def test_nothing_that_it_says_is_unknown(stage: Stage) -> None:
    step = {"think": "hm", "say": "I look around", "call": [stage.agent.shell("touch looked")]}
    session_id = stage.begin(step, {"say": "done"})
    stage.decide(stage.daemon.wait_for_approval(session_id), "approve")
    stage.turn_ended(session_id)
    events = stage.daemon.events(session_id)
    assert not of_type(events, "output_unrecognised")
    ready = of_type(events, "agent_ready")[0]["data"]
    assert ready["agent_name"] and ready["agent_version"]
    assert os.fspath(stage.daemon.home) not in str(of_type(events, "message_written"))


def test_an_image_reaches_the_model(stage: Stage) -> None:
    image = {"media_type": "image/png", "data": PIXEL}
    session_id = stage.begin({"say": "ready"})
    stage.turn_ended(session_id)
    body = {"text": prompt({"say": "I see a pixel"}), "images": [image]}
    stage.daemon.post(f"/api/sessions/{session_id}/input", body)
    assert stage.turn_ended(session_id, 2)["outcome"] == "completed"
    assert stage.model.wait_for_request_with(PIXEL[:40])
    assert not of_type(stage.daemon.events(session_id), "notice_raised")


def test_words_that_steer_are_refused_where_the_agent_cannot_be_steered(stage: Stage) -> None:
    if stage.agent is PI:
        pytest.skip("Pi can; see test_real_pi.py")
    session_id = stage.begin(stage.shell("touch never"))
    stage.daemon.wait_for_approval(session_id)
    with pytest.raises(ApiError) as refused:
        stage.daemon.post(f"/api/sessions/{session_id}/input", {"text": "rather so", "steer": True})
    assert (refused.value.status, refused.value.code) == (422, "no_steering")
