"""Stands in for an adapter that is no longer installed.

Its sessions stay visible and can be stopped and deleted; what their agents print is kept as unrecognised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tetherd.domain.effects import AgentCommand
from tetherd.domain.events import AgentEvent, OutputUnrecognised
from tetherd.errors import Misconfigured
from tetherd.plugin import Fed, JsonObject, Launch, LaunchSpec
from tetherd.settings import Setting

HEAD_BYTES = 4096


class MissingAdapter:
    """Launches nothing, understands nothing."""

    description = "not installed"
    external = False
    aliases: tuple[str, ...] = ()
    environment_keys: tuple[str, ...] = ()
    settings: tuple[Setting, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def launch(self, spec: LaunchSpec) -> Launch:
        raise Misconfigured(f"there is no agent adapter {self.name}: install it, or start the session with another")

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> _DeafCodec:
        return _DeafCodec()

    def program(self, settings: Mapping[str, str]) -> str | None:
        return None


class _DeafCodec:
    """Keeps every line as it came; has no words of its own."""

    def open(self) -> Sequence[bytes]:
        return ()

    def feed(self, line: bytes) -> Fed:
        return self.skipped(line[:HEAD_BYTES], len(line))

    def skipped(self, head: bytes, size: int) -> Fed:
        text = head.decode(errors="replace")
        return Fed(events=[OutputUnrecognised(head=text, size=size, why="the adapter is not installed")])

    def pending_bytes(self) -> int:
        return 0

    def flush(self) -> Sequence[AgentEvent]:
        return ()

    def finish(self) -> Sequence[AgentEvent]:
        return ()

    def encode(self, command: AgentCommand, outbox_seq: int) -> bytes:
        return b""

    def snapshot(self) -> JsonObject:
        return {}
