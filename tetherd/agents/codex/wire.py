"""Frames for `codex app-server`: JSON-RPC without its version.

Ids of ours are words, `prompt-5`: what is asked and the number that makes it unique, in most cases its outbox seq.
"""

from __future__ import annotations

import orjson
from pydantic import JsonValue

from tetherd.agents.jsonlines import table, text
from tetherd.agents.showing import cut
from tetherd.plugin import JsonObject

FAILURE_LIMIT = 4096
ID_LIMIT = 200
METHOD_NOT_FOUND = -32601


def request(request_id: str, method: str, params: JsonObject) -> bytes:
    return _frame({"id": request_id, "method": method, "params": params})


def notification(method: str) -> bytes:
    return _frame({"method": method})


def result(request_id: JsonValue, value: JsonObject) -> bytes:
    return _frame({"id": request_id, "result": value})


def error(request_id: JsonValue, code: int, message: str) -> bytes:
    return _frame({"id": request_id, "error": {"code": code, "message": message}})


def failure(answer: JsonObject) -> str:
    """The words of an answer that is an error."""
    return cut(text(table(answer, "error"), "message") or "it gave no reason", FAILURE_LIMIT)


def name_in(of: JsonObject, key: str) -> str | None:
    """An id that we remember; one that is too long to be one counts as absent."""
    value = text(of, key)
    return value if value is not None and len(value) <= ID_LIMIT else None


def _frame(message: JsonObject) -> bytes:
    """One line, its newline included."""
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
