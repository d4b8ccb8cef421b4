"""The event log: append, read, follow.

The log is the only queue: a follower is a cursor and not a buffer. Those at the tail are served from a ring of
entries that are encoded once and shared, the others from the database, page by page.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from sqlite3 import Connection
from typing import Literal

import trio

from tetherd.control import Batch, Cursor, Delta, Entry, ForeignCursor, NotFound, ReadEvents, ReadText
from tetherd.domain.events import Event
from tetherd.domain.ids import RunId, SessionId
from tetherd.domain.images import Image
from tetherd.domain.session import Session
from tetherd.items import ReadItems
from tetherd.plugin import JsonObject
from tetherd.storage.audit import write_decisions
from tetherd.storage.blobs import cut, made_whole, read_blob, write_blobs
from tetherd.storage.database import Database
from tetherd.storage.live import Live
from tetherd.storage.rows import Told, write_details, write_session
from tetherd.storage.selecting import select

RING_ENTRIES = 4096
RING_BYTES = 8 * 1024 * 1024
PAGE = 500
DELETE_ROWS = 2000
_COLUMNS = "seq, at, session_id, type, version, body"
_INSERT = "INSERT INTO events (at, session_id, type, version, body) VALUES (?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True)
class About:
    """What a frame carries; `ref` names the input or approval."""

    kind: Literal["input", "verdict", "interrupt", "protocol"]
    ref: str | None


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes owed to the agent: one row of the outbox until the shim has acknowledged it."""

    outbox_seq: int
    about: About
    data: bytes


@dataclass(frozen=True, slots=True)
class RunProgress:
    """Journal cursor and codec snapshot, taken after the same line."""

    run_id: RunId
    cursor: int
    snapshot: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """All that one transaction writes. `session` is the session after `events`; `urgent` survives a power cut.

    `images` are those that the events name.
    """

    session: Session
    events: Sequence[Event]
    progress: RunProgress | None = None
    frames: tuple[Frame, ...] = ()
    acknowledged: tuple[int, ...] = ()
    images: tuple[Image, ...] = ()
    key: str | None = None
    urgent: bool = False

    def __post_init__(self) -> None:
        if (self.frames or self.acknowledged) and self.progress is None:
            raise ValueError("frames and acknowledgements belong to a run, which `progress` names")


@dataclass(frozen=True, slots=True)
class _Encoded:
    """An append as bytes, made before the writer's turn comes."""

    append: Append
    at: str
    bodies: tuple[tuple[Event, bytes], ...]
    blobs: dict[str, bytes]
    snapshot: str | None
    size: int = field(default=0)


