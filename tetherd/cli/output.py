"""What tetherctl shows: results on stdout, all else on stderr.

Nothing reaches the terminal but through here, and everything that does is made printable() first; colours are added
after that, from a fixed list.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TextIO

from tetherd.cli.printable import printable
from tetherd.errors import Rejected

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
NOT_FOUND: Final = 4
ALREADY_RESOLVED: Final = 5
TRY_LATER: Final = 75
CONFIGURATION: Final = 78

_CODES = {
    "you": "33",
    "bold": "1",
    "dim": "2",
    "bad": "31",
    "added": "32",
    "removed": "31",
    "place": "36",
    "paper": "97;40",
}
"""Yellow means "you" and stands for nothing else; `paper` is for drawings in light blocks."""


class Styled(NamedTuple):
    """Text in one of the styles above."""

    style: str
    text: str


Part = str | Styled


class Refusal(Rejected):
    """The command cannot be carried out: why, what to do now, and with which exit code."""

    def __init__(self, why: str, hint: str | None = None, exit_code: int = FAILED) -> None:
        self.hint = hint
        self.exit_code = exit_code
        super().__init__(why)


class Terminal:
    """The two streams of one command. With `as_json` only records go to stdout, one object a line."""

    def __init__(self, out: TextIO, err: TextIO, environ: Mapping[str, str], *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.is_live = out.isatty() and environ.get("TERM") != "dumb"
        """Can a line be drawn over?"""
        self._colour = self.is_live and not environ.get("NO_COLOR")
        self._out = out
        self._err = err
        self._at_start = True
        self._held = ""
        self._status: str | None = None

    # -- lines ---------------------------------------------------------------------------------------------------

    def line(self, *parts: Part) -> None:
        """One line on stdout."""
        self.end_line()
        self._write("".join(self._styled(part) for part in parts) + "\n")

    def block(self, text: str, style: str = "", indent: str = "") -> None:
        """Text of several lines on stdout, as one block."""
        for line in text.removesuffix("\n").split("\n"):
            shown = printable(line, multi_line=True)
            self.end_line()
            self._write(f"{indent}{self._coloured(style, shown)}\n")

    def stream(self, text: str, style: str = "", indent: str = "") -> None:
        """A piece of a text that goes on; end_line() ends it. Newlines wait for what follows them."""
        self._erase_status()
        text = self._held + text
        said = text.rstrip("\n")
        self._held = text[len(said) :]
        if not said:
            return
        lines = [self._coloured(style, line) for line in printable(said, multi_line=True).split("\n")]
        self._write((indent if self._at_start else "") + f"\n{indent}".join(lines), at_start=False)

    def end_line(self) -> None:
        """Go to the beginning of a line, if we are not there."""
        self._erase_status()
        self._held = ""
        if not self._at_start:
            self._write("\n")

    def record(self, value: Mapping[str, Any]) -> None:
        """One JSON object; what is not ASCII in it is escaped."""
        self._write(json.dumps(value, separators=(",", ":")) + "\n")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[Part]]) -> None:
        """Rows below their head, in columns as wide as what is in them."""
        rows = [[Styled("dim", cell) for cell in head], *rows]
        widths = [max(_width(printable(_text(cell))) for cell in column) for column in zip(*rows, strict=True)]
        for row in rows:
            gaps = [width - _width(printable(_text(cell))) for cell, width in zip(row, widths, strict=True)]
            padded = [self._styled(cell) + " " * gap for cell, gap in zip(row, gaps, strict=True)]
            self._write("  ".join(padded).rstrip() + "\n")

    def note(self, *parts: str) -> None:
        """A line for people, on stderr: not part of the result."""
        self.end_line()
        self._err.write(printable("".join(parts)) + "\n")
        self._err.flush()

    # -- the status line -----------------------------------------------------------------------------------------

    def status(self, text: str, style: str = "dim") -> None:
        """Draw the line below everything, over the one before. Only on a terminal, and not amid a line."""
        if not self.is_live or self.as_json or not self._at_start:
            return
        self._erase_status()
        self._status = text
        self._out.write(self._coloured(style, printable(text)[: self._columns() - 1]))
        self._out.flush()

    def status_gone(self) -> None:
        """Somebody typed a line: the cursor stands below what was drawn."""
        self._status = None

    def _erase_status(self) -> None:
        if self._status is not None:
            self._status = None
            self._out.write("\r\x1b[K")

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._out.fileno()).columns or 80
        except OSError:
            return 80

    # -- writing -------------------------------------------------------------------------------------------------

    def _styled(self, part: Part) -> str:
        return self._coloured(part.style, printable(part.text)) if isinstance(part, Styled) else printable(part)

    def _coloured(self, style: str, shown: str) -> str:
        return f"\x1b[{_CODES[style]}m{shown}\x1b[0m" if style and shown and self._colour else shown

    def _write(self, text: str, at_start: bool = True) -> None:
        self._out.write(text)
        self._out.flush()
        self._at_start = at_start


def _text(part: Part) -> str:
    return part.text if isinstance(part, Styled) else part


def _width(text: str) -> int:
    """Columns that the text takes on a terminal."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def shortened(text: str, columns: int) -> str:
    """The text in at most so many columns, with an ellipsis where it was cut."""
    if _width(text) <= columns:
        return text
    while _width(text) > columns - 1:
        text = text[:-1]
    return f"{text}…"


def ago(when: str, now: datetime | None = None) -> str:
    """How long ago an ISO time was, in one unit."""
    seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(when)).total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"
