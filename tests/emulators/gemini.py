"""The Gemini API as a dialect of the scripted model.

Source: Google's API reference, "generateContent"; what Gemini CLI 0.61 asks and accepts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from secrets import token_hex

from tests.emulators.conversation import Answer, Entry, ToolResult, spoken
from tests.emulators.dialect import PIECE, TOLD, Frame, Json, event, of_schema
from tests.emulators.script import Step

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
SIGNATURE = "c2lnbmVkIGJ5IHRoZSBzY3JpcHQ="


class Gemini:
    name = "gemini"

    def takes(self, path: str) -> bool:
        return path.endswith((":generateContent", ":streamGenerateContent"))

    def key(self, headers: dict[str, str]) -> str | None:
        return headers.get("x-goog-api-key")

    def streams(self, path: str, body: Json) -> bool:
        return path.endswith(":streamGenerateContent")

    def is_aside(self, body: Json) -> bool:
        return not body.get("tools")

    def aside(self, body: Json) -> Step:
        wanted = body.get("generationConfig", {})
        schema = wanted.get("responseJsonSchema") or wanted.get("responseSchema")
        return Step(say=json.dumps(of_schema(schema)) if schema else "ok")

    def read(self, body: Json) -> list[Entry]:
        entries: list[Entry] = []
        for content in body["contents"]:
            parts = content["parts"]
            texts = [part["text"] for part in parts if "text" in part and not part.get("thought")]
            if content.get("role") == "model":
                calls = tuple(part["functionCall"]["name"] for part in parts if "functionCall" in part)
                if entries and isinstance(entries[-1], Answer):  # one answer in several contents
                    before = entries.pop()
                    assert isinstance(before, Answer)
                    entries.append(Answer(before.text + "".join(texts), before.calls + calls))
                else:
                    entries.append(Answer("".join(texts), calls))
                continue
            results = [part["functionResponse"] for part in parts if "functionResponse" in part]
            entries += [
                ToolResult(one.get("id") or one["name"], _text(one["response"]), "error" in one["response"])
                for one in results
            ]
            entries += spoken(texts, beside_results=bool(results))
        return entries

    def whole(self, step: Step, body: Json) -> Json:
        parts = [*_thought(step), *([{"text": step.say}] if step.say is not None else []), *_calls(step)]
        return _chunk(parts, step, token_hex(8), last=True)

    def frames(self, step: Step, body: Json) -> Iterator[Frame]:
        response_id = token_hex(8)
        yield TOLD
        for part in _thought(step):
            yield event(_chunk([part], step, response_id))
        for piece in step.pieces():
            yield event(_chunk([{"text": piece}], step, response_id))
            yield PIECE
        if calls := _calls(step):
            yield event(_chunk(calls, step, response_id))
        if step.stream_error is not None:
            yield event({"error": {"code": 500, "message": step.message, "status": step.stream_error}})
            return
        yield event(_chunk([{"text": ""}], step, response_id, last=True))

    def error(self, status: int, message: str) -> Json:
        return {"error": {"code": status, "message": message, "status": STATUSES.get(status, "UNKNOWN")}}


def _chunk(parts: list[Json], step: Step, response_id: str, *, last: bool = False) -> Json:
    candidate: Json = {"index": 0, "content": {"role": "model", "parts": parts}}
    if last:
        candidate["finishReason"] = step.stop_reason or "STOP"
    asked = step.usage.input + step.usage.cache_read
    usage = {
        "promptTokenCount": asked,
        "cachedContentTokenCount": step.usage.cache_read,
        "candidatesTokenCount": step.usage.output,
        "totalTokenCount": asked + step.usage.output,
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "model", "responseId": response_id}


def _thought(step: Step) -> list[Json]:
    return [{"text": step.think, "thought": True}] if step.think is not None else []


def _calls(step: Step) -> list[Json]:
    return [
        {
            "functionCall": {"name": call.tool, "args": call.input, **({"id": call.id} if call.id else {})},
            "thoughtSignature": SIGNATURE,
        }
        for call in step.call
    ]


def _text(response: Json) -> str:
    said = [response[name] for name in ("output", "error") if isinstance(response.get(name), str)]
    return "".join(said) if said else json.dumps(response)
