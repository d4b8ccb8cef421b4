"""Server-sent events: a parser without I/O.

Follows the WHATWG HTML specification, section 9.2.6, but for `retry:` and the byte order mark, which our server
never sends.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LINE_END = re.compile(rb"\r\n|\n|\r")


class SseEvent(NamedTuple):
    """One event. `event_id` is None for one that does not move the stream's place; `kind` is "message" by default."""

    event_id: str | None
    kind: str
    data: str


class SseParser:
    """Feed it bytes as they come; it returns the events that are complete. Cut anywhere, the events are the same."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._scanned = 0
        self._event_id: str | None = None
        self._kind = ""
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that end in `data`. Comments (the server's heartbeat) give nothing."""
        self._rest += data
        events = []
        start = 0
        for end in _LINE_END.finditer(self._rest, self._scanned):
            if end.group() == b"\r" and end.end() == len(self._rest):
                break  # a newline may follow with the next bytes
            if event := self._line(self._rest[start : end.start()].decode(errors="replace")):
                events.append(event)
            start = end.end()
        del self._rest[:start]
        self._scanned = max(0, len(self._rest) - 1)
        return events

    def _line(self, line: str) -> SseEvent | None:
        if not line:
            return self._complete()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "data":
                self._data.append(value)
            case "event":
                self._kind = value
            case "id" if "\0" not in value:
                self._event_id = value
            case _:
                pass  # a comment, or a field from a later time
        return None

    def _complete(self) -> SseEvent | None:
        event = SseEvent(self._event_id, self._kind or "message", "\n".join(self._data)) if self._data else None
        self._event_id, self._kind, self._data = None, "", []
        return event
