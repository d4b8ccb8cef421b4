"""Text that agents are writing: its end, to be shown now and then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tetherd.bridge import control as ctl

EVERY_SECONDS = 3.0
SHOWN_CHARACTERS = 600


class Live:
    """Of each session the end of the message that is being written. Lossy: what is written whole comes from the log."""

    def __init__(self) -> None:
        self._texts: dict[str, tuple[str, str]] = {}
        self._changed: set[str] = set()
        self._shown_at: dict[str, float] = {}

    def take(self, deltas: Iterable[ctl.Delta]) -> None:
        for delta in deltas:
            if delta.kind == "message":
                message_id, before = self._texts.get(delta.session_id, ("", ""))
                text = (before if message_id == delta.message_id else "") + delta.text
                self._texts[delta.session_id] = (delta.message_id, text[-SHOWN_CHARACTERS:])
                self._changed.add(delta.session_id)

    def due(self, now: float) -> Iterator[tuple[str, str]]:
        """Sessions whose text has changed and was not shown lately, with its end."""
        for session_id in sorted(self._changed):
            if now - self._shown_at.get(session_id, -EVERY_SECONDS) >= EVERY_SECONDS:
                yield session_id, self._texts[session_id][1]

    def shown(self, session_id: str, now: float) -> None:
        self._changed.discard(session_id)
        self._shown_at[session_id] = now

    def forget(self, session_id: str) -> None:
        """It is in the log now."""
        self._texts.pop(session_id, None)
        self._changed.discard(session_id)
