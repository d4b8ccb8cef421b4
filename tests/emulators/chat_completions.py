"""The OpenAI Chat Completions API as a dialect of the scripted model.

Source: OpenAI's API reference, "Chat Completions"; what Pi 0.74, OpenCode 1.18 and LiteLLM ask and accept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

from tests.emulators.conversation import Answer, Entry, ToolResult, spoken
from tests.emulators.dialect import PIECE, TOLD, Frame, Json, bearer, event, of_schema
from tests.emulators.script import Step


class ChatCompletions:
    name = "chat"

    def takes(self, path: str) -> bool:
        return path.endswith("/chat/completions")

    def key(self, headers: dict[str, str]) -> str | None:
        return bearer(headers)

    def streams(self, path: str, body: Json) -> bool:
        return body.get("stream") is True

    def is_aside(self, body: Json) -> bool:
        return not body.get("tools")

    def aside(self, body: Json) -> Step:
        wanted = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
        return Step(say=json.dumps(of_schema(wanted)) if wanted else "ok")

    def read(self, body: Json) -> list[Entry]:
        entries: list[Entry] = []
        for message in body["messages"]:
            texts = _texts(message.get("content"))
            match message["role"]:
                case "assistant":
                    calls = tuple(call["id"] for call in message.get("tool_calls") or ())
                    entries.append(Answer("".join(texts), calls))
                case "tool":
                    entries.append(ToolResult(message["tool_call_id"], "".join(texts)))
                case "user":
                    entries += spoken(texts, beside_results=False)
        return entries

    def whole(self, step: Step, body: Json) -> Json:
        message: Json = {"role": "assistant", "content": step.say}
        if step.think is not None:
            message["reasoning_content"] = step.think
        if step.call:
            message["tool_calls"] = _calls(step)
        choice = {"index": 0, "message": message, "finish_reason": _finish(step), "logprobs": None}
        return {**_head(body, "chat.completion"), "choices": [choice], "usage": _usage(step)}

    def frames(self, step: Step, body: Json) -> Iterator[Frame]:
        head = _head(body, "chat.completion.chunk")

        def frame(delta: Json, finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
            return event({**head, "choices": [choice]})

        yield frame({"role": "assistant", "content": ""})
        yield TOLD
        if step.think is not None:
            yield frame({"reasoning_content": step.think})
        for piece in step.pieces():
            yield frame({"content": piece})
            yield PIECE
        for index, call in enumerate(_calls(step)):
            arguments = call["function"]["arguments"]
            started = {"name": call["function"]["name"], "arguments": ""}
            yield frame({"tool_calls": [{**call, "index": index, "function": started}]})
            yield frame({"tool_calls": [{"index": index, "function": {"arguments": arguments}}]})
        if step.stream_error is not None:
            yield event({"error": {"message": step.message, "type": step.stream_error, "code": None}})
            return
        yield frame({}, _finish(step))
        if (body.get("stream_options") or {}).get("include_usage"):
            yield event({**head, "choices": [], "usage": _usage(step)})
        yield b"data: [DONE]\n\n"

    def error(self, status: int, message: str) -> Json:
        return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def _head(body: Json, kind: str) -> Json:
    return {"id": f"chatcmpl-{token_hex(12)}", "object": kind, "created": 0, "model": body.get("model")}


def _calls(step: Step) -> list[Json]:
    return [
        {
            "id": call.id or f"call_{token_hex(12)}",
            "type": "function",
            "function": {"name": call.tool, "arguments": json.dumps(call.input)},
        }
        for call in step.call
    ]


def _finish(step: Step) -> str:
    return step.stop_reason or ("tool_calls" if step.call else "stop")


def _usage(step: Step) -> Json:
    asked = step.usage.input + step.usage.cache_read
    return {
        "prompt_tokens": asked,
        "completion_tokens": step.usage.output,
        "total_tokens": asked + step.usage.output,
        "prompt_tokens_details": {"cached_tokens": step.usage.cache_read},
    }


def _texts(content: Any) -> list[str]:
    if content is None or isinstance(content, str):
        return [content] if content else []
    return [part["text"] for part in content if part.get("type") == "text"]
