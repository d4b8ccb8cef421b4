"""An agent's messages and thoughts, from their deltas and the whole text at the end."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from tetherd.agents.gathering import Gathering, GatheringState
from tetherd.domain.events import AgentEvent
from tetherd.domain.ids import RunId
from tetherd.plugin import Fed

Kind = Literal["message", "thinking"]


class MessagesState(BaseModel):
    """`heard` is the length of what came of the running item, in UTF-16 code units."""

    gathering: GatheringState = Field(default_factory=GatheringState)
    item_id: str | None = None
    heard: int = 0


class Messages:
    """One item at a time: the next one ends the one before."""

    def __init__(self, run_id: RunId, state: MessagesState) -> None:
        self._state = state
        self.gathering = Gathering(run_id, state.gathering)

    def add(self, kind: Kind, item_id: str, text: str) -> Fed:
        events: list[AgentEvent] = []
        if item_id != self._state.item_id:
            events = self.close()
            self._state.item_id, self._state.heard = item_id, 0
        more, delta = self.gathering.add(kind, item_id, text)
        self._state.heard += len(text.encode("utf-16-le")) // 2
        return Fed([*events, *more], [delta] if delta else [])

    def complete(self, kind: Kind, item_id: str, text: str) -> Fed:
        """The item has ended with this text: whatever its deltas left out at the end is added."""
        heard = self._state.heard if item_id == self._state.item_id else 0
        rest = text.encode("utf-16-le")[heard * 2 :].decode("utf-16-le", errors="replace")
        fed = self.add(kind, item_id, rest)
        fed.events += self.close()
        return fed

    def separate(self, kind: Kind, item_id: str) -> Fed:
        """A new part of the same item, an empty line below the one before."""
        return self.add(kind, item_id, "\n\n") if item_id == self._state.item_id and self._state.heard else Fed()

    def close(self) -> list[AgentEvent]:
        """The final part of the running item, if there is one."""
        self._state.item_id, self._state.heard = None, 0
        return self.gathering.close()
