"""A log in a directory, and appends for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.domain.builders import created
from tetherd.control import Cursor, Delta, Entry, ReadEvents
from tetherd.domain import events as ev
from tetherd.domain.ids import RunId, SessionId
from tetherd.domain.session import Session, born, evolve
from tetherd.storage.database import Database, open_database
from tetherd.storage.eventlog import About, Append, EventLog, Frame, RunProgress
from tetherd.storage.runs import RunStore
from tetherd.storage.views import Views

SID = SessionId("s-1")
OTHER = SessionId("s-2")
RUN = RunId("r-1")


@dataclass
class Store:
    """An open database and all that reads and writes it."""

    database: Database
    log: EventLog
    views: Views
    runs: RunStore

    async def create(self, session_id: SessionId = SID, **changes: Any) -> Session:
        event = created(**changes)
        session = born(session_id, event)
        await self.log.append(Append(session=session, events=(event,), urgent=True))
        return session

    async def add(self, session: Session, *events: ev.Event, **more: Any) -> Session:
        for event in events:
            session = evolve(session, event)
        await self.log.append(Append(session=session, events=events, **more))
        return session

    async def rows(self, table: str) -> list[tuple[Any, ...]]:
        """All of a table, in the order of its first column."""
        return await self.database.read(lambda db: db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall())

    async def entries(self, after: int = 0, session_id: SessionId | None = None) -> list[Entry]:
        return list(await self.log.read(ReadEvents(after, session_id, limit=1_000_000)))


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Store]:
    async with open_database(path) as database:
        yield Store(database, await EventLog.open(database), Views(database), RunStore(database))


def text(words: str, message_id: str = "m", offset: int = 0, final: bool = True) -> ev.MessageWritten:
    return ev.MessageWritten(message_id=message_id, offset=offset, text=words, final=final)


def tool(title: str) -> ev.ToolCallStarted:
    return ev.ToolCallStarted(tool_call_id="t", tool="Bash", title=title)


def frame(outbox_seq: int, data: bytes = b"{}\n") -> Frame:
    return Frame(outbox_seq, About("input", "i-1"), data)


def progress(cursor: int, run_id: RunId = RUN, **snapshot: Any) -> RunProgress:
    return RunProgress(run_id, cursor, snapshot)


async def titles(store: Store) -> list[str]:
    """Of the tool calls, without the dots that make them long."""
    events = [entry.event() for entry in await store.entries()]
    return [event.title.rstrip(".") for event in events if isinstance(event, ev.ToolCallStarted)]


async def followed(log: EventLog, after: int, count: int, session_id: SessionId | None = None) -> list[Entry | Delta]:
    """The first `count` of what a follower gets."""
    got: list[Entry | Delta] = []
    async with log.follow(Cursor(after), session_id) as batches:
        async for batch in batches:
            got += batch
            if len(got) >= count:
                break
    return got