class EventLog:
    """One global order of all that ever happened."""

    def __init__(
        self, database: Database, epoch: str, last_seq: int, newest_at: datetime | None, now: Callable[[], datetime]
    ) -> None:
        self.epoch = epoch
        self.last_seq = last_seq
        self.newest_at = newest_at
        """When the newest entry was written; None while there is none."""
        self._database = database
        self._now = now
        self._ring: deque[Entry] = deque()
        self._ring_bytes = 0
        self._ring_after = last_seq
        self._live = Live()
        self._bell = trio.Event()
        self._is_stopping = False
        self._followers = 0

    @classmethod
    async def open(cls, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> EventLog:
        def newest(db: Connection) -> tuple[int, datetime | None]:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
            last = db.execute("SELECT at FROM events ORDER BY seq DESC LIMIT 1").fetchone()
            return int(row[0]) if row else 0, datetime.fromisoformat(last[0]) if last else None

        return cls(database, await database.log_epoch(), *await database.read(newest), now)

    # -- writing -------------------------------------------------------------------------------------------------

    async def append(self, append: Append) -> Sequence[Entry]:
        """Write all of it in ONE transaction; returns the events where they stand now.

        Followers see them before this returns. Raises DiskFull; then nothing was written. A caller that is
        cancelled does not know: the append may have been written.
        """
        encoded = self._encode(append)
        return await self._database.write(
            lambda db: _write(db, encoded), size=encoded.size, urgent=append.urgent, after=self._publisher(append)
        )

    def _encode(self, append: Append) -> _Encoded:
        at = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        blobs = {image.ref.sha256: image.content for image in append.images}
        bodies = []
        for event in append.events:
            shown, whole = cut(event)
            blobs |= whole
            bodies.append((event, shown.model_dump_json(exclude={"type"}).encode()))
        size = sum(len(body) for _, body in bodies) + sum(len(frame.data) for frame in append.frames)
        size += sum(len(data) for data in blobs.values())
        snapshot = json.dumps(append.progress.snapshot) if append.progress else None
        return _Encoded(append, at, tuple(bodies), blobs, snapshot, size)

    def _publisher(self, append: Append) -> Callable[[tuple[Entry, ...]], None]:
        def publish(entries: tuple[Entry, ...]) -> None:
            if not entries:
                return
            for entry in entries:
                self._ring.append(entry)
                self._ring_bytes += len(entry.body)
            while len(self._ring) > RING_ENTRIES or self._ring_bytes > RING_BYTES:
                oldest = self._ring.popleft()
                self._ring_bytes -= len(oldest.body)
                self._ring_after = oldest.seq
            self.last_seq = entries[-1].seq
            self.newest_at = datetime.fromisoformat(entries[-1].at)
            self._live.logged(append.session.session_id, append.events)
            self._ring_bell()

        return publish

    def publish(self, deltas: Iterable[Delta]) -> None:
        """Show text that is being written to those who follow live."""
        deltas = list(deltas)
        if deltas:
            self._live.put(deltas)
            self._ring_bell()

    async def delete_session(self, session_id: SessionId) -> None:
        """Remove all of a session but its tombstone. Can be done again when it was cut off."""

        def some_events(db: Connection) -> int:
            return db.execute(
                "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE session_id = ? AND"
                " type != 'session_deleted' ORDER BY seq DESC LIMIT ?)",  # its creation last: rebuild() needs it
                (session_id, DELETE_ROWS),
            ).rowcount

        def the_rest(db: Connection) -> None:
            db.execute(
                "DELETE FROM outbox WHERE run_id IN (SELECT run_id FROM runs WHERE session_id = ?)", (session_id,)
            )
            for table in ("runs", "keys", "blobs", "approvals", "inputs", "tokens", "sessions"):
                db.execute(f"DELETE FROM {table} WHERE session_id = ?", (session_id,))

        while await self._database.write(some_events):
            pass
        await self._database.write(the_rest)
        self._database.forget_session(session_id)
        self._ring = deque(e for e in self._ring if e.session_id != session_id or e.kind == "session_deleted")
        self._ring_bytes = sum(len(entry.body) for entry in self._ring)

    # -- reading -------------------------------------------------------------------------------------------------

    async def earlier(self, session_id: SessionId, key: str) -> tuple[int, ...] | None:
        """The seqs of what this Idempotency-Key did before; None when it is new."""

        def query(db: Connection) -> tuple[int, ...] | None:
            row = db.execute("SELECT seqs FROM keys WHERE session_id = ? AND key = ?", (session_id, key)).fetchone()
            return None if row is None else tuple(json.loads(row[0]))

        return await self._database.read(query)

    async def earlier_creation(self, key: str) -> tuple[SessionId, tuple[int, ...]] | None:
        """The session that this Idempotency-Key made before, and the seqs of that; None when it is new."""

        def query(db: Connection) -> tuple[SessionId, tuple[int, ...]] | None:
            row = db.execute(
                "SELECT session_id, seqs FROM keys WHERE key = ? AND key LIKE 'CreateSession/%'", (key,)
            ).fetchone()
            return None if row is None else (SessionId(row[0]), tuple(json.loads(row[1])))

        return await self._database.read(query)

    async def read(self, query: ReadEvents) -> tuple[Entry, ...]:
        def read(db: Connection) -> tuple[Entry, ...]:
            entries = select(db, query.after, query.session_id, query.kinds, query.limit)
            return made_whole(db, entries) if query.whole else tuple(entries)

        return await self._database.read(read)

    async def read_page(self, query: ReadItems) -> tuple[Entry, ...]:
        """Long texts stay cut: whoever wants one whole asks for it by its seq."""
        before = self.last_seq + 1 if query.before is None else query.before
        sql = f"SELECT {_COLUMNS} FROM events WHERE session_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        values = (query.session_id, before, query.limit)
        rows = await self._database.read(lambda db: db.execute(sql, values).fetchall())
        return tuple(Entry(*row) for row in reversed(rows))

    async def read_text(self, query: ReadText) -> str:
        """Raises NotFound when there is no such text."""

        def read(db: Connection) -> str:
            entries = select(db, query.seq - 1, query.session_id, None, 1)
            event = entries[0].event() if entries and entries[0].seq == query.seq else None
            if event is None or query.field not in event.BULKY:
                raise NotFound(f"event {query.seq} of session {query.session_id} has no {query.field}")
            if ref := event.blobs.get(query.field):
                return read_blob(db, query.session_id, ref)
            return str(getattr(event, query.field))

        return await self._database.read(read)

    # -- following -----------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def follow(
        self, after: Cursor, session_id: SessionId | None = None, live: bool = True
    ) -> AsyncIterator[AsyncIterable[Batch]]:
        """See Control.follow."""
        if after.epoch not in (None, self.epoch):
            raise ForeignCursor("the log has begun anew since then")
        batches = self._batches(after.seq, session_id, live)
        self._followers += 1
        try:
            yield batches
        finally:
            self._followers -= 1
            self._ring_bell()
            await batches.aclose()

    async def _batches(self, after: int, session_id: SessionId | None, live: bool) -> AsyncGenerator[Batch, None]:
        reader = self._live.reader(session_id) if live else None
        while True:
            bell = self._bell  # taken before the look, or what comes in between is slept through
            entries, after = await self._next_entries(after, session_id)
            batch: list[Entry | Delta] = list(entries)
            if reader is not None and after >= self.last_seq:
                batch += reader.take()
            if batch:
                yield batch
            elif self._is_stopping and after >= self.last_seq:
                return
            elif after >= self.last_seq:
                await bell.wait()

    async def _next_entries(self, after: int, session_id: SessionId | None) -> tuple[list[Entry], int]:
        """The next entries, and how far they reach: seqs up to there were looked at."""
        newest = self.last_seq
        if after >= newest:
            return [], after
        if after >= self._ring_after:
            found = self._in_ring(after, session_id, None)
            page = found[:PAGE]
            return page, page[-1].seq if len(found) > PAGE else newest
        # Not beyond `newest`: what is committed while we read will be met again in the ring.
        page = await self._database.read(lambda db: select(db, after, session_id, None, PAGE, upto=newest))
        return page, page[-1].seq if len(page) == PAGE else newest

    def _in_ring(self, after: int, session_id: SessionId | None, kinds: frozenset[str] | None) -> list[Entry]:
        found: list[Entry] = []
        for entry in reversed(self._ring):
            if entry.seq <= after:
                break
            if session_id in (None, entry.session_id) and (kinds is None or entry.kind in kinds):
                found.append(entry)
        found.reverse()
        return found

    async def wait_for(self, after: int, session_id: SessionId, kinds: frozenset[str]) -> None:
        """See Control.wait_for."""
        while True:
            bell, newest = self._bell, self.last_seq
            if after >= self._ring_after:
                found = bool(self._in_ring(after, session_id, kinds))
            else:
                first = partial(select, after=after, session_id=session_id, kinds=kinds, limit=1)
                found = bool(await self._database.read(first))
            if found:
                return
            after = max(after, newest)
            await bell.wait()

    async def stop_following(self) -> None:
        """Let every follower have all there is and then come to its end; returns when all have."""
        self._is_stopping = True
        self._ring_bell()
        while self._followers:
            await self._bell.wait()

    def _ring_bell(self) -> None:
        bell, self._bell = self._bell, trio.Event()
        bell.set()


