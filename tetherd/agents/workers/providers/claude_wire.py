"""The Anthropic Messages API: what it is asked, and what its stream says. Pure.

Source: the types of the `anthropic` package (2.14), as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from tetherd.agents.workers.core.content import (
    Answered,
    AnswerPart,
    Asked,
    Image,
    Message,
    Text,
    Thinking,
    ToolUse,
    clean_json,
)
from tetherd.agents.workers.core.provider import Piece, Said, Stop, Thought, Used
from tetherd.agents.workers.core.usage import Usage
from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.providers.claude_prices import cost_usd

_STOPS = {"tool_use": Stop.TOOLS, "max_tokens": Stop.LENGTH, "refusal": Stop.REFUSED}

STATUS_OF = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    "invalid_request_error": 400,
}
"""The status that stands for an error which the stream tells after it began with 200."""


def messages_for(messages: Sequence[Message], model: str) -> list[JsonObject]:
    """The conversation as the API wants it. Thoughts go back to the model that had them, and to no other."""
    return [_message(message, model) for message in messages]


def _message(message: Message, model: str) -> JsonObject:
    if isinstance(message, Asked):
        content = [_asked(part) for part in message.parts if isinstance(part, Image) or part.text.strip()]
        return {"role": "user", "content": content}
    if isinstance(message, Answered):
        kept = (part for part in message.parts if not isinstance(part, Thinking) or message.model == model)
        return {"role": "assistant", "content": [block for part in kept if (block := _answered(part))]}
    results = [
        {"type": "tool_result", "tool_use_id": one.call_id, "content": one.text, "is_error": one.is_error}
        for one in message.results
    ]
    return {"role": "user", "content": results}


def _asked(part: Text | Image) -> JsonObject:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": part.data}}


def _answered(part: AnswerPart) -> JsonObject | None:
    match part:
        case Text(text=text):  # the API takes no text without a word in it
            return {"type": "text", "text": text} if text.strip() else None
        case Thinking(raw=raw):
            return raw
        case ToolUse():
            return {"type": "tool_use", "id": part.call_id, "name": part.name, "input": part.input}


class Reader:
    """Puts one answer together from the events of its stream.

    `stop` is None until the API has said how it ended. What a later version of the API may add is left out.
    """

    def __init__(self, model: str) -> None:
        self.stop: Stop | None = None
        self._model = model
        self._blocks: dict[int, JsonObject] = {}
        self._texts: dict[int, list[str]] = {}
        self._usage: JsonObject = {}

    def take(self, event: JsonObject) -> Iterator[Piece]:
        """What an event adds to the answer."""
        match event.get("type"):
            case "message_start":
                self._usage = dict(_table(_table(event, "message"), "usage"))
                yield Used(self._used())
            case "content_block_start":
                self._blocks[event["index"]] = dict(_table(event, "content_block"))
                self._texts[event["index"]] = []
            case "content_block_delta":
                yield from self._delta(event["index"], _table(event, "delta"))
            case "message_delta":
                reason = _table(event, "delta").get("stop_reason")
                self.stop = None if reason is None else _STOPS.get(reason, Stop.DONE)
                self._usage |= {key: count for key, count in _table(event, "usage").items() if count is not None}
                yield Used(self._used())

    def parts(self) -> tuple[AnswerPart, ...]:
        """The whole answer."""
        return tuple(part for index in sorted(self._blocks) if (part := self._part(index)))

    def _delta(self, index: int, delta: JsonObject) -> Iterator[Piece]:
        if index not in self._blocks:
            return
        match delta.get("type"):
            case "text_delta":
                self._texts[index].append(delta["text"])
                yield Said(delta["text"])
            case "thinking_delta":
                self._texts[index].append(delta["thinking"])
                yield Thought(delta["thinking"])
            case "signature_delta":
                self._blocks[index]["signature"] = delta["signature"]
            case "input_json_delta":
                self._texts[index].append(delta["partial_json"])

    def _part(self, index: int) -> AnswerPart | None:
        block, text = self._blocks[index], "".join(self._texts[index])
        match block.get("type"):
            case "text":
                return Text(text=block.get("text", "") + text)
            case "thinking":
                return Thinking(raw={**block, "thinking": block.get("thinking", "") + text})
            case "redacted_thinking":
                return Thinking(raw=block)
            case "tool_use":
                return _tool_use(str(block["id"]), str(block["name"]), text)
            case _:
                return None

    def _used(self) -> Usage:
        fresh, written = _count(self._usage, "input_tokens"), _count(self._usage, "output_tokens")
        cache_read = _count(self._usage, "cache_read_input_tokens")
        cache_written = _count(self._usage, "cache_creation_input_tokens")
        read = None if fresh is None else fresh + (cache_read or 0) + (cache_written or 0)
        usage = Usage(read=read, written=written, cache_read=cache_read, cache_written=cache_written)
        cost = cost_usd(self._model, usage)
        return Usage(read=read, written=written, cache_read=cache_read, cache_written=cache_written, cost_usd=cost)


def _tool_use(call_id: str, name: str, text: str) -> ToolUse:
    try:
        given: Any = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        return ToolUse(call_id=call_id, name=name, broken=text[:1000])
    return ToolUse(call_id=call_id, name=name, input=clean_json(given))


def _table(of: JsonObject, key: str) -> JsonObject:
    value = of.get(key)
    return value if isinstance(value, dict) else {}


def _count(of: JsonObject, key: str) -> int | None:
    value = of.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
