"""What comes in from a chat, the same for every platform."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Who:
    """A person. `user_id` is the platform's, never changes and is all that authority depends on; `name` is text."""

    user_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Where:
    """A chat and, where there is one, the thread in it. `is_private`: nobody else is there."""

    lane: str
    place: str | None
    is_private: bool


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that came along. `file_id` is the platform's; `size` in bytes where the platform said it."""

    file_id: str
    name: str
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message. `key` tells it from all others, also when it comes again. `replies_to`: ref of a message of ours.

    `is_passed_on`: somebody else's words that were forwarded, which are never taken for a command or a decision.
    """

    key: str
    who: Who
    where: Where
    text: str
    ref: str
    replies_to: str | None = None
    is_passed_on: bool = False
    files: tuple[Attached, ...] = ()
    album: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tapped:
    """A button was pressed. `query` is what the platform wants to have answered, `ref` the message it is on."""

    key: str
    who: Who
    where: Where
    token: str
    query: str
    ref: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A chat goes on under another name."""

    key: str
    old: str
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Nothing for us. `why` is logged where it is worth it."""

    key: str
    why: str = ""


Incoming = Said | Tapped | Moved | Ignored
