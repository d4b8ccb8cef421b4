"""Which session has which conversation of its agent open.

Two processes that continue one conversation both write to it, and neither sees the other (Claude Code has no lock).
"""

from __future__ import annotations

from tetherd.domain.ids import SessionId
from tetherd.errors import Rejected


class ConversationOpen(Rejected):
    """Another session has it."""

    code = "conversation_open"
    status = 409
    hint = "stop that session first, or fork it"

    def __init__(self, conversation: str, holder: SessionId) -> None:
        self._holder = holder
        super().__init__(f"conversation {conversation} is open in session {holder}")

    def facts(self) -> dict[str, object]:
        return {"session_id": self._holder}


class Conversations:
    """Those that live runs have open. It lasts as long as the daemon: each pick-up takes its own anew."""

    def __init__(self) -> None:
        self._holders: dict[tuple[str, str], SessionId] = {}

    def open(self, adapter: str, conversation: str | None, session_id: SessionId) -> None:
        """Raises ConversationOpen when another session has it."""
        if conversation is None:
            return
        holder = self._holders.setdefault((adapter, conversation), session_id)
        if holder != session_id:
            raise ConversationOpen(conversation, holder)

    def close(self, session_id: SessionId) -> None:
        """All that this session has open."""
        self._holders = {key: holder for key, holder in self._holders.items() if holder != session_id}
