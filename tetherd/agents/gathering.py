"""Text that arrives in chunks and is written in parts.

The log has the parts, the live stream has the chunks; both count offsets in UTF-16 code units from the message's
beginning. Ids are our own: agents give one id to several pieces of a message, or none at all.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from tetherd.domain.events import AgentEvent, MessageWritten, ThinkingWritten
from tetherd.domain.ids import RunId
from tetherd.plugin import TextDelta

Kind = Literal["message", "thinking"]


class Running(BaseModel):
    """The message that is being written. `written` code units of it stand in parts already."""

    number: int
    kind: Kind
    agents_id: str | None
    written: int = 0
    left: bool = False
    """True once a new turn has begun: whatever comes next is another message."""


class GatheringState(BaseModel):
    """What must survive: everything but the text since the last flush."""

    begun: int = 0
    running: Running | None = None


class Gathering:
    """One run's messages, one at a time."""

    def __init__(self, run_id: RunId, state: GatheringState) -> None:
        self._run_id = run_id
        self._state = state
        self._chunks: list[str] = []
        self._units = 0
        self.pending_bytes = 0

    def add(self, kind: Kind, agents_id: str | None, chunk: str) -> tuple[list[AgentEvent], TextDelta | None]:
        """Take a chunk; a chunk of another message ends the one before. An empty chunk begins and ends nothing."""
        if not chunk:
            return [], None
        events: list[AgentEvent] = []
        running = self._state.running
        if running is None or not _continues(running, kind, agents_id):
            events = self.close()
            self._state.begun += 1
            running = self._state.running = Running(number=self._state.begun, kind=kind, agents_id=agents_id)
        delta = TextDelta(self._message_id(running), kind, running.written + self._units, chunk)
        self._chunks.append(chunk)
        self._units += len(chunk) if chunk.isascii() else len(chunk.encode("utf-16-le")) // 2
        self.pending_bytes += len(chunk.encode())
        return events, delta

    def flush(self) -> list[AgentEvent]:
        """The text since the last flush, as a part that is not final."""
        return [self._part(self._state.running, final=False)] if self._state.running and self._chunks else []

    def close(self) -> list[AgentEvent]:
        """The final part of the running message, if there is one; its text may be empty."""
        running, self._state.running = self._state.running, None
        return [self._part(running, final=True)] if running else []

    def leave(self) -> None:
        """A new turn begins: the running message gets no more text, and is closed by what comes next."""
        if self._state.running:
            self._state.running.left = True

    def _part(self, running: Running, *, final: bool) -> AgentEvent:
        written = MessageWritten if running.kind == "message" else ThinkingWritten
        part = written(
            message_id=self._message_id(running), offset=running.written, text="".join(self._chunks), final=final
        )
        running.written += self._units
        self._chunks.clear()
        self._units = self.pending_bytes = 0
        return part

    def _message_id(self, running: Running) -> str:
        return f"{self._run_id}.{running.number}"


def _continues(running: Running, kind: Kind, agents_id: str | None) -> bool:
    return not running.left and running.kind == kind and agents_id in (None, running.agents_id)
