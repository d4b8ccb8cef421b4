"""What a call of `edit` or `write` would make of a file, as diffs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tetherd.agents.diffs import unified_diff
from tetherd.agents.jsonlines import tables, text
from tetherd.plugin import JsonObject

UNSEEN = "(the file is there, and is not shown: it is no text, or larger than 1 MiB)\n"


def diff_of(path: str, tool: str, given: JsonObject, before: str | None, *, exists: bool) -> str:
    """The change that the call would make.

    `given` is the input of Pi's tool, `before` the file's text where there is one to show. Pi looks for each `oldText`
    in the file as it was and wants it there once; it is forgiving about blanks and quotes where we are not, and then
    the pieces are shown one by one.
    """
    pieces = list(_pieces(given))
    note = UNSEEN if exists and before is None else ""
    if tool == "write":
        return note + unified_diff(path, before, text(given, "content") or "")
    after = None if before is None else edited(before, pieces)
    if before is not None and after is not None:
        return unified_diff(path, _with_newlines(before), after)
    return note + "".join(unified_diff(path, old, new) for old, new in pieces)


def edited(before: str, pieces: list[tuple[str, str]]) -> str | None:
    """The text with all pieces replaced; None unless each is there exactly once and none overlaps another."""
    whole = _with_newlines(before)
    places: list[tuple[int, int, str]] = []
    for old, new in pieces:
        start = whole.find(old)
        if not old or start < 0 or whole.find(old, start + 1) >= 0:
            return None
        places.append((start, start + len(old), new))
    places.sort()
    if any(end > start for (_, end, _), (start, _, _) in pairwise(places)):
        return None
    for start, end, new in reversed(places):
        whole = whole[:start] + new + whole[end:]
    return whole


def _pieces(given: JsonObject) -> Iterator[tuple[str, str]]:
    """Old and new text of each replacement; older models give a single one beside the list."""
    for piece in (*tables(given, "edits"), given):
        old, new = text(piece, "oldText"), text(piece, "newText")
        if old is not None and new is not None:
            yield _with_newlines(old), _with_newlines(new)


def _with_newlines(whole: str) -> str:
    """As Pi compares: every line ends in a newline alone."""
    return whole.replace("\r\n", "\n").replace("\r", "\n")
