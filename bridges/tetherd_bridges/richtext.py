"""Text with styles, the same for every platform.

A text is a row of runs, so that cutting it anywhere leaves two texts that are whole: what a platform writes around a
run (tags, stars, fences) is made only when a piece is rendered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

CUT_RUNS = 80
"""Telegram leaves out what lies beyond some 100 entities of a message; a run makes up to two of them."""
_LATE = 0.5
"""A border counts when it lies behind this part of what fits."""
_JOINERS = "\u200d\ufe0f\ufe0e"

_SECRETS = re.compile(
    r"\b\d{6,12}:[A-Za-z0-9_-]{35}\b|\bxox[abeprs]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}"
    r"|\btether_[A-Za-z0-9_-]{24,}|\bsk-[A-Za-z0-9_-]{20,}|\bgh[pousr]_[A-Za-z0-9]{30,}"
)
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Style(StrEnum):
    """AGENT marks what an agent (or anybody but us) wrote: it has a shape that our own statements never have."""

    AGENT = "agent"
    LINK = "link"
    BOLD = "bold"
    ITALIC = "italic"
    STRIKE = "strike"
    CODE = "code"
    PRE = "pre"


class Run(BaseModel):
    """A piece of text in one look. `url` goes with LINK, `language` with PRE."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    styles: frozenset[Style] = frozenset()
    url: str = ""
    language: str = ""


Rich = tuple[Run, ...]


def run(text: str, *styles: Style, url: str = "", language: str = "") -> Run:
    """A run without what no platform shows and everybody fears: controls, direction overrides, half characters."""
    clean = _CONTROLS.sub("\ufffd", text.replace("\r\n", "\n"))
    return Run(text=clean, styles=frozenset(styles), url=url, language=language)


def say(text: str, *styles: Style) -> Rich:
    return (run(text, *styles),)


def by_agent(rich: Iterable[Run]) -> Rich:
    """The same, in the shape of what an agent wrote, without secrets that can be told by their looks."""
    return tuple(
        one.model_copy(update={"styles": one.styles | {Style.AGENT}, "text": redacted(one.text)}) for one in rich
    )


def redacted(text: str) -> str:
    return _SECRETS.sub("[redacted]", text)


def plain(rich: Iterable[Run]) -> str:
    return "".join(one.text for one in rich)


def units(text: str) -> int:
    """Length in UTF-16 code units, as Telegram counts."""
    return len(text) + sum(ord(one) > 0xFFFF for one in text)


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def piece(rich: Rich, begin: int, end: int) -> Rich:
    """The characters from `begin` to `end`, in their styles."""
    found = []
    at = 0
    for one in rich:
        upto = at + len(one.text)
        if upto > begin and at < end:
            text = one.text[max(0, begin - at) : end - at]
            found.append(one if len(text) == len(one.text) else one.model_copy(update={"text": text}))
        at = upto
    return tuple(found)


def split(rich: Rich, limit_units: int) -> Iterator[Rich]:
    """The whole text in pieces of at most `limit_units`, cut at paragraphs, lines or words where there are any.

    Put together they are the text again, but for blanks at its end and pieces of nothing but blanks, which no
    platform takes.
    """
    text = plain(rich).rstrip()
    ends = _run_ends(rich)
    at = 0
    while at < len(text):
        end = _fitting(text, at, limit_units)
        styled = [one for one in ends if at < one < end]
        if len(styled) > CUT_RUNS:
            end = styled[CUT_RUNS]
        if end < len(text):
            end = _border(text, at, end)
        if text[at:end].strip():
            yield piece(rich, at, end)
        at = end


def _run_ends(rich: Rich) -> list[int]:
    ends, at = [], 0
    for one in rich:
        at += len(one.text)
        if one.styles:
            ends.append(at)
    return ends


def _fitting(text: str, at: int, limit_units: int) -> int:
    end = min(len(text), at + limit_units)
    while units(text[at:end]) > limit_units:
        end -= max(1, (units(text[at:end]) - limit_units) // 2)
    return end


def _border(text: str, at: int, end: int) -> int:
    """The best place to cut at or before `end`."""
    early = at + int((end - at) * _LATE)
    for border in ("\n\n", "\n", " "):
        found = text.rfind(border, early, end)
        if found > at:
            return found + len(border)
    while end > at + 1 and (text[end] in _JOINERS or text[end - 1] in _JOINERS):
        end -= 1  # within one visible character
    return end
