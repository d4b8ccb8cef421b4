"""Paired devices: known by two secrets, of which one travels as a cookie and the other in a header."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection

from tetherd.control import NotFound
from tetherd.devices import DeviceView
from tetherd.domain.ids import Role
from tetherd.storage.database import Database

IDLE_LIMIT = timedelta(days=90)
"""A device that was not seen for this long must be paired again."""
SEEN_EVERY = timedelta(hours=1)
"""How exactly it is kept when a device was last seen."""

_COLUMNS = "device_id, name, role, created_at, seen_at, revoked_at"


class DeviceStore:
    """See devices.Devices. All hashes are in memory, so that asking costs no I/O."""

    def __init__(
        self, database: Database, rows: Iterable[tuple[bytes, bytes, DeviceView]], now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._now = now
        self._known = {cookie: (key, view) for cookie, key, view in rows if view.revoked_at is None}

    @classmethod
    async def open(cls, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> DeviceStore:
        def query(db: Connection) -> list[tuple[bytes, bytes, DeviceView]]:
            rows = db.execute(f"SELECT cookie_hash, key_hash, {_COLUMNS} FROM devices").fetchall()
            return [(bytes(row[0]), bytes(row[1]), _view(row[2:])) for row in rows]

        return cls(database, await database.read(query), now)

    async def create(self, name: str, role: Role) -> tuple[DeviceView, str, str]:
        """A new device, its cookie half and its header half."""
        cookie, key = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        now = self._now()
        view = DeviceView(f"d-{secrets.token_hex(4)}", name, role, now, now, None)
        at = now.isoformat()
        row = (view.device_id, name, role.value, _hash(cookie), _hash(key), at, at, None)
        await self._database.write(lambda db: db.execute("INSERT INTO devices VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row))
        self._known[_hash(cookie)] = (_hash(key), view)
        return view, cookie, key

    async def list(self) -> tuple[DeviceView, ...]:
        def query(db: Connection) -> tuple[DeviceView, ...]:
            return tuple(_view(row) for row in db.execute(f"SELECT {_COLUMNS} FROM devices ORDER BY rowid"))

        return await self._database.read(query)

    async def revoke(self, device_id: str) -> DeviceView:
        now = self._now().isoformat()

        def job(db: Connection) -> DeviceView:
            db.execute("UPDATE devices SET revoked_at = ? WHERE device_id = ? AND revoked_at IS NULL", (now, device_id))
            row = db.execute(f"SELECT {_COLUMNS} FROM devices WHERE device_id = ?", (device_id,)).fetchone()
            if row is None:
                raise NotFound(f"no device {device_id}")
            return _view(row)

        view = await self._database.write(job)
        self._known = {cookie: known for cookie, known in self._known.items() if known[1].device_id != device_id}
        return view

    def authenticate(self, cookie: str, key: str) -> DeviceView | None:
        # What is looked up is a hash of the secret: how long that takes tells nothing of any secret that is good.
        known = self._known.get(_hash(cookie))
        if known is None or not hmac.compare_digest(known[0], _hash(key)):
            return None
        view = known[1]
        return None if self._now() - view.seen_at > IDLE_LIMIT else view

    async def saw(self, cookie: str) -> None:
        known = self._known.get(_hash(cookie))
        now = self._now()
        if known is None or now - known[1].seen_at < SEEN_EVERY:
            return
        view = replace(known[1], seen_at=now)
        self._known[_hash(cookie)] = (known[0], view)
        sql = "UPDATE devices SET seen_at = ? WHERE device_id = ?"
        await self._database.write(lambda db: db.execute(sql, (now.isoformat(), view.device_id)))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _view(row: tuple[str, str, str, str, str, str | None]) -> DeviceView:
    device_id, name, role, created, seen, revoked = row
    return DeviceView(
        device_id,
        name,
        Role(role),
        datetime.fromisoformat(created),
        datetime.fromisoformat(seen),
        datetime.fromisoformat(revoked) if revoked else None,
    )
