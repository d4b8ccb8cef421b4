"""What is shown in a chat: messages, their buttons, and what a button means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tetherd_bridges.richtext import Rich, Run, Style, run

PIECE_UNITS = 3500
"""A message of text at most, in UTF-16 units: room for a header below the 4,096 that Telegram takes."""
FILE_PIECES = 3
"""Longer texts come as a file, with a first piece to look at."""


class Press(BaseModel):
    """What a button means; stored beside its token, never sent to the platform."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    do: Literal[
        "approve",
        "reject",
        "reason",
        "words",
        "choose",
        "mark",
        "send",
        "always",
        "always_for",
        "always_until",
        "back",
        "end_rule",
        "page",
    ]
    session_id: str = ""
    approval_id: str = ""
    digest: str = ""
    choice: str = ""
    decision: Literal["approve", "reject"] = "approve"
    minutes: int = 0
    page: int = 0
    search: str = ""


@dataclass(frozen=True, slots=True)
class Face:
    """A button that is still to get its token."""

    label: str
    press: Press
    tone: Literal["good", "bad", ""] = ""


@dataclass(frozen=True, slots=True)
class File:
    """A file to go with a message. `name` is ours, never somebody else's path."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it shall be: `key` names it for good, so that what changes is edited and never repeated.

    In a session's thread when `session_id` is given. `loud`: people's phones may make a noise. `kept`: it may change.
    `asks`: what people write next is the answer to this message.
    """

    key: str
    text: Rich
    session_id: str | None = None
    buttons: tuple[tuple[Face, ...], ...] = ()
    loud: bool = False
    kept: bool = False
    file: File | None = None
    asks: bool = False


class ButtonShown(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    label: str
    token: str
    tone: Literal["good", "bad", ""] = ""


class Shown(BaseModel):
    """A message on its way to the platform: what stands in the outbox."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    text: tuple[Run, ...]
    buttons: tuple[tuple[ButtonShown, ...], ...] = ()
    loud: bool = False
    file_name: str = ""
    asks: bool = False
    place: str | None = None
    """The thread to show it in, where that is not the session's own."""


def lines(*rows: Rich | str) -> Rich:
    """Rows below each other; empty ones are left out."""
    text: list[Run] = []
    for row in rows:
        if row:
            text += [run("\n")] if text else []
            text += [run(row)] if isinstance(row, str) else row
    return tuple(text)


def bold(text: str) -> Rich:
    return (run(text, Style.BOLD),)


def code(text: str) -> Rich:
    """A name or a path that somebody else chose."""
    return (run(text, Style.CODE),)
