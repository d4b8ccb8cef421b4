"""Entries of the log, as the database has them."""

from __future__ import annotations

from sqlite3 import Connection

from tetherd.control import Entry
from tetherd.domain.ids import SessionId

_COLUMNS = "seq, at, session_id, type, version, body"


def select(
    db: Connection,
    after: int,
    session_id: SessionId | None,
    kinds: frozenset[str] | None,
    limit: int,
    upto: int | None = None,
) -> list[Entry]:
    """Entries with seq > `after` (and not behind `upto`), oldest first."""
    where, values = ["seq > ?"], [after]
    more: list[str | int] = []
    if upto is not None:
        where.append("seq <= ?")
        more.append(upto)
    if session_id is not None:
        where.append("session_id = ?")
        more.append(session_id)
    if kinds is not None:
        where.append(f"type IN ({', '.join('?' * len(kinds))})")
        more += sorted(kinds)
    sql = f"SELECT {_COLUMNS} FROM events WHERE {' AND '.join(where)} ORDER BY seq LIMIT ?"
    return [Entry(*row) for row in db.execute(sql, (*values, *more, limit))]
