"""A bridge's own part of the store: its cursor, memory, inbox and outbox."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection
from typing import Any

from pydantic import JsonValue

from tetherd.bridge import Change, Outgoing, Owed, Pressed
from tetherd.control import Cursor
from tetherd.domain.ids import SessionId
from tetherd.storage.database import Database

HEARD_DAYS = 8
"""Platforms redeliver for a day at most; an id that was heard longer ago is another message's by now."""
DELIVERED_KEPT = 2000
"""So many delivered messages are still known, newest first, so that a reply to one finds its session."""


class BridgeStore:
    """See bridge.BridgeState."""

    def __init__(self, database: Database, bridge: str) -> None:
        self._database = database
        self._bridge = bridge

    # -- what is known -------------------------------------------------------------------------------------------

    async def cursor(self) -> Cursor | None:
        row = await self._one("SELECT seq, epoch FROM bridge_cursors WHERE bridge = ?")
        return None if row is None else Cursor(row[0], row[1])

    async def recall(self) -> dict[str, JsonValue]:
        def query(db: Connection) -> dict[str, JsonValue]:
            rows = db.execute("SELECT key, value FROM bridge_memory WHERE bridge = ? ORDER BY key", (self._bridge,))
            return {key: json.loads(value) for key, value in rows}

        return await self._database.read(query)

    async def has_heard(self, key: str) -> bool:
        return await self._one("SELECT 1 FROM bridge_heard WHERE bridge = ? AND key = ?", key) is not None

    async def lanes(self) -> tuple[str, ...]:
        sql = "SELECT DISTINCT lane FROM bridge_messages WHERE bridge = ? AND due IS NOT NULL"
        return await self._database.read(lambda db: tuple(row[0] for row in db.execute(sql, (self._bridge,))))

    async def next_owed(self, lane: str, *, new_first: bool = False) -> Owed | None:
        row = await self._one(
            "SELECT key, body, session_id, file, version, ref, is_sending OR is_doubtful FROM bridge_messages"
            " WHERE bridge = ? AND lane = ? AND due IS NOT NULL"
            f" ORDER BY {'ref IS NOT NULL, ' if new_first else ''}due LIMIT 1",
            lane,
        )
        if row is None:
            return None
        key, body, session_id, file, version, ref, doubtful = row
        return Owed(
            key=key,
            lane=lane,
            body=body,
            session_id=SessionId(session_id) if session_id else None,
            file=file,
            version=version,
            ref=ref,
            is_doubtful=bool(doubtful),
        )

    async def pressed(self, token: str) -> Pressed | None:
        row = await self._one(
            "SELECT b.press, b.key, b.expires_at, m.lane, m.ref, m.is_sending OR m.is_doubtful FROM bridge_buttons b"
            " LEFT JOIN bridge_messages m ON m.bridge = b.bridge AND m.key = b.key WHERE b.bridge = ? AND b.token = ?",
            token,
        )
        if row is None:
            return None
        press, key, expires_at, lane, ref, doubtful = row
        return Pressed(
            press=json.loads(press),
            key=key,
            expires_at=datetime.fromisoformat(expires_at),
            lane=lane,
            ref=ref,
            is_doubtful=bool(doubtful),
        )

    async def session_of(self, lane: str, ref: str) -> SessionId | None:
        row = await self._one(
            "SELECT session_id FROM bridge_messages WHERE bridge = ? AND lane = ? AND ref = ?", lane, ref
        )
        return SessionId(row[0]) if row and row[0] else None

    async def owed(self) -> int:
        row = await self._one("SELECT count(*) FROM bridge_messages WHERE bridge = ? AND due IS NOT NULL")
        return int(row[0]) if row else 0

    # -- steps ---------------------------------------------------------------------------------------------------

    async def commit(self, change: Change) -> None:
        bridge = self._bridge

        def job(db: Connection) -> None:
            if change.cursor is not None:
                db.execute(
                    "INSERT INTO bridge_cursors VALUES (?, ?, ?) ON CONFLICT (bridge) DO UPDATE"
                    " SET epoch = excluded.epoch, seq = excluded.seq",
                    (bridge, change.cursor.epoch or "", change.cursor.seq),
                )
            _hear(db, bridge, change.heard)
            for key, value in change.remember.items():
                if value is None:
                    db.execute("DELETE FROM bridge_memory WHERE bridge = ? AND key = ?", (bridge, key))
                else:
                    db.execute(
                        "INSERT INTO bridge_memory VALUES (?, ?, ?) ON CONFLICT (bridge, key) DO UPDATE"
                        " SET value = excluded.value",
                        (bridge, key, json.dumps(value)),
                    )
            for key in change.withdraw:
                _withdraw(db, bridge, key)
            for outgoing in change.post:
                _post(db, bridge, outgoing)
            for session_id in change.forget_session:
                _forget(db, bridge, session_id)

        size = sum(len(one.body) + len(one.file or b"") for one in change.post)
        await self._database.write(job, size=size, urgent=bool(change.heard))

    async def begin(self, key: str) -> None:
        # what another life was at stays in doubt: it may be there already
        await self._set("is_doubtful = is_doubtful OR is_sending, is_sending = 1", key)

    async def not_posted(self, key: str) -> None:
        await self._set("is_sending = 0", key)

    async def lost(self, key: str) -> None:
        await self._set("ref = NULL, is_sending = 0, is_doubtful = 0", key)

    async def adopt(self, key: str, ref: str) -> None:
        values = (ref, self._bridge, key)
        await self._database.write(
            lambda db: db.execute(
                "UPDATE bridge_messages SET ref = ?, is_sending = 0 WHERE bridge = ? AND key = ? AND ref IS NULL",
                values,
            ),
            urgent=False,
        )

    async def delivered(self, key: str, version: int, ref: str | None) -> None:
        bridge = self._bridge

        def job(db: Connection) -> None:
            db.execute(
                "UPDATE bridge_messages SET ref = coalesce(?, ref), is_sending = 0,"
                " due = CASE WHEN version = ? THEN NULL ELSE due END,"
                " file = CASE WHEN version = ? THEN NULL ELSE file END,"
                " body = CASE WHEN version = ? AND NOT is_kept THEN '' ELSE body END"
                " WHERE bridge = ? AND key = ?",
                (ref, version, version, version, bridge, key),
            )
            db.execute(
                "DELETE FROM bridge_messages WHERE bridge = ? AND due IS NULL AND NOT is_kept AND number <"
                " (SELECT max(number) FROM bridge_messages WHERE bridge = ?) - ?",
                (bridge, bridge, DELIVERED_KEPT),
            )

        await self._database.write(job, urgent=False)

    async def move_lane(self, old: str, new: str) -> None:
        values = (new, self._bridge, old)
        await self._database.write(
            lambda db: db.execute("UPDATE bridge_messages SET lane = ? WHERE bridge = ? AND lane = ?", values)
        )

    async def _set(self, what: str, key: str) -> None:
        sql = f"UPDATE bridge_messages SET {what} WHERE bridge = ? AND key = ?"
        await self._database.write(lambda db: db.execute(sql, (self._bridge, key)), urgent=False)

    async def _one(self, sql: str, *values: str) -> tuple[Any, ...] | None:
        return await self._database.read(lambda db: db.execute(sql, (self._bridge, *values)).fetchone())


