"""The Chat Completions API, which LiteLLM speaks for all vendors: what it is asked, and what its stream says. Pure.

Source: OpenAI's API reference, "Chat Completions"; LiteLLM 1.110 adds `reasoning_content` and `thinking_blocks`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tetherd.agents.workers.core.content import (
    Answered,
    AnswerPart,
    Asked,
    Brought,
    Image,
    Message,
    Text,
    Thinking,
    ToolUse,
    clean_json,
)
from tetherd.agents.workers.core.provider import Piece, Said, Stop, Thought, ToolOffer
from tetherd.agents.workers.core.usage import Usage
from tetherd.agents.workers.messages import JsonObject

_STOPS = {"tool_calls": Stop.TOOLS, "length": Stop.LENGTH, "content_filter": Stop.REFUSED}


def messages_for(system: str, messages: Sequence[Message], model: str) -> list[JsonObject]:
    """The conversation as the API wants it. Thoughts go back to the model that had them, and to no other."""
    told: list[JsonObject] = [{"role": "system", "content": system}]
    for message in messages:
        match message:
            case Asked():
                told.append({"role": "user", "content": _asked(message)})
            case Answered():
                told.append(_answered(message, with_thoughts=message.model == model))
            case Brought(results=results):
                for one in results:  # the API has no other place for it
                    text = f"ERROR: {one.text}" if one.is_error else one.text
                    told.append({"role": "tool", "tool_call_id": one.call_id, "content": text})
    return told


def tools_for(tools: Sequence[ToolOffer]) -> list[JsonObject]:
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
        }
        for tool in tools
    ]


def _asked(message: Asked) -> str | list[JsonObject]:
    if not any(isinstance(part, Image) for part in message.parts):
        return "\n".join(part.text for part in message.parts if isinstance(part, Text))
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, Text)
        else {"type": "image_url", "image_url": {"url": f"data:{part.media_type};base64,{part.data}"}}
        for part in message.parts
    ]


def _answered(message: Answered, *, with_thoughts: bool) -> JsonObject:
    told: JsonObject = {"role": "assistant", "content": message.text or None}
    thoughts = [part.raw for part in message.parts if isinstance(part, Thinking)]
    if thoughts and with_thoughts:
        told["thinking_blocks"] = thoughts
    if message.calls:
        told["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.input)},
            }
            for call in message.calls
        ]
    return told


@dataclass
class _Call:
    call_id: str
    name: str
    arguments: list[str] = field(default_factory=list)


class Reader:
    """Puts one answer together from the chunks of its stream. `stop` is None until the API has said how it ended."""

    def __init__(self) -> None:
        self.has_begun = False
        self.stop: Stop | None = None
        self.usage = Usage()
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._signed: list[JsonObject] = []
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}

    def take(self, chunk: JsonObject) -> Iterator[Piece]:
        """What a chunk adds to the answer."""
        self.has_begun = True
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.usage = _usage(usage)
        choices = chunk.get("choices") or [{}]
        reason = choices[0].get("finish_reason")
        if reason is not None:
            self.stop = _STOPS.get(reason, Stop.DONE)
        delta = choices[0].get("delta") or {}
        if thought := delta.get("reasoning_content"):
            yield Thought(thought)
        for block in delta.get("thinking_blocks") or ():
            self._think(block)
        if text := delta.get("content"):
            self._texts.append(text)
            yield Said(text)
        for call in delta.get("tool_calls") or ():
            self._call(call)

    def parts(self) -> tuple[AnswerPart, ...]:
        """The whole answer."""
        thoughts = tuple(Thinking(raw=block) for block in self._signed)
        text = "".join(self._texts)
        return (*thoughts, *([Text(text=text)] if text else []), *map(_tool_use, self._calls))

    def _think(self, block: JsonObject) -> None:
        """Thoughts come in pieces, the last of which is signed; what is never signed nobody wants back."""
        self._thoughts.append(block.get("thinking") or "")
        if block.get("type") == "redacted_thinking":
            self._signed.append(block)
        elif block.get("signature"):
            self._signed.append({**block, "thinking": "".join(self._thoughts)})
            self._thoughts.clear()

    def _call(self, call: JsonObject) -> None:
        index, call_id = call.get("index") or 0, call.get("id")
        function = call.get("function") or {}
        known = self._at.get(index)
        # some vendors number all calls 0, and tell them apart by id
        if known is None or (call_id and call_id != known.call_id):
            known = self._at[index] = _Call(call_id or f"call_{secrets.token_hex(8)}", "")
            self._calls.append(known)
        known.name += function.get("name") or ""
        known.arguments.append(function.get("arguments") or "")


def _tool_use(call: _Call) -> ToolUse:
    text = "".join(call.arguments)
    try:
        given: Any = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        return ToolUse(call_id=call.call_id, name=call.name, broken=text[:1000])
    return ToolUse(call_id=call.call_id, name=call.name, input=clean_json(given))


def _usage(usage: JsonObject) -> Usage:
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(
        read=_count(usage.get("prompt_tokens")),
        written=_count(usage.get("completion_tokens")),
        cache_read=_count(cached),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
