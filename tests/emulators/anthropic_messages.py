"""The Anthropic Messages API as a dialect of the scripted model.

Source: the types of the `anthropic` package, and what the claude CLI 2.1.330 asks and accepts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

from tests.emulators.conversation import Answer, Entry, ToolResult, spoken
from tests.emulators.dialect import PIECE, TOLD, Frame, Json, bearer, event, of_schema
from tests.emulators.script import Step, split

PATH = "/v1/messages"
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzY3JpcHQ="

ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class AnthropicMessages:
    name = "anthropic"

    def takes(self, path: str) -> bool:
        return path == PATH

    def key(self, headers: dict[str, str]) -> str | None:
        return headers.get("x-api-key") or bearer(headers)

    def streams(self, path: str, body: Json) -> bool:
        return body.get("stream") is True

    def is_aside(self, body: Json) -> bool:
        """Titles and summaries come without tools; conversations of agents never do."""
        return not body.get("tools")

    def aside(self, body: Json) -> Step:
        wanted = body.get("output_config", {}).get("format", {}).get("schema")
        return Step(say=json.dumps(of_schema(wanted)) if wanted else "ok")

    def read(self, body: Json) -> list[Entry]:
        entries: list[Entry] = []
        for message in body["messages"]:
            blocks = _blocks(message["content"])
            texts = [block["text"] for block in blocks if block["type"] == "text"]
            if message["role"] == "assistant":
                calls = tuple(block["id"] for block in blocks if block["type"] == "tool_use")
                entries.append(Answer("".join(texts), calls))
            elif message["role"] == "user":
                results = [block for block in blocks if block["type"] == "tool_result"]
                entries += [
                    ToolResult(block["tool_use_id"], _text(block.get("content", "")), block.get("is_error") is True)
                    for block in results
                ]
                entries += spoken(texts, beside_results=bool(results))
        return entries

    def whole(self, step: Step, body: Json) -> Json:
        """The answer in one piece."""
        content = [_block(block, text) for block, text, _ in _content(step)]
        return {
            **_head(body),
            "content": content,
            "stop_reason": _stop_reason(step),
            "usage": _usage(step) | {"output_tokens": step.usage.output},
        }

    def frames(self, step: Step, body: Json) -> Iterator[Frame]:
        """The answer as server-sent events."""
        head = {**_head(body), "content": [], "stop_reason": None, "usage": _usage(step)}
        yield _frame("message_start", message=head)
        yield _frame("ping")
        yield TOLD
        for index, (block, _, deltas) in enumerate(_content(step)):
            yield _frame("content_block_start", index=index, content_block=block)
            for delta in deltas:
                yield _frame("content_block_delta", index=index, delta=delta)
                if delta["type"] == "text_delta":
                    yield PIECE
            yield _frame("content_block_stop", index=index)
        if step.stream_error is not None:
            yield _frame("error", error={"type": step.stream_error, "message": step.message})
            return
        stop = {"stop_reason": _stop_reason(step), "stop_sequence": None}
        yield _frame("message_delta", delta=stop, usage={"output_tokens": step.usage.output})
        yield _frame("message_stop")

    def error(self, status: int, message: str) -> Json:
        kind = ERRORS.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": f"req_{token_hex(12)}"}


def _frame(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def _head(body: Json) -> Json:
    return {
        "id": f"msg_{token_hex(12)}",
        "type": "message",
        "role": "assistant",
        "model": body.get("model", "model"),
        "stop_sequence": None,
    }


def _content(step: Step) -> Iterator[tuple[Json, str, list[Json]]]:
    """Each block: as it starts, what it will hold, and the deltas that fill it."""
    if step.think is not None:
        thought = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [
            {"type": "thinking_delta", "thinking": step.think},
            {"type": "signature_delta", "signature": SIGNATURE},
        ]
        yield thought, step.think, deltas
    if step.say is not None:
        yield {"type": "text", "text": ""}, step.say, [{"type": "text_delta", "text": piece} for piece in step.pieces()]
    for call in step.call:
        block = {"type": "tool_use", "id": call.id or f"toolu_{token_hex(12)}", "name": call.tool, "input": {}}
        given = json.dumps(call.input)
        yield block, given, [{"type": "input_json_delta", "partial_json": part} for part in split(given, step.chunks)]


def _block(start: Json, text: str) -> Json:
    """A block as it is when it is whole."""
    match start["type"]:
        case "thinking":
            return start | {"thinking": text, "signature": SIGNATURE}
        case "text":
            return start | {"text": text}
        case _:
            return start | {"input": json.loads(text)}


def _usage(step: Step) -> Json:
    return {
        "input_tokens": step.usage.input,
        "cache_read_input_tokens": step.usage.cache_read,
        "cache_creation_input_tokens": step.usage.cache_write,
        "output_tokens": 1,
    }


def _stop_reason(step: Step) -> str:
    return step.stop_reason or ("tool_use" if step.call else "end_turn")


def _blocks(content: Any) -> list[Json]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _text(content: Any) -> str:
    return "".join(block.get("text", "") for block in _blocks(content))
