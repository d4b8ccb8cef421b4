"""Pages of a transcript, as a question to the daemon."""

from __future__ import annotations

from dataclasses import dataclass

from tetherd.control import Entry, Query
from tetherd.domain.ids import SessionId


@dataclass(frozen=True, slots=True)
class ReadItems(Query[tuple[Entry, ...]]):
    """The session's newest entries with seq < `before`, in order of seq: a page of its transcript."""

    session_id: SessionId
    before: int | None = None
    limit: int = 200
