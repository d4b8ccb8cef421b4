"""Pi's turns: how they begin, go on by themselves and end."""

from __future__ import annotations

import json
from typing import Any

from tests.agents.acp_replay import launch_spec
from tetherd.agents.pi.codec import PiCodec
from tetherd.domain import events as ev
from tetherd.domain.effects import InterruptTurn, Prompt
from tetherd.domain.ids import InputId
from tetherd.domain.images import Image
from tetherd.plugin import Fed

READY = json.dumps({"tetherd": 1, "kind": "ready", "version": "0.74.2"})
IDLE = {"isStreaming": False, "isCompacting": False}


class Talk:
    """A codec that is spoken to by a Pi of ours."""

    def __init__(self, vendor_session_id: str | None = None) -> None:
        self.codec = PiCodec(launch_spec(vendor_session_id), None)
        (opening,) = self.codec.open()
        assert json.loads(opening) == {"id": "open", "type": "get_state"}

    def hear(self, kind: str, **members: Any) -> Fed:
        return self.codec.feed(json.dumps({"type": kind, **members}).encode())

    def guarded(self) -> Talk:
        self.hear("extension_ui_request", id="x", method="setStatus", statusKey="tetherd", statusText=READY)
        return self

    def opened(self, messages: int = 0) -> Fed:
        data = {**IDLE, "sessionFile": "/home/dev/s.jsonl", "messageCount": messages}
        return self.hear("response", id="open", command="get_state", success=True, data=data)

    def prompted(self, seq: int = 1) -> Talk:
        self.codec.encode(Prompt(InputId("i"), "go"), seq)
        return self

    def probe_answer(self, fed: Fed, **data: Any) -> Fed:
        """What follows when the probe in `fed` is answered."""
        (frame,) = fed.frames
        asked = json.loads(frame)
        assert asked["type"] == "get_state"
        return self.hear("response", id=asked["id"], command="get_state", success=True, data={**IDLE, **data})

    def said(self, reason: str, **more: Any) -> None:
        self.hear("message_end", message={"role": "assistant", "stopReason": reason, **more})


def ready() -> Talk:
    talk = Talk().guarded()
    talk.opened()
    return talk


def kinds(fed: Fed) -> list[str]:
    return [event.type for event in fed.events]


def test_without_the_extension_no_session_begins() -> None:
    talk = Talk()
    (event,) = talk.opened().events
    assert isinstance(event, ev.NoticeRaised)
    assert (event.code, event.level) == ("agent_refused", "error")
    assert kinds(talk.guarded().opened()) == ["output_unrecognised"]  # its moment is over


def test_with_the_extension_it_begins_and_says_its_version() -> None:
    (event,) = Talk().guarded().opened().events
    expected = ev.AgentReady(vendor_session_id="/home/dev/s.jsonl", agent_name="Pi", agent_version="0.74.2")
    assert event == expected


def test_a_session_that_cannot_be_opened_says_why() -> None:
    (event,) = Talk().guarded().hear("response", id="open", success=False, error="no model").events
    assert isinstance(event, ev.NoticeRaised) and "no model" in event.text


def test_what_is_gone_from_disk_is_told_when_it_is_resumed() -> None:
    assert kinds(Talk("/home/dev/s.jsonl").guarded().opened(messages=0)) == ["notice_raised", "agent_ready"]
    assert kinds(Talk("/home/dev/s.jsonl").guarded().opened(messages=2)) == ["agent_ready"]


def test_a_prompt_that_is_refused_ends_its_turn() -> None:
    fed = ready().prompted(5).hear("response", id="prompt-5", command="prompt", success=False, error="No API key")
    assert fed.events == [ev.TurnCompleted(outcome="failed", detail="No API key")]


def test_a_prompt_that_begins_nothing_ends_its_turn() -> None:
    talk = ready().prompted()
    fed = talk.hear("response", id="prompt-1", command="prompt", success=True)
    assert kinds(talk.probe_answer(fed)) == ["turn_completed"]


def test_a_prompt_that_begins_something_does_not() -> None:
    talk = ready().prompted()
    taken = talk.hear("response", id="prompt-1", command="prompt", success=True)
    talk.hear("agent_start")
    assert kinds(talk.probe_answer(taken, isStreaming=True)) == []
    talk.said("stop")
    assert kinds(talk.probe_answer(talk.hear("agent_end", messages=[]))) == ["turn_completed"]


def test_an_old_probe_does_not_end_a_new_turn() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    ended = talk.hear("agent_end", messages=[])
    assert kinds(talk.hear("agent_settled")) == ["turn_completed"]  # as Pi says since 0.87
    talk.prompted(2)
    assert kinds(talk.probe_answer(ended)) == []


def test_a_turn_goes_on_while_pi_tries_again() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    talk.said("error", errorMessage="529 overloaded")
    ended = talk.hear("agent_end", messages=[])
    (notice,) = talk.hear("auto_retry_start", attempt=1, maxAttempts=3, errorMessage="529 overloaded").events
    assert isinstance(notice, ev.NoticeRaised) and "1 of 3" in notice.text
    assert kinds(talk.probe_answer(ended)) == []
    talk.hear("agent_start")
    talk.said("stop")
    assert talk.hear("auto_retry_end", success=True, attempt=1).events == []
    assert talk.probe_answer(talk.hear("agent_end")).events == [ev.TurnCompleted(outcome="completed")]


