"""What we say to Claude Code: control requests, answers, prompts.

Source: stream-json of `claude` 2.1.330 as recorded in tests/agents/transcripts/claude-*.jsonl. Every frame must be
one line of JSON: at the first that is none the program prints an error and ends with 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID, uuid5

import orjson
from pydantic import JsonValue

from tetherd.domain.ids import RunId
from tetherd.domain.images import Image
from tetherd.plugin import JsonObject

HOOK = "tetherd"
HOOK_SECONDS = 14 * 24 * 3600
"""How long a hook may stay unanswered: the daemon may be away, and the next one answers. Then the call is refused."""

_NAMESPACE = UUID("6f0b6c1e-6f5c-4e0e-9f0a-5d1d7e2f8a34")

INITIALIZE, COST = "initialize", "cost"
"""Ids of the two requests of the beginning; those of later ones are numbers."""


def session_id_for(run_id: RunId) -> str:
    """The conversation that a run begins: known before the program is, and the same however often it is launched."""
    return str(uuid5(_NAMESPACE, f"session {run_id}"))


def prompt_id_for(run_id: RunId, outbox_seq: int) -> str:
    """The id of a prompt, which command_lifecycle gives back."""
    return str(uuid5(_NAMESPACE, f"prompt {run_id} {outbox_seq}"))


def initialize() -> bytes:
    """Has every tool call shown to us before the program judges it. A call that we do not answer for is blocked."""
    hook: JsonObject = {"matcher": None, "hookCallbackIds": [HOOK], "timeout": HOOK_SECONDS, "onFailure": "block"}
    return _request(INITIALIZE, {"subtype": "initialize", "hooks": {"PreToolUse": [hook]}})


def ask_cost() -> bytes:
    """What the conversation has cost before this run."""
    return _request(COST, {"subtype": "get_usage"})


def interrupt(number: int) -> bytes:
    """A prompt that the program has queued goes too: it was sent before the interrupt."""
    return _request(str(number), {"subtype": "interrupt", "cancel_queued": True})


def prompt(prompt_id: str, text: str, images: Sequence[Image]) -> bytes:
    content: JsonValue = [{"type": "text", "text": text}, *map(_shown, images)] if images else text
    message: JsonObject = {"role": "user", "content": content}
    return _line({"type": "user", "message": message, "parent_tool_use_id": None, "session_id": "", "uuid": prompt_id})


def _shown(image: Image) -> JsonObject:
    return {"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}}


def answer(request_id: str, response: JsonObject) -> bytes:
    return _response({"subtype": "success", "request_id": request_id, "response": response})


def refusal(request_id: str, why: str) -> bytes:
    """An error: what was asked for does not happen, and the turn goes on."""
    return _response({"subtype": "error", "request_id": request_id, "error": why})


def _request(request_id: str, request: JsonObject) -> bytes:
    return _line({"type": "control_request", "request_id": request_id, "request": request})


def _response(response: JsonObject) -> bytes:
    return _line({"type": "control_response", "response": response})


def _line(message: JsonObject) -> bytes:
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
