"""Text that is being written: lossy, latest wins, never logged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tetherd.control import Delta
from tetherd.domain.events import Event, MessageWritten, RunEnded, SessionDeleted, ThinkingWritten
from tetherd.domain.ids import SessionId

UNIT = 2
"""Bytes of a UTF-16 code unit: offsets count these, as JavaScript does."""


@dataclass(slots=True)
class _Text:
    """What is not yet in the log of one message: `data` in UTF-16, from `start` on."""

    session_id: SessionId
    kind: Literal["message", "thinking"]
    start: int
    data: bytearray

    @property
    def end(self) -> int:
        return self.start + len(self.data) // UNIT


class Live:
    """The messages under way. Bounded by what the runtime gathers before it writes."""

    def __init__(self) -> None:
        self._texts: dict[tuple[SessionId, str], _Text] = {}

    def put(self, deltas: Iterable[Delta]) -> None:
        for delta in deltas:
            key = (delta.session_id, delta.message_id)
            text = self._texts.get(key)
            if text is None or text.end != delta.offset:
                text = self._texts[key] = _Text(delta.session_id, delta.kind, delta.offset, bytearray())
            text.data += _encoded(delta.text)

    def logged(self, session_id: SessionId, events: Iterable[Event]) -> None:
        """These are in the log now: what they hold is no longer ours."""
        for event in events:
            match event:
                case MessageWritten() | ThinkingWritten():
                    self._covered((session_id, event.message_id), event)
                case RunEnded() | SessionDeleted():
                    for key in [key for key in self._texts if key[0] == session_id]:
                        del self._texts[key]
                case _:
                    pass

    def _covered(self, key: tuple[SessionId, str], part: MessageWritten | ThinkingWritten) -> None:
        text = self._texts.get(key)
        if text is None:
            return
        end = part.offset + len(_encoded(part.text)) // UNIT
        if part.final or end >= text.end:
            del self._texts[key]
        elif end > text.start:
            del text.data[: (end - text.start) * UNIT]
            text.start = end

    def reader(self, session_id: SessionId | None) -> LiveReader:
        return LiveReader(self._texts, session_id)


class LiveReader:
    """One follower's place in every message: what it has missed comes merged, once."""

    def __init__(self, texts: dict[tuple[SessionId, str], _Text], session_id: SessionId | None) -> None:
        self._texts = texts
        self._session_id = session_id
        self._seen: dict[tuple[SessionId, str], tuple[_Text, int]] = {}

    def take(self) -> list[Delta]:
        """What is new since the last call; the first one gives all that is not yet in the log."""
        news: list[Delta] = []
        seen: dict[tuple[SessionId, str], tuple[_Text, int]] = {}
        for key, text in self._texts.items():
            if self._session_id not in (None, text.session_id):
                continue
            known, reached = self._seen.get(key, (text, text.start))
            begin = max(reached, text.start) if known is text else text.start  # another text: it begins anew
            if begin < text.end:
                data = text.data[(begin - text.start) * UNIT :]
                news.append(Delta(text.session_id, key[1], text.kind, begin, data.decode("utf-16-le", "replace")))
            seen[key] = (text, text.end)
        self._seen = seen
        return news


def _encoded(text: str) -> bytes:
    return text.encode("utf-16-le", "replace")
