"""The plugs: what a kind of agent must offer, and how it is found.

An adapter describes; it never starts, reads or writes anything. The shell launches `launch(spec)` behind a shim and
feeds the codec line by line. PLUGIN_API changes when an old plug-in would no longer work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol, runtime_checkable

from pydantic import JsonValue

from tetherd.domain.effects import AgentCommand, InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent
from tetherd.domain.ids import RunId, SessionId
from tetherd.domain.limits import NO_LIMITS, Limits
from tetherd.domain.modes import Mode
from tetherd.errors import Misconfigured
from tetherd.settings import Setting

PLUGIN_API = 1
ADAPTERS = "tetherd.agents"

JsonObject = dict[str, JsonValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSpec:
    """One run that is about to be launched, or is running. `settings` are the adapter's own, `environment` ours."""

    session_id: SessionId
    run_id: RunId
    directory: str
    mode: Mode
    vendor_session_id: str | None = None
    """The agent's own conversation, to be continued; None for a new one."""
    fork_of: str | None = None
    """A conversation of the agent of which the new one is a copy."""
    is_trusted: bool = False
    """May what lies in `directory` (hooks, settings, servers) run without anybody being asked?"""
    settings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resumed:
    """How to start it where the conversation is still there: where the glob `only_if` finds a file."""

    argv: tuple[str, ...]
    only_if: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start the agent: data, no process. `environment` is all that the agent gets.

    `conversation` names what no two runs may have open at once. With `resumed` the agent's own files decide which of
    the two command lines is run: `argv` begins anew. `limits` are not an adapter's business.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    conversation: str | None = None
    resumed: Resumed | None = None
    limits: Limits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text on its way: what the live stream shows before the log has it. `offset` in UTF-16 code units."""

    message_id: str
    kind: Literal["message", "thinking"]
    offset: int
    text: str


@dataclass(slots=True)
class Fed:
    """What one line meant: events in order, text on its way, and frames that the protocol owes at once."""

    events: list[AgentEvent] = field(default_factory=list)
    deltas: list[TextDelta] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)


class AgentCodec(Protocol):
    """One run's protocol: stateful, sans-IO, never raises on content.

    `snapshot()` after a line, given to a new codec, must continue exactly there; it is stored with the journal's
    cursor in the same transaction, after `flush()`, so it holds no gathered text.
    """

    def open(self) -> Sequence[bytes]:
        """The protocol's first words, once per run."""

    def feed(self, line: bytes) -> Fed:
        """One stdout line without its newline, at most framing.MAX_LINE bytes."""

    def skipped(self, head: bytes, size: int) -> Fed:
        """A line over the limit: its first 4 KiB and its whole size in bytes."""

    def pending_bytes(self) -> int:
        """Size of the text gathered since the last flush."""

    def flush(self) -> Sequence[AgentEvent]:
        """Text gathered so far, as parts that are not final. Calling it again gives nothing."""

    def finish(self) -> Sequence[AgentEvent]:
        """At the end of stdout: what was gathered, as final parts; a turn that is cut off is left open."""

    def encode(self, command: AgentCommand, outbox_seq: int) -> bytes:
        """The frame for a command; ids in it derive from `outbox_seq`. Changes nothing outside the snapshot."""

    def snapshot(self) -> JsonObject:
        """Small, JSON."""


Ability = Literal["images", "questions", "plans", "reasons", "edited input", "resume", "fork", "tokens", "cost"]
"""What people can have of an agent. Reasons: a rejection's reach the model. Tokens and cost: are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of an agent. `tested_with` is a version of its program, or several with commas."""

    tested_with: str | None = None
    abilities: tuple[Ability, ...] = ()


@runtime_checkable
class LoginTeller(Protocol):
    """An adapter that can tell how its agent would log in."""

    def login(self, settings: Mapping[str, str], environment: Mapping[str, str]) -> str:
        """A few words: "logged in", "API key", "not logged in". May read the disk; never tells a secret."""


class AgentAdapter(Protocol):
    """A kind of agent. It may also have a `profile` (a Profile) and be a LoginTeller or a Chooser."""

    name: str
    description: str
    external: bool
    """True when nothing is launched: the program joins by itself."""

    @property
    def aliases(self) -> Sequence[str]:
        """Shorter names that people may use for it."""

    @property
    def settings(self) -> Sequence[Setting]:
        """Its own settings; their values come in LaunchSpec.settings, by `field`."""

    @property
    def environment_keys(self) -> Sequence[str]:
        """Variables that its agent gets beyond what every agent gets: API keys, base URLs, places of its files."""

    def launch(self, spec: LaunchSpec) -> Launch:
        """Raises Misconfigured when it cannot be started as configured, Rejected when not in this mode."""

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        """A codec for a fresh run (None) or for one that was left at `snapshot`."""

    def program(self, settings: Mapping[str, str]) -> str | None:
        """The program that launch() would run, to look for on PATH; None where there is none to look for."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The adapter that a session gets, and why it is this one: words that can follow "because"."""

    adapter: str
    why: str


@runtime_checkable
class Chooser(Protocol):
    """An adapter that stands for others: which of them a session gets is decided when it is made, and recorded."""

    def choose(
        self, settings: Mapping[str, Mapping[str, str]], environments: Mapping[str, Mapping[str, str]]
    ) -> Chosen:
        """By all adapters' settings and environments. May read the disk. Raises Misconfigured when there is no way."""


def load_adapters() -> dict[str, AgentAdapter]:
    """All installed adapters by name. Raises Misconfigured when one cannot be loaded or two share a name."""
    taken: set[str] = set()
    adapters: dict[str, AgentAdapter] = {}
    for entry in entry_points(group=ADAPTERS):
        try:
            made: Any = entry.load()()
        except (ImportError, AttributeError, TypeError) as error:
            raise Misconfigured(f"agent adapter {entry.name} ({entry.value}) cannot be loaded: {error}") from error
        for name in (made.name, *made.aliases):
            if name in taken:
                raise Misconfigured(f"two agent adapters are called {name}")
            taken.add(name)
        adapters[made.name] = made
    return adapters


def profile_of(adapter: AgentAdapter) -> Profile:
    profile = getattr(adapter, "profile", None)
    return profile if isinstance(profile, Profile) else Profile()


def takes_images(adapter: AgentAdapter) -> bool:
    """Does its codec send the images of a prompt?"""
    return "images" in profile_of(adapter).abilities


def adapter_names(adapters: Mapping[str, AgentAdapter]) -> dict[str, str]:
    """Every word that names an adapter, and the name it stands for."""
    return {word: name for name, adapter in adapters.items() for word in (name, *adapter.aliases)}


__all__ = [
    "ADAPTERS",
    "PLUGIN_API",
    "Ability",
    "AgentAdapter",
    "AgentCodec",
    "AgentCommand",
    "AgentEvent",
    "Chooser",
    "Chosen",
    "Fed",
    "InterruptTurn",
    "JsonObject",
    "Launch",
    "LaunchSpec",
    "LoginTeller",
    "Profile",
    "Prompt",
    "Resumed",
    "Setting",
    "TextDelta",
    "Verdict",
    "adapter_names",
    "load_adapters",
    "profile_of",
    "takes_images",
]
