"""SQLite: one writer with group commit, and readers of their own.

The only place, with its neighbours in this folder, that knows SQL.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import trio

from tetherd.errors import Fatal, Misconfigured, Unavailable
from tetherd.logconfig import get_logger
from tetherd.storage.migrate import migrate

FILE = "tether.db"
RESERVE = "reserve"
BULK_BYTES = 1024 * 1024
"""At most so much bulk in one commit, so that a decision never waits for more."""
FLOOR_BYTES = 2 * 1024 * 1024
"""Bulk is refused when it would leave less free: the rest is for decisions."""
RESERVE_BYTES = 1024 * 1024
READERS = 4

_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
log = get_logger(__name__)


class DiskFull(Unavailable):
    """Nothing more can be written at the moment; all that was acknowledged is safe."""

    code = "disk_full"
    status = 507
    hint = "free some space on the disk of the data directory; nothing needs a restart"


@dataclass(slots=True, eq=False)
class _Waiting:
    job: Job[Any]
    size: int
    urgent: bool
    done: trio.Event = field(default_factory=trio.Event)
    after: Callable[[Any], None] | None = None
    result: Any = None
    error: Exception | None = None


class Database:
    """An open database. Made by open_database()."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._path = data_dir / FILE
        self._wal = self._path.with_name(f"{FILE}-wal")
        self._reserve = data_dir / RESERVE
        self._urgent: deque[_Waiting] = deque()
        self._bulk: deque[_Waiting] = deque()
        self._bell = trio.Event()
        self._closing = False
        self._has_ended = False
        self._thread = trio.CapacityLimiter(1)
        self._readers = trio.CapacityLimiter(READERS)
        self.is_full = False
        self.on_session_deleted: list[Callable[[str], None]] = []
        self.on_commit: list[Callable[[float], None]] = []
        """Called with the seconds that each commit took, whether it went through or not."""
        self._idle: list[sqlite3.Connection] = []
        self._connection = _connect(self._path)
        try:
            migrate(self._connection, self._path)
            for _ in range(READERS):
                self._idle.append(_connect(self._path, readonly=True))
        except BaseException:
            self.close()
            raise

    # -- writing -------------------------------------------------------------------------------------------------

    async def write(
        self, job: Job[T], *, size: int = 0, urgent: bool = True, after: Callable[[T], None] | None = None
    ) -> T:
        """Run `job` in a transaction, in a savepoint of its own; returns once that is on the disk.

        Urgent ones go first and survive a power cut. `after` is called with the result in the order of the commits,
        before anybody learns of it. A caller that is cancelled stops waiting; the job is carried out all the same.
        Raises DiskFull, or whatever the job raised.
        """
        if self._has_ended:
            raise Unavailable("the log is closed: the daemon stops")
        waiting = _Waiting(job, size, urgent, after=after)
        (self._urgent if urgent else self._bulk).append(waiting)
        bell, self._bell = self._bell, trio.Event()
        bell.set()
        await waiting.done.wait()
        if waiting.error is not None:
            raise waiting.error
        result: T = waiting.result
        return result

    async def write_forever(self) -> None:
        """The writer: until the database is closed and nobody waits any more.

        Never cancelled: what ends in a hurry still has its last words written.
        """
        with trio.CancelScope(shield=True):
            while True:
                bell = self._bell
                group = self._next_group()
                if group:
                    begun = trio.current_time()
                    await trio.to_thread.run_sync(self._commit_group, group, limiter=self._thread)
                    for observe in self.on_commit:
                        observe(trio.current_time() - begun)
                    self._tell(group)
                elif self._closing:
                    self._has_ended = True
                    return
                else:
                    await bell.wait()

    def _tell(self, group: list[_Waiting]) -> None:
        for waiting in group:
            if waiting.error is None and waiting.after is not None:
                waiting.after(waiting.result)
            waiting.done.set()

    def _next_group(self) -> list[_Waiting]:
        group = list(self._urgent)
        self._urgent.clear()
        total = 0
        while self._bulk and (not group or total < BULK_BYTES):
            waiting = self._bulk.popleft()
            total += waiting.size
            group.append(waiting)
        return group

    def _commit_group(self, group: list[_Waiting]) -> None:
        """In the writer's thread. A full disk fails the bulk; decisions get the reserve and a second try."""
        if not self._has_room(sum(waiting.size for waiting in group if not waiting.urgent)):
            for waiting in group:
                if not waiting.urgent:
                    waiting.error = DiskFull("there is too little room on the disk")
        going = [waiting for waiting in group if waiting.error is None]
        if not going:
            return
        error = self._try_commit(going)
        urgent = [waiting for waiting in going if waiting.urgent]
        if isinstance(error, DiskFull) and urgent and (self._release_reserve() or len(urgent) < len(going)):
            for waiting in going:
                waiting.error = error
            error = self._try_commit(urgent)
            going = urgent
        if error is not None:
            for waiting in going:
                waiting.error = error

    def _try_commit(self, group: list[_Waiting]) -> Exception | None:
        """None when the transaction went through; each job has its own result or error then."""
        db = self._connection
        level = "FULL" if any(waiting.urgent for waiting in group) else "NORMAL"
        try:
            db.execute(f"PRAGMA synchronous={level}")
            db.execute("BEGIN IMMEDIATE")
            for waiting in group:
                waiting.error = None
                db.execute("SAVEPOINT one")
                try:
                    waiting.result = waiting.job(db)
                except sqlite3.OperationalError:
                    raise
                except Exception as error:  # noqa: BLE001 - one bad job never fails its neighbours; its caller is told
                    db.execute("ROLLBACK TO one")
                    waiting.error = error
                db.execute("RELEASE one")
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.rollback()
            return self._translated(error)
        if self.is_full:
            log.info("there is room on the disk again")
            self.is_full = False
        return None

    def _translated(self, error: sqlite3.Error) -> Exception:
        code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
        if code in _BROKEN:
            return Fatal(f"{self._path} is damaged: {error}")
        if code in _FULL:
            if not self.is_full:
                log.error("the disk takes no more", why=str(error))
                self.is_full = True
            return DiskFull(f"the disk takes no more ({error})")
        if code in _BUSY:
            return Unavailable(f"somebody else holds {self._path}: {error}")
        return error

    def _has_room(self, bulk: int) -> bool:
        """Whether the floor still stands once this bulk and all that the write-ahead log holds is in the file."""
        try:
            disk = os.statvfs(self.data_dir)
            owed = 2 * bulk + os.stat(self._wal).st_size
        except OSError:
            return True
        free, whole = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
        floor = min(FLOOR_BYTES, whole // 8)
        if free > floor + 2 * RESERVE_BYTES and not self._reserve.exists():
            self._make_reserve()
        return free >= floor + owed

    def _make_reserve(self) -> None:
        try:
            with self._reserve.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        except OSError:
            self._reserve.unlink(missing_ok=True)

    def _release_reserve(self) -> bool:
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True

    # -- reading -------------------------------------------------------------------------------------------------

    async def read(self, query: Job[T]) -> T:
        """Run `query` on a connection of its own: it sees whole commits."""
        async with self._readers:
            connection = self._idle.pop()
            try:
                return await trio.to_thread.run_sync(query, connection)
            except sqlite3.DatabaseError as error:
                raise self._translated(error) from error
            finally:
                self._idle.append(connection)

    # -- its own small facts -------------------------------------------------------------------------------------

    async def next_daemon_epoch(self) -> int:
        """The number of this daemon's life: higher than all before, also when the clock went back."""

        def advance(db: sqlite3.Connection) -> int:
            epoch = max(int(_meta(db, "daemon_epoch") or 0) + 1, int(time.time()))
            _set_meta(db, "daemon_epoch", str(epoch))
            return epoch

        return await self.write(advance)

    async def log_epoch(self, *, renew: bool = False) -> str:
        """The name of this life of the log; renewed when a backup is restored."""

        def find(db: sqlite3.Connection) -> str:
            epoch = _meta(db, "log_epoch")
            if epoch is None or renew:
                epoch = secrets.token_hex(4)
                _set_meta(db, "log_epoch", epoch)
            return epoch

        return await self.write(find)

    def forget_session(self, session_id: str) -> None:
        """A session's rows are gone: so must be what is kept of them in memory."""
        for forget in self.on_session_deleted:
            forget(session_id)

    def finish(self) -> None:
        """Have the writer end once nobody waits."""
        self._closing = True
        self._bell.set()

    def close(self) -> None:
        for connection in (*self._idle, self._connection):
            connection.close()


@asynccontextmanager
async def open_database(data_dir: Path) -> AsyncIterator[Database]:
    """The database in `data_dir`, which is made where it is missing, for this process alone. Raises Misconfigured."""
    with _own_directory(data_dir):
        database = _opened(data_dir)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(database.write_forever)
                try:
                    yield database
                finally:
                    database.finish()
        finally:
            database.close()


def _opened(data_dir: Path) -> Database:
    try:
        return Database(data_dir)
    except (sqlite3.DatabaseError, OSError) as error:
        if not _is_for_want_of_space(error, data_dir):
            raise Misconfigured(f"cannot open {data_dir / FILE}: {error}") from error
    (data_dir / RESERVE).unlink(missing_ok=True)  # opening is the first thing that decisions need
    try:
        return Database(data_dir)
    except (sqlite3.DatabaseError, OSError) as error:
        raise DiskFull(f"cannot open {data_dir / FILE}: {error}") from error


def _is_for_want_of_space(error: Exception, data_dir: Path) -> bool:
    disk = os.statvfs(data_dir)
    code = getattr(error, "sqlite_errorcode", None)
    may_be = error.errno == errno.ENOSPC if isinstance(error, OSError) else (code or 0) & 0xFF in _FULL
    return may_be and disk.f_bavail * disk.f_frsize < RESERVE_BYTES


@contextmanager
def _own_directory(data_dir: Path) -> Any:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Misconfigured(f"cannot use the data directory {data_dir}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            first = os.pread(lock, 64, 0).decode(errors="replace").strip() or "unknown"
            raise Misconfigured(f"another tetherd works with {data_dir} (pid {first})") from None
        with suppress(OSError):  # a full disk; the lock holds all the same
            os.pwrite(lock, f"{os.getpid():<15}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def _connect(path: Path, *, readonly: bool = False) -> sqlite3.Connection:
    if not readonly:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA journal_size_limit=4194304")
        connection.execute("PRAGMA temp_store=MEMORY")
        if readonly:
            connection.execute("PRAGMA query_only=1")
    except BaseException:
        connection.close()
        raise
    return connection


def _meta(db: sqlite3.Connection, key: str) -> str | None:
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def _set_meta(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))
