"""The Chat Completions API, as LiteLLM speaks it."""

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
from tetherd.agents.workers.core.provider import Piece, Said, Stop, Thought, ToolOffer
from tetherd.agents.workers.core.usage import Usage
from tetherd.agents.workers.providers.chat_wire import Reader, messages_for, tools_for

Json = dict[str, Any]
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "s"}


def test_a_conversation_as_the_api_wants_it() -> None:
    use = ToolUse(call_id="c", name="bash", input={"command": "ls"})
    told = messages_for(
        "be good",
        [
            Asked(parts=(Text(text="a"), Text(text="b"))),
            Answered(model="m", parts=(Thinking(raw=SIGNED), Text(text="so"), use)),
            Brought(results=(ToolResult(call_id="c", text="gone", is_error=True), ToolResult(call_id="d", text="x"))),
            Asked(parts=(Text(text="see"), Image(media_type="image/png", data="QQ=="))),
            Answered(model="other", parts=(Thinking(raw=SIGNED), use)),
        ],
        "m",
    )
    call = {"id": "c", "type": "function", "function": {"name": "bash", "arguments": '{"command": "ls"}'}}
    assert told == [
        {"role": "system", "content": "be good"},
        {"role": "user", "content": "a\nb"},
        {"role": "assistant", "content": "so", "thinking_blocks": [SIGNED], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "ERROR: gone"},
        {"role": "tool", "tool_call_id": "d", "content": "x"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
            ],
        },
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]


def test_a_tool_as_the_api_wants_it() -> None:
    (tool,) = tools_for([ToolOffer("t", "does", {"type": "object"})])
    assert tool == {
        "type": "function",
        "function": {"name": "t", "description": "does", "parameters": {"type": "object"}},
    }


def chunk(finish: str | None = None, **delta: Any) -> Json:
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


def called(index: int, call_id: str | None, name: str | None, arguments: str | None) -> Json:
    return chunk(tool_calls=[{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}])


def read(*chunks: Json) -> tuple[Reader, list[Piece]]:
    reader = Reader()
    return reader, [piece for one in chunks for piece in reader.take(one)]


def test_an_answer_is_put_together_from_its_chunks() -> None:
    reader, pieces = read(
        chunk(role="assistant", content=""),
        chunk(reasoning_content="h", thinking_blocks=[{"type": "thinking", "thinking": "h"}]),
        chunk(thinking_blocks=[{"type": "thinking", "thinking": "m", "signature": "s"}]),
        chunk(content="so "),
        chunk(content="it is"),
        called(0, "c", "bash", ""),
        called(0, None, None, '{"command":'),
        called(0, None, None, ' "ls"}'),
        called(1, "d", "glob", "{}"),
        chunk("tool_calls"),
        {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": None}},
    )
    assert reader.stop is Stop.TOOLS
    assert reader.parts() == (
        Thinking(raw=SIGNED),
        Text(text="so it is"),
        ToolUse(call_id="c", name="bash", input={"command": "ls"}),
        ToolUse(call_id="d", name="glob"),
    )
    assert pieces == [Thought("h"), Said("so "), Said("it is")]
    assert reader.usage == Usage(read=9, written=4)


def test_calls_that_are_all_numbered_zero_are_told_apart_by_id() -> None:
    reader, _ = read(called(0, "c", "bash", '{"command": "a"}'), called(0, "d", "bash", '{"command": "b"}'))
    assert [(use.call_id, use.input["command"]) for use in reader.parts() if isinstance(use, ToolUse)] == [
        ("c", "a"),
        ("d", "b"),
    ]


def test_a_call_without_an_id_gets_one() -> None:
    reader, _ = read(called(0, None, "glob", "{}"))
    (use,) = reader.parts()
    assert isinstance(use, ToolUse) and use.call_id


@pytest.mark.parametrize("arguments", ["{", "[]", "null x", "7"])
def test_input_that_is_no_object_is_kept_as_broken(arguments: str) -> None:
    reader, _ = read(called(0, "c", "bash", arguments))
    (use,) = reader.parts()
    assert isinstance(use, ToolUse) and use.broken == arguments


@pytest.mark.parametrize(
    "finish, stop", [("stop", Stop.DONE), ("length", Stop.LENGTH), ("content_filter", Stop.REFUSED), ("new", Stop.DONE)]
)
def test_why_it_ended(finish: str, stop: Stop) -> None:
    assert read(chunk(finish))[0].stop is stop


def test_without_its_end_an_answer_has_none_and_usage_is_unknown() -> None:
    reader, _ = read(chunk(content="so"), {"choices": []}, {})
    assert (reader.stop, reader.usage, reader.has_begun) == (None, Usage(), True)
