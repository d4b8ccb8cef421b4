"""The ACP codec with agents that differ: modes, late pasts, rejections without a word, images."""

from __future__ import annotations

import pytest

from tests.agents.test_acp_words import Talk, chunk
from tetherd.agents.acp.handshake import MOST_FENCES
from tetherd.agents.acp.terms import Terms
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer
from tetherd.domain.effects import InterruptTurn, Prompt, Verdict
from tetherd.domain.ids import InputId
from tetherd.domain.images import Image


@pytest.fixture
def talk() -> Talk:
    return Talk().ready()


ASKING = Terms(asking_mode="default", session_meta={"own": {"sources": ["user"]}})
LATE = Terms(asking_mode="default", replays_late=True)
WIDE = {"modes": {"currentModeId": "bypassPermissions", "availableModes": []}}
NARROW = {"modes": {"currentModeId": "default", "availableModes": []}}


def test_an_agent_that_would_not_ask_is_put_into_the_mode_in_which_it_does() -> None:
    talk = Talk(terms=ASKING)
    (begun,) = talk.hear(id=1, result={}).frames
    assert begun["params"]["_meta"] == {"own": {"sources": ["user"]}}
    fed = talk.hear(id=2, result={"sessionId": "v", **WIDE})
    assert fed.events == []
    (frame,) = fed.frames
    assert (frame["method"], frame["params"]) == ("session/set_mode", {"sessionId": "v", "modeId": "default"})
    assert talk.hear(id=4, result={}).events == [ev.AgentReady(vendor_session_id="v")]


def test_an_agent_that_stays_in_a_mode_in_which_it_does_not_ask_is_refused() -> None:
    talk = Talk(terms=ASKING)
    talk.hear(id=1, result={})
    talk.hear(id=2, result={"sessionId": "v", **WIDE})
    (event,) = talk.hear(id=4, error={"code": -32602, "message": "no such mode"}).events
    assert isinstance(event, ev.NoticeRaised) and event.code == "agent_refused"


def test_an_agent_in_the_right_mode_is_ready_at_once() -> None:
    for result in (NARROW, {}):
        talk = Talk(terms=ASKING)
        talk.hear(id=1, result={})
        assert talk.hear(id=2, result={"sessionId": "v", **result}).events == [ev.AgentReady(vendor_session_id="v")]


def test_a_past_that_is_told_late_is_not_written_again() -> None:
    talk = Talk("v-old", LATE)
    talk.hear(id=1, result={"agentCapabilities": {"loadSession": True}})
    assert [frame["method"] for frame in talk.hear(id=3, result=NARROW).frames] == ["session/set_mode"]
    assert chunk(talk, "old words").events == []
    assert [frame["method"] for frame in talk.hear(id=4, result={}).frames] == ["session/set_mode"]
    assert talk.hear(id=4, result={}).events == [ev.AgentReady(vendor_session_id="v-old")]
    assert chunk(talk, "new words").deltas[0].offset == 0


def test_an_agent_that_never_falls_silent_is_ready_at_last() -> None:
    talk = Talk("v-old", LATE)
    talk.hear(id=1, result={"agentCapabilities": {"loadSession": True}})
    talk.hear(id=3, result=NARROW)
    for _ in range(MOST_FENCES):
        chunk(talk, "old words")
        events = talk.hear(id=4, result={}).events
    assert events == [ev.AgentReady(vendor_session_id="v-old")]


def test_a_turn_that_we_cancelled_was_interrupted(talk: Talk) -> None:
    for seq in (5, 6):
        prompt = talk.say(Prompt(InputId("i"), "go"), seq)
        if seq == 5:
            talk.say(InterruptTurn(), 9)
        (last,) = talk.hear(id=prompt["id"], result={"stopReason": "cancelled"}).events
        assert isinstance(last, ev.TurnCompleted)
        assert last.outcome == {5: "interrupted", 6: "completed"}[seq]


def test_a_call_that_was_rejected_and_never_spoken_of_again_ends_as_rejected(talk: Talk) -> None:
    prompt = talk.say(Prompt(InputId("i"), "go"), 5)
    approval = talk.asks({"kind": "edit", "title": "w.txt"})
    talk.say(Verdict(approval, Answer(decision="reject")))
    finished, _ = talk.hear(id=prompt["id"], result={"stopReason": "end_turn"}).events
    assert isinstance(finished, ev.ToolCallFinished)
    assert (finished.ok, finished.output) == (False, "Rejected.")


def test_images_go_to_an_agent_that_takes_them() -> None:
    prompt = Prompt(InputId("i"), "look", (Image(media_type="image/png", data="iVBORw0KGgo="),))
    talk = Talk()
    talk.hear(id=1, result={"agentCapabilities": {"promptCapabilities": {"image": True}}})
    talk.hear(id=2, result={"sessionId": "v"})
    image = {"type": "image", "mimeType": "image/png", "data": "iVBORw0KGgo="}
    assert talk.say(prompt)["params"]["prompt"] == [{"type": "text", "text": "look"}, image]
    assert chunk(talk, "I see").events == []


def test_images_are_left_out_for_others_and_that_is_said(talk: Talk) -> None:
    prompt = Prompt(InputId("i"), "look", (Image(media_type="image/png", data="iVBORw0KGgo="),))
    assert talk.say(prompt)["params"]["prompt"] == [{"type": "text", "text": "look"}]
    (notice,) = chunk(talk, "I see nothing").events
    assert isinstance(notice, ev.NoticeRaised) and notice.code == "images_left_out"
    assert chunk(talk, "!").events == []