def _write(db: Connection, encoded: _Encoded) -> tuple[Entry, ...]:
    """The one transaction of the core rules. Runs in the writer's thread."""
    append, session_id = encoded.append, encoded.append.session.session_id
    entries = []
    told = []
    for event, body in encoded.bodies:
        row = (encoded.at, session_id, event.type, event.VERSION, body)
        seq = db.execute(
            "INSERT INTO events (at, session_id, type, version, body) VALUES (?, ?, ?, ?, ?)", row
        ).lastrowid
        assert seq is not None
        entries.append(Entry(seq, encoded.at, session_id, event.type, event.VERSION, body))
        told.append(Told(seq, encoded.at, event))
    write_session(db, append.session, told)
    write_details(db, session_id, told)
    write_decisions(db, session_id, told)
    write_blobs(db, session_id, encoded.blobs)
    if append.progress is not None:
        _write_run(db, session_id, append, encoded.snapshot or "{}")
    if append.key is not None:
        seqs = json.dumps([entry.seq for entry in entries])
        db.execute("INSERT INTO keys VALUES (?, ?, ?)", (session_id, append.key, seqs))
    return tuple(entries)


def _write_run(db: Connection, session_id: SessionId, append: Append, snapshot: str) -> None:
    progress = append.progress
    assert progress is not None
    run_id = progress.run_id
    next_seq = append.frames[-1].outbox_seq + 1 if append.frames else 1
    db.execute(
        "INSERT INTO runs VALUES (?, ?, ?, ?, ?) ON CONFLICT (run_id) DO UPDATE SET cursor = excluded.cursor,"
        " snapshot = excluded.snapshot, next_outbox_seq = max(next_outbox_seq, excluded.next_outbox_seq)",
        (run_id, session_id, progress.cursor, snapshot, next_seq),
    )
    if append.frames:
        rows = [(run_id, f.outbox_seq, f.about.kind, f.about.ref, f.data) for f in append.frames]
        db.executemany("INSERT INTO outbox VALUES (?, ?, ?, ?, ?)", rows)
    if append.acknowledged:
        gone = [(run_id, seq) for seq in append.acknowledged]
        db.executemany("DELETE FROM outbox WHERE run_id = ? AND outbox_seq = ?", gone)
