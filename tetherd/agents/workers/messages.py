"""Messages of the Agent Client Protocol, as an agent writes them.

Standard library only: the demo agent starts fast because of it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

JsonObject = dict[str, Any]

PROTOCOL_VERSION = 1

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
NOT_FOUND = -32002

ALLOW, REJECT = "allow", "reject"
OPTIONS = (
    {"optionId": ALLOW, "name": "Allow", "kind": "allow_once"},
    {"optionId": REJECT, "name": "Reject", "kind": "reject_once"},
)


class RequestFailed(Exception):
    """An error to answer a request with."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def encode(message: JsonObject) -> bytes:
    """One line without its newline. A lone surrogate becomes a JSON escape, for UTF-8 has no bytes for it."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def error_of(code: int, message: str) -> JsonObject:
    """The member of an answer that says that a request failed."""
    return {"error": {"code": code, "message": message}}


def text_block(text: str) -> JsonObject:
    return {"type": "text", "text": text}


def text_content(text: str) -> JsonObject:
    """A text as a tool call holds it."""
    return {"type": "content", "content": text_block(text)}


def directory_in(params: JsonObject) -> Path:
    """The `cwd` of session/new and session/load. Raises RequestFailed."""
    directory = params.get("cwd")
    is_path = isinstance(directory, str) and "\0" not in directory and os.path.isabs(directory)
    if not is_path or not os.path.isdir(str(directory)):
        raise RequestFailed(INVALID_PARAMS, "cwd is not the absolute path of a directory")
    return Path(str(directory))
