"""The Anthropic Messages API, read and written."""

from __future__ import annotations

from typing import Any

import pytest

from tetherd.agents.workers.core.content import (
    Answered,
    Asked,
    Brought,
    Image,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from tetherd.agents.workers.core.provider import Piece, Said, Stop, Thought, Used
from tetherd.agents.workers.core.usage import Usage
from tetherd.agents.workers.providers.claude_wire import Reader, messages_for

Json = dict[str, Any]
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "s"}


def test_a_conversation_as_the_api_wants_it() -> None:
    use = ToolUse(call_id="c", name="bash", input={"command": "ls"})
    messages = messages_for(
        [
            Asked(parts=(Text(text="look"), Text(text=" "), Image(media_type="image/png", data="QQ=="))),
            Answered(model="m", parts=(Thinking(raw=SIGNED), Text(text="\n"), Text(text="so"), use)),
            Brought(results=(ToolResult(call_id="c", text="gone", is_error=True),)),
        ],
        "m",
    )
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}}
    assert messages == [
        {"role": "user", "content": [{"type": "text", "text": "look"}, picture]},
        {
            "role": "assistant",
            "content": [
                SIGNED,
                {"type": "text", "text": "so"},
                {"type": "tool_use", "id": "c", "name": "bash", "input": {"command": "ls"}},
            ],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "tool_use_id": "c", "content": "gone", "is_error": True}],
        },
    ]


def test_another_model_does_not_get_the_thoughts() -> None:
    (message,) = messages_for([Answered(model="old", parts=(Thinking(raw=SIGNED), Text(text="so")))], "new")
    assert message["content"] == [{"type": "text", "text": "so"}]


def started(index: int, **block: Any) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def begun(**usage: Any) -> Json:
    return {"type": "message_start", "message": {"usage": {"input_tokens": 10, "output_tokens": 1, **usage}}}


def ended(reason: str | None, tokens: int = 5) -> Json:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": tokens}}


def read(*events: Json, model: str = "claude-of-tomorrow") -> tuple[Reader, list[Piece]]:
    reader = Reader(model)
    return reader, [piece for event in events for piece in reader.take(event)]


def test_an_answer_is_put_together_from_its_events() -> None:
    reader, pieces = read(
        begun(cache_read_input_tokens=3, cache_creation_input_tokens=None),
        started(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="h"),
        delta(0, "thinking_delta", thinking="m"),
        delta(0, "signature_delta", signature="s"),
        started(1, type="text", text=""),
        delta(1, "text_delta", text="so "),
        delta(1, "text_delta", text="it is"),
        started(2, type="tool_use", id="c", name="bash", input={}),
        delta(2, "input_json_delta", partial_json='{"comm'),
        delta(2, "input_json_delta", partial_json='and": "ls"}'),
        ended("tool_use"),
        {"type": "message_stop"},
    )
    assert reader.stop is Stop.TOOLS
    assert reader.parts() == (
        Thinking(raw=SIGNED),
        Text(text="so it is"),
        ToolUse(call_id="c", name="bash", input={"command": "ls"}),
    )
    assert [piece for piece in pieces if isinstance(piece, Said | Thought)] == [
        Thought("h"),
        Thought("m"),
        Said("so "),
        Said("it is"),
    ]
    assert pieces[-1] == Used(Usage(read=13, written=5, cache_read=3))


@pytest.mark.parametrize("text", ['{"command": "l', "[1]", '"x"', "nonsense", "[" * 100_000])
def test_input_that_is_no_object_is_kept_as_broken(text: str) -> None:
    reader, _ = read(started(0, type="tool_use", id="c", name="bash"), delta(0, "input_json_delta", partial_json=text))
    (use,) = reader.parts()
    assert isinstance(use, ToolUse)
    assert (use.input, use.broken) == ({}, text[:1000])


def test_a_call_without_input_has_an_empty_one() -> None:
    reader, _ = read(started(0, type="tool_use", id="c", name="glob", input={}))
    assert reader.parts() == (ToolUse(call_id="c", name="glob"),)


@pytest.mark.parametrize(
    "reason, stop",
    [("end_turn", Stop.DONE), ("max_tokens", Stop.LENGTH), ("refusal", Stop.REFUSED), ("of_tomorrow", Stop.DONE)],
)
def test_why_it_ended(reason: str, stop: Stop) -> None:
    assert read(ended(reason))[0].stop is stop


def test_without_its_end_an_answer_has_none() -> None:
    assert read(begun(), started(0, type="text", text=""), delta(0, "text_delta", text="so"))[0].stop is None


@pytest.mark.parametrize(
    "event", [{}, {"type": "of_tomorrow"}, delta(7, "text_delta", text="x"), delta(0, "of_tomorrow"), {"type": 3}]
)
def test_what_a_later_api_may_add_is_left_out(event: Json) -> None:
    reader, pieces = read(started(0, type="of_tomorrow"), event)
    assert (reader.parts(), pieces) == ((), [])


def test_a_model_with_a_price_tells_what_it_cost() -> None:
    _, pieces = read(begun(), ended("end_turn", 100), model="claude-sonnet-5-5")
    assert pieces[-1] == Used(Usage(read=10, written=100, cost_usd=pytest.approx(0.00102)))  # type: ignore[arg-type]
