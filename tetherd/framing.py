"""Cuts a byte stream into lines and knows where it stands.

The limit is what makes it safe to gather: a line over it is counted and dropped up to its newline, never held whole.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_LINE = 16 * 1024 * 1024
HEAD_BYTES = 4 * 1024
"""What is kept of a line over the limit."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line without its newline."""

    data: bytes


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line over the limit: its first 4 KiB, and its size in bytes without the newline."""

    head: bytes
    size: int


class LineSplitter:
    """Fed with the bytes that follow `position`, in pieces of any size."""

    def __init__(self, cursor: int = 0, limit_bytes: int = MAX_LINE) -> None:
        self._cursor = cursor
        self._limit = limit_bytes
        self._pieces: list[bytes] = []
        self._held = 0
        self._head: bytes | None = None  # of the line in progress, once it is over the limit

    @property
    def cursor(self) -> int:
        """Offset just after the newest complete line."""
        return self._cursor

    @property
    def position(self) -> int:
        """Offset of the next byte to be fed."""
        return self._cursor + self._held

    def feed(self, data: bytes) -> tuple[Line | LongLine, ...]:
        """The lines that are complete now."""
        end = data.rfind(b"\n")
        if end < 0:
            self._hold(data)
            return ()
        first, *others = data[:end].split(b"\n")
        self._hold(first)
        lines = [self._take(), *map(self._line, others)]
        self._cursor += sum(map(len, others)) + len(others) + 1
        self._hold(data[end + 1 :])
        return tuple(lines)

    def finish(self) -> Line | LongLine | None:
        """The stream is over: what is left of it, a line without a newline."""
        return self._take() if self._held else None

    def _hold(self, piece: bytes) -> None:
        self._held += len(piece)
        if self._head is None:
            self._pieces.append(piece)
            if self._held > self._limit:
                self._head = b"".join(self._pieces)[:HEAD_BYTES]
                self._pieces.clear()

    def _take(self) -> Line | LongLine:
        """The line in progress is complete."""
        line = Line(b"".join(self._pieces)) if self._head is None else LongLine(self._head, self._held)
        self._cursor += self._held
        self._pieces.clear()
        self._held, self._head = 0, None
        return line

    def _line(self, data: bytes) -> Line | LongLine:
        return Line(data) if len(data) <= self._limit else LongLine(data[:HEAD_BYTES], len(data))
