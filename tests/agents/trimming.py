"""What of a recording may be kept: no vendor's prose, no paths of the machine, nothing that differs each time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.emulators.script import MARKER

LISTS = frozenset(
    {"commands", "models", "agents", "skills", "plugins", "slash_commands", "available_output_styles", "mcp_servers"}
)
"""Of the vendors' catalogues one entry is kept."""

PROSE = frozenset({"description", "argumentHint", "whenToUse", "displayName", "instructions"})
PROSE_LENGTH = 160
"""A longer text that is no prompt of ours is the vendor's."""
KEPT_LENGTH = 60

MOMENT = "2026-11-25T12:00:00.000Z"
CLOCK = re.compile(r"(_ms|Ms|_at|_time|At)$")

PASSING = (
    (re.compile(r"/\d+\.sock\b"), "/1.sock"),
    (re.compile(r"^/tmp/claude-\d+/"), "/tmp/claude-1/"),
    (re.compile(r"/plans/[a-z-]+\.md\b"), "/plans/a-plan.md"),
)
"""Paths that hold the number of a process or of a user, or a name that is made up."""

DRAWN = frozenset({"task_id", "run_id", "agent_id", "agentId", "backgroundTaskId"})
"""Members whose value is a drawn id in no form of its own."""

RANDOM = re.compile(
    r"\b(?P<head>toolu_|msg_|req_|call_|resp_|chatcmpl-)[0-9a-f]{24}\b"
    r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b"
)
"""Ids that are drawn. Those derived from names (UUIDs of version 5) are ours, and the same each time."""


def trimmed(records: Sequence[dict[str, Any]], places: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """places: what to write instead of each path or address; the longest is replaced first."""
    names = _Names()
    slugs = {_slug(path): _slug(to) for path, to in places.items() if path.startswith("/")}
    drawn = {name: f"task-{number}" for number, name in enumerate(dict.fromkeys(_drawn(records)), 1)}
    spelled = sorted({**places, **slugs, **drawn}.items(), key=lambda pair: -len(pair[0]))
    for record in records:
        kept = record["msg"] if record["dir"] == "note" else _kept(record["msg"], "", ours=record["dir"] == "in")
        yield {**record, "msg": _spelled(kept, spelled, names)}


class _Names:
    """Numbers for ids that are drawn, in the order in which they appear."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, match: re.Match[str]) -> str:
        number = len(self._known) + 1
        head = match["head"]
        made = f"{head}{number:024x}" if head else f"00000000-0000-4000-8000-{number:012x}"
        return self._known.setdefault(match[0], made)


def _kept(value: Any, member: str, *, ours: bool) -> Any:
    if isinstance(value, dict):
        return {name: _kept(part, name, ours=ours) for name, part in value.items()}
    if isinstance(value, list):
        if member in LISTS:
            return [_stub(part) for part in value[:1]]
        return [_kept(part, member, ours=ours) for part in value]
    if isinstance(value, str):
        if member == "timestamp":
            return MOMENT
        for passing, to in PASSING:
            value = passing.sub(to, value)
        if not ours and len(value) > PROSE_LENGTH and MARKER not in value:
            return f"{value[:KEPT_LENGTH]} (cut)"
    if member == "pid" or (isinstance(value, int | float) and not isinstance(value, bool) and CLOCK.search(member)):
        return 1
    return value


def _stub(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: f"({name})" if name in PROSE else _kept(value, name, ours=False) for name, value in part.items()}
    return part


def _drawn(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            if name in DRAWN and isinstance(part, str):
                yield part
            yield from _drawn(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _drawn(part)


def _spelled(value: Any, places: Sequence[tuple[str, str]], names: _Names) -> Any:
    if isinstance(value, dict):
        return {_spelled(name, places, names): _spelled(part, places, names) for name, part in value.items()}
    if isinstance(value, list):
        return [_spelled(part, places, names) for part in value]
    if isinstance(value, str):
        for path, to in places:
            value = value.replace(path, to)
        return RANDOM.sub(names, value)
    return value


def _slug(path: str) -> str:
    """A path as Claude Code writes it into a folder's name."""
    return re.sub(r"[^a-zA-Z0-9]", "-", path)
