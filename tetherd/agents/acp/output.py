"""What a tool call of ACP brought, as text."""

from __future__ import annotations

import orjson
from pydantic import JsonValue

from tetherd.agents.acp.told import DiffShown, Told
from tetherd.agents.diffs import unified_diff
from tetherd.agents.jsonlines import text
from tetherd.agents.showing import NESTING_LIMIT, is_shallow

_OUTPUT_MEMBERS = ("formatted_output", "aggregated_output", "output", "stdout", "error", "message")


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
    return orjson.dumps(raw).decode() if is_shallow(raw, NESTING_LIMIT) else ""
