"""Deleting a session: nothing of it remains but its tombstone, and its neighbours keep all that is theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from tests.domain.builders import OWNER, RUN, approval
from tests.storage.logs import OTHER, SID, Store, followed, frame, opened, progress, text
from tetherd.control import Entry, NotFound, ReadText
from tetherd.domain import events as ev
from tetherd.domain.ids import InputId, Role, RunId, SessionId
from tetherd.storage import eventlog
from tetherd.storage.tokens import TokenStore

TABLES = ("events", "sessions", "approvals", "inputs", "runs", "outbox", "keys", "blobs")


async def lived(store: Store, session_id: SessionId, run_id: RunId) -> Any:
    """A session with a row in every table."""
    session = await store.create(session_id)
    number = session_id[-1]
    return await store.add(
        session,
        ev.InputAccepted(input_id=InputId(f"i-{number}"), text="é" * 100_000, by=OWNER),
        ev.ApprovalRequested(approval=approval(approval_id=f"a-{number}")),
        *(text(str(n)) for n in range(20)),
        progress=progress(5, run_id),
        frames=(frame(1),),
        key="k",
    )


async def counted(store: Store) -> dict[str, int]:
    return {table: len(await store.rows(table)) for table in TABLES}


async def bury(store: Store, session: Any) -> None:
    await store.add(session, ev.SessionDeleted(by=OWNER))
    await store.log.delete_session(session.session_id)


async def test_only_the_tombstone_remains_and_the_neighbour_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventlog, "DELETE_ROWS", 4)
    async with opened(tmp_path) as store:
        await lived(store, OTHER, RunId("r-2"))
        before = await counted(store)
        assert all(before.values())
        await bury(store, await lived(store, SID, RUN))
        assert await counted(store) == before | {"events": before["events"] + 1}
        assert [entry.kind for entry in await store.entries(0, SID)] == ["session_deleted"]
        with pytest.raises(NotFound):
            await store.log.read_text(ReadText(SID, 2, "text"))
        assert await store.log.earlier(SID, "k") is None
        assert await store.log.earlier(OTHER, "k") is not None


async def test_followers_get_the_tombstone_and_nothing_that_is_gone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await bury(store, await lived(store, SID, RUN))
        (only,) = await followed(store.log, 0, 1)
        assert isinstance(only, Entry) and only.kind == "session_deleted"


async def test_the_writer_serves_others_while_a_large_session_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventlog, "DELETE_ROWS", 1)
    async with opened(tmp_path) as store:
        other = await store.create(OTHER)
        session = await lived(store, SID, RUN)
        await store.add(session, ev.SessionDeleted(by=OWNER))
        is_gone = False

        async def delete() -> None:
            nonlocal is_gone
            await store.log.delete_session(SID)
            is_gone = True

        async with trio.open_nursery() as nursery:
            nursery.start_soon(delete)
            await store.add(other, text("between"))
            assert not is_gone


async def test_a_deletion_that_was_cut_off_is_known_and_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventlog, "DELETE_ROWS", 4)
    async with opened(tmp_path) as store:
        await lived(store, OTHER, RunId("r-2"))
        before = await counted(store)
        session = await lived(store, SID, RUN)
        await store.add(session, ev.SessionDeleted(by=OWNER))
        with trio.CancelScope() as scope:  # cut off after the first rows
            scope.cancel()
            await store.log.delete_session(SID)
    async with opened(tmp_path) as store:
        assert await store.runs.half_deleted() == [SID]
        await store.views.rebuild()
        assert await store.runs.half_deleted() == [SID], "views made anew must not forget that it is to go"
        await store.log.delete_session(SID)
        assert await store.runs.half_deleted() == []
        assert await counted(store) == before | {"events": before["events"] + 1}
        await store.log.delete_session(SID)


async def test_views_made_anew_bring_no_deleted_session_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await lived(store, OTHER, RunId("r-2"))
        await bury(store, await lived(store, SID, RUN))
        before = [await store.rows(table) for table in ("sessions", "approvals", "inputs")]
        await store.views.rebuild()
        assert [await store.rows(table) for table in ("sessions", "approvals", "inputs")] == before


async def test_the_tokens_of_a_deleted_session_open_nothing_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        tokens = await TokenStore.open(store.database)
        _, gone = await tokens.create("agent", Role.AGENT, SID, OWNER)
        kept, stays = await tokens.create("agent", Role.AGENT, OTHER, OWNER)
        _, phone = await tokens.create("phone", Role.OWNER, None, OWNER)
        await bury(store, session)
        assert tokens.authenticate(gone) is None
        assert tokens.authenticate(stays) is not None and tokens.authenticate(phone) is not None
        assert len(await tokens.list()) == 2
        assert (await tokens.list())[0] == kept
