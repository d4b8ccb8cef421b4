"""A database without threads, for tests whose clock is virtual: a clock that jumps would not wait for a thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import trio

from tetherd.storage.migrate import migrate

T = TypeVar("T")


class SyncDatabase:
    """What storage modules use of Database: the real SQL in memory, and the same transactions."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        migrate(self._connection, Path("memory"))
        self.raises: BaseException | None = None
        self.writes = 0

    async def read(self, query: Callable[[Any], T]) -> T:
        await trio.lowlevel.checkpoint()
        return query(self._connection)

    async def write(
        self, job: Callable[[Any], T], *, size: int = 0, urgent: bool = True, after: Callable[[T], None] | None = None
    ) -> T:
        await trio.lowlevel.checkpoint()
        if self.raises is not None:
            raise self.raises
        self._connection.execute("BEGIN")
        try:
            result = job(self._connection)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        self.writes += 1
        return result

    def close(self) -> None:
        self._connection.close()
