"""Frames of the Agent Client Protocol: JSON-RPC, one object a line."""

from __future__ import annotations

import orjson
from pydantic import JsonValue

from tetherd.plugin import JsonObject

METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
REQUEST_CANCELLED = -32800


def request(request_id: int, method: str, params: JsonObject) -> bytes:
    return _frame({"id": request_id, "method": method, "params": params})


def notification(method: str, params: JsonObject) -> bytes:
    return _frame({"method": method, "params": params})


def result(request_id: JsonValue, value: JsonObject) -> bytes:
    return _frame({"id": request_id, "result": value})


def error(request_id: JsonValue, code: int, message: str) -> bytes:
    return _frame({"id": request_id, "error": {"code": code, "message": message}})


def _frame(message: JsonObject) -> bytes:
    """One line, its newline included."""
    return orjson.dumps({"jsonrpc": "2.0", **message}, option=orjson.OPT_APPEND_NEWLINE)