def _hear(db: Connection, bridge: str, keys: list[str]) -> None:
    if not keys:
        return
    now = datetime.now(UTC)
    db.executemany("INSERT OR IGNORE INTO bridge_heard VALUES (?, ?, ?)", [(bridge, k, now.isoformat()) for k in keys])
    db.execute(
        "DELETE FROM bridge_heard WHERE bridge = ? AND at < ?",
        (bridge, (now - timedelta(days=HEARD_DAYS)).isoformat()),
    )
    db.execute("DELETE FROM bridge_buttons WHERE bridge = ? AND expires_at < ?", (bridge, now.isoformat()))


def _post(db: Connection, bridge: str, outgoing: Outgoing) -> None:
    """Owed from now on; what was owed already keeps its place in the order, so that changes never starve it."""
    (last,) = db.execute("SELECT coalesce(max(due), 0) FROM bridge_messages WHERE bridge = ?", (bridge,)).fetchone()
    db.execute(
        "INSERT INTO bridge_messages (bridge, key, lane, session_id, body, file, is_kept, version, due)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT (bridge, key) DO UPDATE SET body = excluded.body,"
        " file = excluded.file, is_kept = excluded.is_kept, version = version + 1, due = coalesce(due, excluded.due)",
        (
            bridge,
            outgoing.key,
            outgoing.lane,
            outgoing.session_id,
            outgoing.body,
            outgoing.file,
            outgoing.is_kept,
            last + 1,
        ),
    )
    for button in outgoing.buttons:
        row = (bridge, button.token, outgoing.key, json.dumps(button.press), button.expires_at.isoformat())
        db.execute("INSERT INTO bridge_buttons VALUES (?, ?, ?, ?, ?)", row)


def _withdraw(db: Connection, bridge: str, key: str) -> None:
    gone = db.execute(
        "DELETE FROM bridge_messages WHERE bridge = ? AND key = ? AND ref IS NULL AND NOT is_sending"
        " AND NOT is_doubtful",
        (bridge, key),
    ).rowcount
    if gone:
        db.execute("DELETE FROM bridge_buttons WHERE bridge = ? AND key = ?", (bridge, key))


def _forget(db: Connection, bridge: str, session_id: SessionId) -> None:
    db.execute(
        "DELETE FROM bridge_buttons WHERE bridge = ? AND key IN (SELECT key FROM bridge_messages"
        " WHERE bridge = ? AND session_id = ?)",
        (bridge, bridge, session_id),
    )
    db.execute("DELETE FROM bridge_messages WHERE bridge = ? AND session_id = ?", (bridge, session_id))
