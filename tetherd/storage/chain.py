"""The next record of the audit."""

from __future__ import annotations

from sqlite3 import Connection
from typing import Any

from tetherd.domain.audit import START, Kind, canonical, hash_of


def write_audit(db: Connection, at: str, kind: Kind, body: dict[str, Any]) -> None:
    """The next record. Within the transaction of what it tells."""
    last = db.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    sequence = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
    number = max(last[0] if last else 0, sequence[0] if sequence else 0) + 1
    previous = last[1] if last else START
    text = canonical(body)
    row = (number, at, kind, text, previous, hash_of(previous, number, at, kind, text))
    db.execute("INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?)", row)
