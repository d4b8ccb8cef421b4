"""What reaches for tetherd itself: its commands, its directories, its files.

An agent runs as our own user. Without a sandbox this is a speed bump and no wall: what runs a program of its own
(a test suite, a build) is not seen here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

from tetherd.domain.calls import Call, is_inside

WORD = "tether"
NAMES = ("tether", "tetherd", "tetherctl", "tether-mcp")
_GLOB_WORD = re.compile(r"[^\s'\"`;|&<>()]*[*?\[][^\s'\"`;|&<>()]*")
_HOMES = frozenset({".config", "state", ".local", "run"})
"""Directories that hold a directory of ours: a bare `*` below one of them means it, too."""


def reaches_for_us(call: Call, title: str | None, own: tuple[str, ...]) -> str | None:
    """Why this is always asked, or None. own: directories that are tetherd's, absolute. title: None for an edit."""
    for text in _texts(call, title):
        if WORD in text.casefold():
            return "it names tetherd: what decides is never changed without you"
        for directory in own:
            if directory in text:
                return f"it names {directory}, which is tetherd's own"
    for unit in call.units:
        for path in unit.paths:
            if path.startswith("/") and any(is_inside(path, directory) for directory in own):
                return f"{path} is tetherd's own"
    if call.command and any(_may_name_us(word) for word in _GLOB_WORD.findall(call.command)):
        return "what it names may be tetherd's own"
    return None


def _texts(call: Call, title: str | None) -> Iterator[str]:
    if title is None:  # a project may well be called like us; its files are looked at below
        return
    yield title
    yield call.command or ""
    for unit in call.units:
        yield unit.shown


def _may_name_us(word: str) -> bool:
    before = ""
    for part in word.split("/"):
        if any(sign in part for sign in "*?["):
            if part.strip("*") == "" and before in _HOMES:
                return True
            if part.strip("*?") and any(fnmatchcase(name, part) for name in NAMES):
                return True
        before = part
    return False
