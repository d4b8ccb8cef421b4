"""The words that people may use: commands, and a small vocabulary to answer with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

COMMANDS: dict[str, str] = {
    "list": "sessions, newest first; a word searches",
    "attach": "NUMBER: bring that session here",
    "new": "[AGENT] [DIRECTORY] [PROMPT]: start a session",
    "status": "how this session is, or how all are",
    "approvals": "what waits for an answer, again",
    "interrupt": "end the running turn",
    "stop": "end the agent of this session",
    "resume": "start an ended session again",
    "rules": "what is approved without asking, and an end for it",
    "usage": "what this session has used",
    "help": "what there is to say here",
}
"""Every command and what it does, in the order of the menu."""

ANSWERS = ("approve", "reject", "reject: REASON")
"""What answers the one request that waits in a thread."""

_COMMAND = re.compile(r"^[/!]([A-Za-z_]+)(?:@(\w+))?(?:[ \t\n]+(.*))?$", re.DOTALL)
_REJECT = re.compile(r"^reject:[ \t]*(\S.*)$", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Command:
    """`/name rest`; addressed to a bot by its name, or to whoever listens."""

    name: str
    rest: str
    bot: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """One of the answering words."""

    decision: Literal["approve", "reject"]
    reason: str | None = None


def read_command(text: str) -> Command | None:
    found = _COMMAND.match(text.strip())
    return Command(found[1].lower(), (found[3] or "").strip(), found[2]) if found else None


def read_decision(text: str) -> Decision | None:
    """None for anything but the exact words: what is merely like them goes to the agent."""
    words = text.strip()
    if words.casefold() in ("approve", "reject"):
        return Decision("approve" if words.casefold() == "approve" else "reject")
    found = _REJECT.match(words)
    return Decision("reject", found[1].strip()) if found else None


@dataclass(frozen=True, slots=True)
class Wish:
    """What `/new` asked for; None where it did not say."""

    adapter: str | None
    directory: str | None
    prompt: str


def read_wish(rest: str, adapters: frozenset[str]) -> Wish:
    """`[AGENT] [DIRECTORY] [PROMPT]`: an agent is known by its name, a directory by its first character."""
    adapter = directory = None
    words = rest.split(None, 1)
    if words and words[0].lower() in adapters:
        adapter, rest = words[0].lower(), words[1] if len(words) > 1 else ""
    words = rest.split(None, 1)
    if words and words[0][0] in "/~":
        directory, rest = words[0], words[1] if len(words) > 1 else ""
    return Wish(adapter, directory, rest.strip())
