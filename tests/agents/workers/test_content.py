"""Conversations as an API takes them."""

from __future__ import annotations

import pytest

from tetherd.agents.workers.core.content import (
    UNTOLD,
    Answered,
    Asked,
    Brought,
    Message,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
    clean,
    clean_json,
    complete,
)

HELLO = Asked(parts=(Text(text="hello"),))


def answer(*parts: Text | Thinking | ToolUse) -> Answered:
    return Answered(model="m", parts=parts)


def call(call_id: str) -> ToolUse:
    return ToolUse(call_id=call_id, name="bash", input={"command": "true"})


def result(call_id: str, text: str = "done") -> ToolResult:
    return ToolResult(call_id=call_id, text=text)


LOST = ToolResult(call_id="b", text=UNTOLD, is_error=True)


@pytest.mark.parametrize(
    "kept, told",
    [
        ([HELLO, answer(Text(text="hi"))], None),
        ([HELLO, answer(call("a")), Brought(results=(result("a"),))], None),
        # killed while a tool ran, and then a new prompt
        ([HELLO, answer(call("b"))], [HELLO, answer(call("b")), Brought(results=(LOST,))]),
        ([HELLO, answer(call("b")), HELLO], [HELLO, answer(call("b")), Brought(results=(LOST,)), HELLO]),
        # only some of the results were kept
        (
            [HELLO, answer(call("a"), call("b")), Brought(results=(result("a"),))],
            [HELLO, answer(call("a"), call("b")), Brought(results=(result("a"), LOST))],
        ),
        # results that belong to nothing, and answers without a word
        ([HELLO, Brought(results=(result("x"),)), HELLO], [HELLO, HELLO]),
        ([HELLO, answer(Text(text=" \n")), answer(), answer(Thinking(raw={})), HELLO], [HELLO, HELLO]),
    ],
)
def test_every_call_has_its_result_and_no_message_is_empty(kept: list[Message], told: list[Message] | None) -> None:
    assert complete(kept) == (kept if told is None else told)


def test_halves_of_characters_are_replaced_and_whole_ones_stay() -> None:
    assert clean("a\ud83d\ude00\ud800b") == "a\U0001f600\ufffdb"
    assert clean_json({"\udc00": ["\ud800", 1, None, {"x": "ok"}]}) == {"\ufffd": ["\ufffd", 1, None, {"x": "ok"}]}
