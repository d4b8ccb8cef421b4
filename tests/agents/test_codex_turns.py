"""The Codex codec beyond the recordings: handshakes that fail, turns in odd orders, interrupts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.agents.codex_spoken import THREAD, TURN, Spoken, of
from tetherd.agents.codex.codec import CodexCodec
from tetherd.domain import events as ev
from tetherd.domain.effects import InterruptTurn, Prompt
from tetherd.domain.ids import InputId
from tetherd.domain.images import Image
from tetherd.plugin import Fed


@pytest.fixture
def spoken() -> Spoken:
    return Spoken().running()


# -- the handshake -----------------------------------------------------------------------------------------------


def refused(fed: Fed) -> str:
    (notice,) = fed.events
    assert isinstance(notice, ev.NoticeRaised) and (notice.level, notice.code) == ("error", "agent_refused")
    assert fed.frames == []
    return notice.text


def test_a_codex_that_cannot_begin_says_why() -> None:
    assert "too old" in refused(Spoken().hear(id="initialize", error={"message": "too old"}))
    assert "settings" in refused(Spoken().hear(id="initialize", result={}))
    spoken = Spoken()
    spoken.hear(id="initialize", result={"codexHome": "/c"})
    assert "bad toml" in refused(spoken.hear(id="config", error={"message": "bad toml"}))
    for answer, why in (({"error": {"message": "x" * 9000}}, "cut here"), ({"result": {"thread": {}}}, "no id")):
        spoken = Spoken()
        spoken.looked()
        assert why in refused(spoken.hear(id="start", **answer))


def test_a_thread_that_codex_does_not_know_is_begun_anew_and_told() -> None:
    spoken = Spoken("v-1")
    spoken.looked()
    (notice,) = spoken.hear(id="resume", error={"message": "no rollout found for thread id v-1"}).events
    assert isinstance(notice, ev.NoticeRaised) and notice.code == "resume_failed"
    assert spoken.lines[-1]["method"] == "thread/start"


def test_a_copy_is_a_thread_of_its_own() -> None:
    spoken = Spoken(fork_of="v-1")
    spoken.looked()
    said = spoken.newest("thread/fork")
    assert (said["threadId"], said["approvalPolicy"], said["sandbox"]) == ("v-1", "untrusted", "read-only")
    (event,) = spoken.hear(id="fork", result={"thread": {"id": "v-2"}}).events
    assert isinstance(event, ev.AgentReady) and event.vendor_session_id == "v-2"
    lost = Spoken(fork_of="v-1")
    lost.looked()
    assert "no rollout" in refused(lost.hear(id="fork", error={"message": "no rollout found"}))


def test_images_go_along_with_the_words() -> None:
    image = Image(media_type="image/png", data="aGk=")
    (said,) = Spoken().ready().say(Prompt(InputId("i"), "look", (image,)), 1)
    assert said["params"]["input"] == [
        {"type": "text", "text": "look", "text_elements": []},
        {"type": "image", "url": "data:image/png;base64,aGk="},
    ]


def test_a_thread_that_another_program_has_open_is_not_begun_anew() -> None:
    spoken = Spoken("v-1")
    spoken.looked()
    assert "active writer" in refused(spoken.hear(id="resume", error={"message": "already has an active writer"}))
    assert spoken.lines[-1]["method"] == "thread/resume"


def test_an_answer_to_nothing_is_kept_as_unrecognised(spoken: Spoken) -> None:
    for message in (
        {"id": "start", "result": {}},
        {"id": "config", "result": {}},
        {"id": "prompt-1", "result": {}},
        {"id": "sweep-0", "result": {}},
        {"id": 5, "result": {}},
        {"result": {}},
    ):
        (event,) = spoken.hear(**message).events
        assert isinstance(event, ev.OutputUnrecognised), message


# -- turns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("turn", "outcome", "detail"),
    [
        ({"status": "completed"}, "completed", None),
        ({"status": "interrupted"}, "interrupted", None),
        ({"status": "failed", "error": {"message": "overloaded"}}, "failed", "overloaded"),
        ({"status": "failed", "error": {"message": '{"error": {"message": "no model"}}'}}, "failed", "no model"),
        ({"status": "failed", "error": {"message": "[1]", "additionalDetails": "more"}}, "failed", "[1]: more"),
        ({"status": "failed", "error": 7}, "failed", None),
        ({"status": "somehow"}, "completed", None),
    ],
)
def test_how_a_turn_ends(spoken: Spoken, turn: dict[str, Any], outcome: str, detail: str | None) -> None:
    event = spoken.ends_turn(**turn)[-1]
    assert isinstance(event, ev.TurnCompleted)
    assert (event.outcome, event.detail) == (outcome, detail)


@pytest.mark.parametrize("info", ["unauthorized", {"httpConnectionFailed": {"httpStatusCode": 401}}])
def test_a_missing_login_is_explained(spoken: Spoken, info: Any) -> None:
    event = spoken.ends_turn("failed", error={"message": "401", "codexErrorInfo": info})[-1]
    assert isinstance(event, ev.TurnCompleted) and "codex login" in (event.detail or "")


def test_a_turn_that_cannot_begin_has_failed() -> None:
    spoken = Spoken().ready()
    spoken.prompt(4)
    (event,) = spoken.hear(id="prompt-4", error={"message": "thread not found"}).events
    assert event == ev.TurnCompleted(outcome="failed", detail="thread not found")


def test_the_notice_of_a_turn_may_come_before_the_answer() -> None:
    spoken = Spoken().ready()
    spoken.prompt(4)
    assert spoken.told("turn/started", turn={"id": TURN}).events == []
    assert spoken.hear(id="prompt-4", result={"turn": {"id": TURN}}).events == []
    assert of(spoken.ends_turn(), "turn_completed")


def test_a_turn_may_be_over_before_its_answer_comes() -> None:
    spoken = Spoken().ready()
    spoken.prompt(4)
    spoken.told("turn/started", turn={"id": TURN})
    assert of(spoken.ends_turn(), "turn_completed")
    assert spoken.hear(id="prompt-4", result={"turn": {"id": TURN}}).events == []
    assert spoken.codec.snapshot()["turns"] == {"ended_id": TURN}


def test_a_turn_that_codex_begins_by_itself_is_told() -> None:
    spoken = Spoken().ready()
    assert spoken.told("turn/started", turn={"id": "u-9"}).events == [ev.TurnStarted(cause="agent")]
    assert of(spoken.ends_turn(turn_id="u-9"), "turn_completed")
    assert spoken.ends_turn(turn_id="u-9") == []


def test_a_prompt_behind_a_turn_of_codex_own_runs_on() -> None:
    spoken = Spoken().ready()
    spoken.prompt(4)
    spoken.told("turn/started", turn={"id": "u-own"})
    assert of(spoken.ends_turn(turn_id="u-own"), "turn_completed")
    fed = spoken.hear(id="prompt-4", result={"turn": {"id": TURN}})
    assert fed.events == [ev.TurnStarted(cause="agent")]
    assert of(spoken.ends_turn(), "turn_completed")


def test_turns_of_other_threads_are_not_ours(spoken: Spoken) -> None:
    other = {"threadId": "t-2", "turn": {"id": "u-2", "status": "completed"}}
    for method in ("turn/started", "turn/completed"):
        assert spoken.told(method, **other).events == []
    item = {"type": "agentMessage", "id": "m", "text": "not for you"}
    for method in ("item/started", "item/completed"):
        assert spoken.told(method, threadId="t-2", item=item).events == []
    assert spoken.told("item/agentMessage/delta", threadId="t-2", itemId="m", delta="x").deltas == []
    assert of(spoken.ends_turn(), "turn_completed")


# -- interrupts --------------------------------------------------------------------------------------------------


def test_an_interrupt_names_the_turn(spoken: Spoken) -> None:
    (said,) = spoken.say(InterruptTurn(), 8)
    assert said == {"id": "interrupt-8", "method": "turn/interrupt", "params": {"threadId": THREAD, "turnId": TURN}}
    for answer in ({"result": {}}, {"error": {"message": "no active turn to interrupt"}}):
        assert spoken.hear(id="interrupt-8", **answer) == Fed()


def test_an_interrupt_waits_for_the_turns_id() -> None:
    spoken = Spoken().ready()
    spoken.prompt(4)
    assert spoken.codec.encode(InterruptTurn(), 5) == b""
    again = CodexCodec(spoken.spec, json.loads(json.dumps(spoken.codec.snapshot())))
    for codec in (spoken.codec, again):
        line = json.dumps({"method": "turn/started", "params": {"threadId": THREAD, "turn": {"id": TURN}}})
        (frame,) = codec.feed(line.encode()).frames
        assert json.loads(frame)["params"] == {"threadId": THREAD, "turnId": TURN}
    assert spoken.hear(id="prompt-4", result={"turn": {"id": TURN}}).frames == []


def test_an_interrupt_that_came_too_late_does_not_reach_the_next_turn() -> None:
    spoken = Spoken().ready()
    spoken.prompt(4)
    spoken.say(InterruptTurn(), 5)
    spoken.hear(id="prompt-4", error={"message": "no"})
    spoken.prompt(6)
    assert spoken.hear(id="prompt-6", result={"turn": {"id": TURN}}).frames == []


def test_commands_that_outlive_an_interrupt_are_ended_and_no_others(spoken: Spoken) -> None:
    spoken.command("c-old")
    spoken.ends_turn()  # it goes on in the background, as it was meant to
    spoken.prompt(2)
    spoken.hear(id="prompt-2", result={"turn": {"id": "u-2"}})
    spoken.command("c-new")
    spoken.say(InterruptTurn(), 3)
    events = spoken.ends_turn("interrupted", "u-2")
    assert [event.type for event in events] == ["tool_call_finished", "turn_completed"]
    assert spoken.lines[-1]["method"] == "thread/backgroundTerminals/list"
    running = [{"itemId": "c-old", "processId": "1"}, {"itemId": "c-new", "processId": "2"}, {"itemId": "c-new"}, 5]
    spoken.hear(id=spoken.lines[-1]["id"], result={"data": running})
    ended = [line for line in spoken.lines if line.get("method") == "thread/backgroundTerminals/terminate"]
    assert [line["params"] for line in ended] == [{"threadId": THREAD, "processId": "2"}]
    assert spoken.hear(id=ended[0]["id"], result={"terminated": True}) == Fed()
    assert spoken.command("c-new", "failed", exitCode=-1) == []


def test_a_turn_that_ends_well_leaves_its_commands_running(spoken: Spoken) -> None:
    spoken.command()
    (finished, completed) = spoken.ends_turn()
    assert isinstance(finished, ev.ToolCallFinished) and finished.ok and "goes on" in finished.output
    assert isinstance(completed, ev.TurnCompleted)
    assert not any(line["method"].startswith("thread/background") for line in spoken.lines if "method" in line)


def test_an_interrupt_without_a_command_asks_for_none(spoken: Spoken) -> None:
    spoken.say(InterruptTurn(), 3)
    spoken.ends_turn("interrupted")
    assert not any("background" in line.get("method", "") for line in spoken.lines)
