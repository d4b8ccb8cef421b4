"""What is shown and kept of a tool call's input and output, within bounds."""

from __future__ import annotations

import orjson
from pydantic import JsonValue

from tetherd.agents.acp.diffs import unified_diff
from tetherd.agents.acp.told import DiffShown, Told
from tetherd.agents.acp.wire import text
from tetherd.plugin import JsonObject

INPUT_LIMIT = 64 * 1024
MEMBER_LIMIT = 16 * 1024
NESTING_LIMIT = 16
"""Far below the 255 levels at which events can no longer be checked and written."""

_OUTPUT_MEMBERS = ("formatted_output", "aggregated_output", "output", "stdout", "error", "message")


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
    if not _is_shallow(value, NESTING_LIMIT):
        return "(nested too deeply to be kept)"
    size = len(orjson.dumps(value))
    return value if size <= MEMBER_LIMIT else f"({size} bytes of JSON, left out)"


def output_of(told: Told) -> str:
    """What a call brought: its content, its changes as unified diffs; the agent's own record as a last resort."""
    shown, raw = rendered(told.content or ()), _raw_text(told.raw_output)
    # claude-agent-acp puts its raw output into a fence for Markdown; the bare words are better everywhere else
    is_repeated = bool(raw) and raw in shown and not told.diffs
    return raw if is_repeated else shown or raw


def rendered(content: tuple[DiffShown | str, ...]) -> str:
    parts = (part if isinstance(part, str) else unified_diff(part.path, part.old, part.new) for part in content)
    return "\n".join(part for part in parts if part)


def _raw_text(raw: JsonValue) -> str:
    if raw is None or isinstance(raw, str):
        return raw or ""
    if isinstance(raw, dict):
        for member in _OUTPUT_MEMBERS:
            if (words := text(raw, member)) is not None:
                return words
    return orjson.dumps(raw).decode() if _is_shallow(raw, NESTING_LIMIT) else ""


def _is_shallow(value: JsonValue, levels: int) -> bool:
    if isinstance(value, dict):
        return levels > 0 and all(_is_shallow(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels > 0 and all(_is_shallow(item, levels - 1) for item in value)
    return True
