"""A conversation as a model API is told it, alike for all dialects."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.emulators.script import MARKER, PLAIN, Script, Step, parse

ASIDE = re.compile(r"<([a-z]+[-_][a-z_-]+)>.*?</\1>", re.DOTALL)
"""What programs slip into the mouth of the person: <system-reminder>, <environment_context> and the like."""


@dataclass(frozen=True)
class Human:
    """What the person wrote; one text each, although the wire may put several into one message."""

    text: str


@dataclass(frozen=True)
class Answer:
    """One answer of the model, however many messages the wire makes of it."""

    text: str = ""
    calls: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToolResult:
    call_id: str
    text: str
    is_error: bool = False


Entry = Human | Answer | ToolResult


@dataclass(frozen=True)
class Place:
    """Where a conversation stands: the newest prompt, and how often the model has spoken since."""

    prompt: str
    script: Script | None
    said: int

    def step(self, failures: int) -> Step:
        if self.script is None:
            return PLAIN
        return self.script.answer(self.said, failures)


def place(entries: Sequence[Entry]) -> Place:
    """Raises Unreadable if the newest prompt has a script that is none."""
    said = 0
    for entry in reversed(entries):
        if isinstance(entry, Answer):
            said += 1
        elif isinstance(entry, Human):
            return Place(entry.text, parse(entry.text), said)
    return Place("", None, said)


def spoken(texts: Sequence[str], *, beside_results: bool) -> list[Human]:
    """The texts of one message that a person wrote.

    beside_results: tool results stand in the same message, so its texts are the program's remarks; but a prompt that
    was sent in the middle of a turn arrives there too, and is known by its script.
    """
    if beside_results:
        return [Human(text) for text in texts if MARKER in text]
    return [Human(text) for text in texts if ASIDE.sub("", text).strip()]
