"""The OpenAI Responses API as a dialect of the scripted model.

Source: what Codex 0.169 asks and accepts; OpenAI's API reference, "Responses" and "Streaming events".
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from secrets import token_hex
from typing import Any

from tests.emulators.conversation import Answer, Entry, ToolResult, spoken
from tests.emulators.dialect import PIECE, TOLD, Frame, Json, bearer, event, of_schema
from tests.emulators.script import Call, Step

MADE_UP_ID = re.compile(r"call_([0-9a-f]{12})_\d+")
"""The call ids of one answer have the same middle, so that it is one answer although results stand between its calls."""

CALLS = ("function_call", "custom_tool_call")
RESULTS = ("function_call_output", "custom_tool_call_output")


class Responses:
    name = "responses"

    def takes(self, path: str) -> bool:
        return path.endswith("/responses")

    def key(self, headers: dict[str, str]) -> str | None:
        return bearer(headers)

    def streams(self, path: str, body: Json) -> bool:
        return body.get("stream") is True

    def is_aside(self, body: Json) -> bool:
        return not body.get("tools")

    def aside(self, body: Json) -> Step:
        wanted = body.get("text", {}).get("format", {}).get("schema")
        return Step(say=json.dumps(of_schema(wanted)) if wanted else "ok")

    def read(self, body: Json) -> list[Entry]:
        given = body["input"]
        items = [{"role": "user", "content": given}] if isinstance(given, str) else given
        entries: list[Entry] = []
        place: int | None = None  # where in the entries the running answer is
        middle, after_result = "", False
        for item in items:
            kind = item.get("type", "message")
            if kind in RESULTS:
                entries.append(ToolResult(item["call_id"], _text(item["output"])))
                after_result = True
            elif kind == "message" and item["role"] != "assistant":
                if item["role"] == "user":
                    entries += spoken(_texts(item["content"]), beside_results=False)
                place = None
            elif kind in (*CALLS, "message", "reasoning"):
                made_up = MADE_UP_ID.fullmatch(item.get("call_id", ""))
                if place is None or (after_result and not (made_up and made_up[1] == middle)):
                    place = len(entries)
                    entries.append(Answer())
                middle, after_result = made_up[1] if made_up else "", False
                entries[place] = _grown(entries[place], item)
        return entries

    def whole(self, step: Step, body: Json) -> Json:
        return _response(body, "completed", step) | {"output": [item for item, _ in _items(step)]}

    def frames(self, step: Step, body: Json) -> Iterator[Frame]:
        numbers = itertools.count()

        def frame(kind: str, **fields: Any) -> bytes:
            return event({"type": kind, "sequence_number": next(numbers), **fields}, kind)

        response = _response(body, "in_progress", None)
        yield frame("response.created", response=response)
        yield frame("response.in_progress", response=response)
        yield TOLD
        items = []
        for index, (item, pieces) in enumerate(_items(step)):
            items.append(item)
            place = {"output_index": index, "item_id": item["id"]}
            yield frame("response.output_item.added", output_index=index, item=_empty(item))
            match item["type"]:
                case "reasoning":
                    place |= {"summary_index": 0}
                    part = {"type": "summary_text", "text": ""}
                    yield frame("response.reasoning_summary_part.added", **place, part=part)
                    yield frame("response.reasoning_summary_text.delta", **place, delta=pieces[0])
                    yield frame("response.reasoning_summary_text.done", **place, text=pieces[0])
                    yield frame("response.reasoning_summary_part.done", **place, part=item["summary"][0])
                case "message":
                    place |= {"content_index": 0}
                    yield frame("response.content_part.added", **place, part=_empty(item["content"][0]))
                    for piece in pieces:
                        yield frame("response.output_text.delta", **place, delta=piece)
                        yield PIECE
                    yield frame("response.output_text.done", **place, text=step.say)
                    yield frame("response.content_part.done", **place, part=item["content"][0])
                case "function_call":
                    yield frame("response.function_call_arguments.delta", **place, delta=pieces[0])
                    yield frame("response.function_call_arguments.done", **place, arguments=pieces[0])
                case _:
                    yield frame("response.custom_tool_call_input.delta", **place, delta=pieces[0])
                    yield frame("response.custom_tool_call_input.done", **place, input=pieces[0])
            yield frame("response.output_item.done", output_index=index, item=item)
        if step.stream_error is not None:
            failed = {"code": step.stream_error, "message": step.message}
            yield frame("response.failed", response=response | {"status": "failed", "error": failed})
            return
        done = _response(body, "completed", step) | {"id": response["id"], "output": items}
        yield frame("response.completed", response=done)

    def error(self, status: int, message: str) -> Json:
        return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def _response(body: Json, status: str, step: Step | None) -> Json:
    return {
        "id": f"resp_{token_hex(12)}",
        "object": "response",
        "created_at": 0,
        "model": body.get("model"),
        "status": status,
        "error": None,
        "output": [],
        "usage": step and _usage(step),
    }


def _usage(step: Step) -> Json:
    usage = step.usage
    asked = usage.input + usage.cache_read
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked + usage.output,
    }


def _items(step: Step) -> Iterator[tuple[Json, list[str]]]:
    """Each item when it is whole, and the pieces in which its text comes."""
    middle = token_hex(6)
    if step.think is not None:
        summary = [{"type": "summary_text", "text": step.think}]
        yield (
            {"type": "reasoning", "id": f"rs_{middle}", "summary": summary, "encrypted_content": "dGhvdWdodA=="},
            [step.think],
        )
    if step.say is not None:
        content = [{"type": "output_text", "text": step.say, "annotations": []}]
        yield (
            {"type": "message", "id": f"msg_{middle}", "role": "assistant", "status": "completed", "content": content},
            step.pieces(),
        )
    for number, call in enumerate(step.call):
        yield _call(call, f"{middle}_{number}")


def _call(call: Call, made_up: str) -> tuple[Json, list[str]]:
    head = {"id": f"fc_{made_up}", "call_id": call.id or f"call_{made_up}", "name": call.tool, "status": "completed"}
    if call.namespace is not None:
        head["namespace"] = call.namespace
    if call.text is not None:
        return {"type": "custom_tool_call", **head, "input": call.text}, [call.text]
    arguments = json.dumps(call.input)
    return {"type": "function_call", **head, "arguments": arguments}, [arguments]


def _empty(whole: Json) -> Json:
    """An item or part before anything of it has come."""
    empty: Json = {"content": [], "summary": [], "text": "", "arguments": "", "input": "", "status": "in_progress"}
    return {name: empty.get(name, value) for name, value in whole.items()}


def _grown(answer: Entry, item: Json) -> Entry:
    assert isinstance(answer, Answer)
    if item.get("type") in CALLS:
        return Answer(answer.text, (*answer.calls, item["call_id"]))
    if item.get("type") == "reasoning":
        return answer
    return Answer(answer.text + "".join(_texts(item["content"])), answer.calls)


def _texts(content: Any) -> list[str]:
    return [content] if isinstance(content, str) else [part["text"] for part in content if "text" in part]


def _text(output: Any) -> str:
    return "".join(_texts(output))
