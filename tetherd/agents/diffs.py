"""Unified diffs of texts that an agent shows, in bounded time."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

CONTEXT_LINES = 3
DIFFLIB_LINES = 4000
"""Old and new lines between the first and the last change. difflib needs 0.2 s for so many at worst (measured), and
four times that for twice as many; beyond it stands one hunk."""

_NO_NEWLINE = "\n\\ No newline at end of file\n"


def unified_diff(path: str, old: str | None, new: str) -> str:
    """The change of one file; `old` None or empty is a new file. Empty when nothing changes."""
    before, after = _lines(old or ""), _lines(new)
    head = _common(before, after)
    tail = _common(before[head:][::-1], after[head:][::-1])
    if len(before) + len(after) - 2 * (head + tail) <= DIFFLIB_LINES:
        # what is equal around the change is no work for difflib either, but for the lines that it shows
        skipped = max(0, head - CONTEXT_LINES)
        kept = max(0, tail - CONTEXT_LINES)
        hunks = _small(before[skipped : len(before) - kept], after[skipped : len(after) - kept], skipped)
    else:
        hunks = _one_hunk(before, after, head, tail)
    body = "".join(line if line.endswith("\n") else line + _NO_NEWLINE for line in hunks)
    return f"--- {path if old else '/dev/null'}\n+++ {path}\n{body}" if body else ""


def _lines(text: str) -> list[str]:
    """With their newlines; a carriage return or U+2028 ends no line of a diff."""
    *whole, last = text.split("\n")
    return [line + "\n" for line in whole] + ([last] if last else [])


def _common(one: list[str], other: list[str]) -> int:
    """How many lines both begin with."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _small(before: list[str], after: list[str], skipped: int) -> Iterator[str]:
    matcher = difflib.SequenceMatcher(None, before, after)
    for group in matcher.get_grouped_opcodes(CONTEXT_LINES):
        first, last = group[0], group[-1]
        yield _header(first[1] + skipped, last[2] - first[1], first[3] + skipped, last[4] - first[3])
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from _marked(" ", before[i1:i2])
            else:
                yield from _marked("-", before[i1:i2])
                yield from _marked("+", after[j1:j2])


def _one_hunk(before: list[str], after: list[str], head: int, tail: int) -> Iterator[str]:
    start = max(0, head - CONTEXT_LINES)
    kept = min(tail, CONTEXT_LINES)
    end_before, end_after = len(before) - tail, len(after) - tail
    yield _header(start, end_before + kept - start, start, end_after + kept - start)
    yield from _marked(" ", before[start:head])
    yield from _marked("-", before[head:end_before])
    yield from _marked("+", after[head:end_after])
    yield from _marked(" ", before[end_before : end_before + kept])


def _header(before: int, before_count: int, after: int, after_count: int) -> str:
    return f"@@ -{_range(before, before_count)} +{_range(after, after_count)} @@\n"


def _range(start: int, length: int) -> str:
    """As `diff -u` writes it: lines count from 1, an empty range names the line before it, one line has no length."""
    first = start + 1 if length else start
    return str(first) if length == 1 else f"{first},{length}"


def _marked(mark: str, lines: list[str]) -> Iterator[str]:
    return (mark + line for line in lines)
