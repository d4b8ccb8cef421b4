"""Runs: where each stands in its journal, and what its agent is owed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from sqlite3 import Connection

from tetherd.control import NotFound
from tetherd.domain.ids import RunId, SessionId
from tetherd.plugin import JsonObject
from tetherd.storage.database import Database
from tetherd.storage.eventlog import About, Frame


@dataclass(frozen=True, slots=True)
class RunRow:
    """`cursor` and `snapshot` are one pair: the codec as it was behind this byte of the journal."""

    run_id: RunId
    session_id: SessionId
    cursor: int
    snapshot: JsonObject
    next_outbox_seq: int


class RunStore:
    """Reads what appends have written of runs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, run_id: RunId) -> RunRow:
        """Raises NotFound."""

        def query(db: Connection) -> RunRow:
            row = db.execute(
                "SELECT run_id, session_id, cursor, snapshot, next_outbox_seq FROM runs WHERE run_id = ?", (run_id,)
            ).fetchone()
            if row is None:
                raise NotFound(f"no run {run_id}")
            return RunRow(row[0], row[1], row[2], json.loads(row[3]), row[4])

        return await self._database.read(query)

    async def frames(self, run_id: RunId) -> list[Frame]:
        """What the shim has not acknowledged, in order."""

        def query(db: Connection) -> list[Frame]:
            rows = db.execute(
                "SELECT outbox_seq, kind, ref, data FROM outbox WHERE run_id = ? ORDER BY outbox_seq", (run_id,)
            )
            return [Frame(seq, About(kind, ref), bytes(data)) for seq, kind, ref, data in rows]

        return await self._database.read(query)

    async def runs_of(self, session_id: SessionId) -> list[RunId]:
        def query(db: Connection) -> list[RunId]:
            return [RunId(row[0]) for row in db.execute("SELECT run_id FROM runs WHERE session_id = ?", (session_id,))]

        return await self._database.read(query)

    async def known(self) -> set[RunId]:
        """Every run that has a row: a directory without one is nobody's."""
        return await self._database.read(lambda db: {RunId(row[0]) for row in db.execute("SELECT run_id FROM runs")})

    async def half_deleted(self) -> list[SessionId]:
        """Sessions whose tombstone stands and whose rows are still there."""

        def query(db: Connection) -> list[SessionId]:
            return [SessionId(row[0]) for row in db.execute("SELECT session_id FROM sessions WHERE is_deleted")]

        return await self._database.read(query)
