"""The plug of a bridge: what one must offer, what it gets.

A bridge is a surface inside the daemon: it gives commands through Control with its people's Actors and follows the
log from a cursor of its own. What it remembers, has heard and owes stands in BridgeState, where one commit holds
everything that belongs together. Bridges import nothing of tetherd but this module, `errors`, `logconfig` and
`backoff`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from pydantic import JsonValue

from tetherd import control
from tetherd.control import BridgeFinding, Control, Cursor
from tetherd.domain import approval, commands, events, ids, rule, session
from tetherd.domain.ids import SessionId
from tetherd.errors import Misconfigured
from tetherd.keepers import RuleKeeper
from tetherd.settings import Setting

BRIDGES = "tetherd.bridges"
BRIDGE_API = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button of a message: `token` is all that the platform sees of it, `press` what it means."""

    token: str
    press: JsonValue
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message as it shall be. `key` names it for good: a known one is changed, never posted again.

    `lane` is the order it stands in (a chat), `body` the bridge's own JSON. `is_kept`: it may change later; others
    are forgotten, but for where they stand, once they are delivered.
    """

    key: str
    lane: str
    body: str
    session_id: SessionId | None = None
    file: bytes | None = None
    buttons: tuple[Button, ...] = ()
    is_kept: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """A message that the platform does not show yet as it shall be. `ref` None: it was never confirmed to be there.

    `is_doubtful`: a life that ended in the middle of sending may have posted it.
    """

    key: str
    lane: str
    body: str
    session_id: SessionId | None
    file: bytes | None
    version: int
    ref: str | None
    is_doubtful: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """What a button means, and the message that it is on as far as we know."""

    press: JsonValue
    key: str
    expires_at: datetime
    lane: str | None
    ref: str | None
    is_doubtful: bool


@dataclass(slots=True, kw_only=True)
class Change:
    """All that one step of a bridge changes: written whole or not at all.

    remember: values by key, None forgets. withdraw: messages that need not be sent any more, if they were not begun.
    forget_session: its messages and their buttons go.
    """

    cursor: Cursor | None = None
    heard: list[str] = field(default_factory=list)
    remember: dict[str, JsonValue] = field(default_factory=dict)
    post: list[Outgoing] = field(default_factory=list)
    withdraw: list[str] = field(default_factory=list)
    forget_session: list[SessionId] = field(default_factory=list)


class BridgeState(Protocol):
    """A bridge's own part of the store; survives whatever ends the daemon. Raises Unavailable."""

    async def cursor(self) -> Cursor | None:
        """How far the log was taken into account; None before the first commit."""

    async def recall(self) -> dict[str, JsonValue]:
        """All that is remembered."""

    async def has_heard(self, key: str) -> bool:
        """Was this incoming message acted upon already?"""

    async def commit(self, change: Change) -> None:
        """Write a step. Urgent when something was heard: then it survives a power cut too."""

    async def lanes(self) -> tuple[str, ...]:
        """Where something is owed."""

    async def next_owed(self, lane: str, *, new_first: bool = False) -> Owed | None:
        """The oldest of what is owed there; `new_first`: the oldest that was not posted yet, if there is one."""

    async def begin(self, key: str) -> None:
        """A message is about to be posted: from here on it may be there without our knowing."""

    async def delivered(self, key: str, version: int, ref: str | None) -> None:
        """The platform shows this version. `ref` None: there is nothing to show it in; it is given up."""

    async def not_posted(self, key: str) -> None:
        """What was begun did certainly not happen."""

    async def lost(self, key: str) -> None:
        """The platform no longer has the message: the next delivery posts it anew."""

    async def adopt(self, key: str, ref: str) -> None:
        """A message that was begun turned out to be there."""

    async def pressed(self, token: str) -> Pressed | None:
        """What the button with this token means; None for one that we never made or that is gone."""

    async def session_of(self, lane: str, ref: str) -> SessionId | None:
        """The session that a message was about."""

    async def move_lane(self, old: str, new: str) -> None:
        """A chat has got another name."""

    async def owed(self) -> int:
        """How many messages are owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgePort:
    """All that a bridge gets. `settings` are the values of its own Settings, by field; those not set are absent.

    `directories`: where people may start sessions from a chat. `adapters`: all words that name an agent.
    `report(None)`: all is well again; a sentence: what is wrong, for `tetherctl bridges`. `files_dir` is the bridge's
    own for files that people send.
    """

    control: Control
    rules: RuleKeeper
    state: BridgeState
    settings: Mapping[str, Any]
    directories: tuple[Path, ...]
    adapters: frozenset[str]
    default_adapter: str
    files_dir: Path
    now: Callable[[], datetime]
    report: Callable[[str | None], None]


class Bridge(Protocol):
    """A chat platform."""

    name: str
    """Also the surface that its people's Actors carry."""

    @property
    def settings(self) -> Sequence[Setting]:
        """Its own settings; their values come in BridgePort.settings, by `field`."""

    @property
    def required(self) -> Sequence[str]:
        """Fields of the settings without which it is off."""

    async def run(self, port: BridgePort) -> None:
        """Until cancelled. Raises Unavailable to be started again later, Misconfigured to be parked."""

    async def check(self, port: BridgePort) -> Sequence[BridgeFinding]:
        """Ask the platform whether all is in order: the token, the chat, each right that is needed."""


def load_bridges() -> dict[str, Bridge]:
    """All installed bridges by name. Raises Misconfigured when one cannot be loaded or two share a name."""
    bridges: dict[str, Bridge] = {}
    for entry in entry_points(group=BRIDGES):
        try:
            made: Any = entry.load()()
        except (ImportError, AttributeError, TypeError) as error:
            raise Misconfigured(f"bridge {entry.name} ({entry.value}) cannot be loaded: {error}") from error
        if made.name in bridges:
            raise Misconfigured(f"two bridges are called {made.name}")
        bridges[made.name] = made
    return bridges


__all__ = [
    "BRIDGES",
    "BRIDGE_API",
    "Bridge",
    "BridgeFinding",
    "BridgePort",
    "BridgeState",
    "Button",
    "Change",
    "Control",
    "Cursor",
    "Outgoing",
    "Owed",
    "Pressed",
    "RuleKeeper",
    "Setting",
    "approval",
    "commands",
    "control",
    "events",
    "ids",
    "load_bridges",
    "rule",
    "session",
]
