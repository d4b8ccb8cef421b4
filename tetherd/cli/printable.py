"""Makes text safe to show on a terminal, reversibly.

Whatever an agent wrote is shown as it is, but for what would act on the terminal or not be seen: control characters
(so every escape sequence), bidirectional controls, zero-width and other invisible characters. They become
`\\x1b`, `\\u202e` or `\\U000e0041`. A backslash is doubled only where it would be read as the beginning of such an
escape, so commands stay as they were typed, and original() has one answer.
"""

from __future__ import annotations

import re

_SPACES_THAT_ARE_SEEN = "\u00a0\u202f\u3000"
"""Not printable to str.isprintable(), but people type them and see them."""

_NOT_SEEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
"""Printable to str.isprintable(), but drawn as nothing (Unicode's Default_Ignorable_Code_Point)."""

_ESCAPE = r"(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})"
_LOOKS_ESCAPED = re.compile(rf"\\+(?={_ESCAPE})")
_WRITTEN = re.compile(rf"(\\+)({_ESCAPE})")


def printable(text: str, *, multi_line: bool = False) -> str:
    """The text with everything dangerous or invisible spelled out; newlines and tabs stay if `multi_line`."""
    if "\\" not in text and text.isprintable() and _NOT_SEEN.isdisjoint(text):
        return text
    kept = "\n\t" if multi_line else ""
    shown: list[str] = []
    backslashes = 0
    for place, char in enumerate(text):
        if char == "\\":
            backslashes += 1
        elif is_shown(char) or char in kept:
            # a run of backslashes is settled when it is known what follows it
            doubled = backslashes and _LOOKS_ESCAPED.match(text, place - 1)
            shown.append("\\" * (2 * backslashes if doubled else backslashes) + char)
            backslashes = 0
        else:
            shown.append("\\" * (2 * backslashes) + _escape(char))
            backslashes = 0
    return "".join(shown) + "\\" * backslashes


def original(shown: str) -> str:
    """The text that printable() was given, single-line or not."""
    return _WRITTEN.sub(_read, shown)


def is_shown(char: str) -> bool:
    """Does a terminal simply draw this character?"""
    return (char.isprintable() and char not in _NOT_SEEN) or char in _SPACES_THAT_ARE_SEEN


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _read(found: re.Match[str]) -> str:
    backslashes, escape = found.groups()
    half = "\\" * (len(backslashes) // 2)
    return half + (chr(int(escape[1:], 16)) if len(backslashes) % 2 else escape)