def test_a_turn_ends_when_pi_gives_up() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    talk.said("error", errorMessage="529 overloaded")
    ended = talk.hear("agent_end", messages=[])
    gave_up = talk.hear("auto_retry_end", success=False, attempt=3, finalError="529 overloaded")
    assert kinds(talk.probe_answer(ended)) == []
    assert talk.probe_answer(gave_up).events == [ev.TurnCompleted(outcome="failed", detail="529 overloaded")]


def test_an_interrupt_ends_what_pi_would_try_again() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    talk.said("error", errorMessage="529 overloaded")
    talk.hear("agent_end", messages=[])
    talk.hear("auto_retry_start", attempt=1, maxAttempts=3, errorMessage="529 overloaded")
    assert json.loads(talk.codec.encode(InterruptTurn(), 9)) == {"id": "abort-9", "type": "abort"}
    fed = talk.hear("response", id="abort-9", command="abort", success=True)
    assert talk.probe_answer(fed).events == [ev.TurnCompleted(outcome="interrupted")]


def test_a_turn_lasts_until_the_context_has_room_again() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    talk.said("stop")
    ended = talk.hear("agent_end", messages=[])
    assert kinds(talk.hear("compaction_start", reason="threshold")) == ["notice_raised"]
    assert kinds(talk.probe_answer(ended, isCompacting=True)) == []
    fed = talk.hear("compaction_end", reason="threshold", result={}, aborted=False, willRetry=False)
    assert kinds(talk.probe_answer(fed)) == ["turn_completed"]


def test_after_an_overflow_the_turn_goes_on() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    talk.said("error", errorMessage="too long")
    talk.hear("agent_end", messages=[])
    fed = talk.hear("compaction_end", reason="overflow", result={}, aborted=False, willRetry=True)
    assert kinds(talk.probe_answer(fed)) == []
    talk.hear("agent_start")
    talk.said("stop")
    assert kinds(talk.probe_answer(talk.hear("agent_end"))) == ["turn_completed"]


def test_a_turn_that_pi_begins_by_itself_is_told() -> None:
    talk = ready()
    assert talk.hear("agent_start").events == [ev.TurnStarted(cause="agent")]
    talk.said("stop")
    assert kinds(talk.probe_answer(talk.hear("agent_end"))) == ["turn_completed"]
    assert talk.hear("agent_end").frames == []


def test_words_in_mid_turn_join_it() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    frame = json.loads(talk.codec.encode(Prompt(InputId("i"), "rather so"), 2))
    assert (frame["type"], frame["streamingBehavior"]) == ("prompt", "steer")
    talk.hear("response", id="prompt-2", command="prompt", success=True)
    refused = talk.hear("response", id="prompt-3", command="prompt", success=False, error="not now")
    assert kinds(refused) == ["notice_raised"]
    talk.said("stop")
    assert kinds(talk.probe_answer(talk.hear("agent_end"))) == ["turn_completed"]


def test_images_go_along() -> None:
    prompt = Prompt(InputId("i"), "look", (Image(media_type="image/png", data="iVBORw0KGgo="),))
    frame = json.loads(ready().codec.encode(prompt, 1))
    assert frame["images"] == [{"type": "image", "data": "iVBORw0KGgo=", "mimeType": "image/png"}]


def test_an_end_that_is_too_long_to_read_is_an_end() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    fed = talk.codec.skipped(b'{"type":"agent_end","messages":[{"role":"user","content"', 20_000_000)
    assert kinds(fed) == ["output_unrecognised"]
    assert kinds(talk.probe_answer(fed)) == ["turn_completed"]


def test_calls_that_are_open_end_with_the_turn() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    talk.hear("tool_execution_start", toolCallId="c", toolName="bash", args={"command": "ls"})
    fed = talk.probe_answer(talk.hear("agent_end"))
    assert kinds(fed) == ["tool_call_finished", "turn_completed"]


def test_usage_without_a_number_is_unknown_and_never_zero() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    nothing = {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "cost": {"total": 0}}
    talk.said("stop", usage=nothing)
    assert kinds(talk.probe_answer(talk.hear("agent_end"))) == ["turn_completed"]
    talk.prompted(2)
    talk.hear("agent_start")
    talk.said("toolUse", usage={**nothing, "input": 10, "cacheRead": 5, "output": 3})
    talk.said("stop", usage={**nothing, "input": 1, "output": 1})
    usage, _ = talk.probe_answer(talk.hear("agent_end")).events
    assert usage == ev.UsageReported(input_tokens=16, output_tokens=4, cost_usd=None)


def test_what_was_used_before_pi_died_is_counted() -> None:
    talk = ready().prompted()
    talk.hear("agent_start")
    talk.said("toolUse", usage={"input": 10, "output": 3, "cost": {"total": 0.25}})
    assert list(talk.codec.finish()) == [ev.UsageReported(input_tokens=10, output_tokens=3, cost_usd=0.25)]
