"""The plugs: what a kind of agent must offer, and how it is found.

An adapter describes; it never starts, reads or writes anything. The shell launches `launch(spec)` behind a shim and
feeds the codec line by line. PLUGIN_API changes when an old plug-in would no longer work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Literal, Protocol

from pydantic import JsonValue

from tetherd.domain.effects import AgentCommand, InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent
from tetherd.domain.ids import RunId, SessionId
from tetherd.domain.modes import Mode
from tetherd.errors import Misconfigured

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
    settings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start the agent: data, no process. `environment` is all that the agent gets."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str


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


class AgentAdapter(Protocol):
    """A kind of agent."""

    name: str
    description: str
    external: bool
    """True when nothing is launched: the program joins by itself."""

    def launch(self, spec: LaunchSpec) -> Launch:
        """Raises Misconfigured when it cannot be started as configured, Rejected when not in this mode."""

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        """A codec for a fresh run (None) or for one that was left at `snapshot`."""

    def program(self, settings: Mapping[str, str]) -> str | None:
        """The program that launch() would run, to look for on PATH; None where there is none to look for."""


def load_adapters() -> dict[str, AgentAdapter]:
    """All installed adapters by name. Raises Misconfigured when one cannot be loaded or two share a name."""
    adapters: dict[str, AgentAdapter] = {}
    for entry in entry_points(group=ADAPTERS):
        try:
            made: Any = entry.load()()
        except (ImportError, AttributeError, TypeError) as error:
            raise Misconfigured(f"agent adapter {entry.name} ({entry.value}) cannot be loaded: {error}") from error
        if made.name in adapters:
            raise Misconfigured(f"two agent adapters are called {made.name}")
        adapters[made.name] = made
    return adapters


__all__ = [
    "ADAPTERS",
    "PLUGIN_API",
    "AgentAdapter",
    "AgentCodec",
    "AgentCommand",
    "AgentEvent",
    "Fed",
    "InterruptTurn",
    "JsonObject",
    "Launch",
    "LaunchSpec",
    "Prompt",
    "TextDelta",
    "Verdict",
    "load_adapters",
]
