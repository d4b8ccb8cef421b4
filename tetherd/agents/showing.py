"""What is shown and kept of a tool call, within bounds."""

from __future__ import annotations

import orjson
from pydantic import JsonValue

from tetherd.plugin import JsonObject

INPUT_LIMIT = 64 * 1024
MEMBER_LIMIT = 16 * 1024
NESTING_LIMIT = 16
"""Far below the 255 levels at which events can no longer be checked and written."""


def cut(whole: str, limit: int) -> str:
    """At most `limit` characters, and a line that says so where it was more."""
    return whole if len(whole) <= limit else f"{whole[:limit]}\n(cut here: {len(whole) - limit} more characters)\n"


def bounded_input(raw_input: JsonObject) -> JsonObject:
    """The input as it is logged: long texts cut, large and deep members left out by name."""
    bounded: JsonObject = {}
    size = 0
    for member, value in raw_input.items():
        kept = _bounded_member(value)
        size += len(member) + len(orjson.dumps(kept))
        if size > INPUT_LIMIT:
            break
        bounded[member] = kept
    return bounded


def _bounded_member(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return cut(value, MEMBER_LIMIT)
    if not is_shallow(value, NESTING_LIMIT):
        return "(nested too deeply to be kept)"
    size = len(orjson.dumps(value))
    return value if size <= MEMBER_LIMIT else f"({size} bytes of JSON, left out)"


def is_shallow(value: JsonValue, levels: int) -> bool:
    if isinstance(value, dict):
        return levels > 0 and all(is_shallow(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels > 0 and all(is_shallow(item, levels - 1) for item in value)
    return True
