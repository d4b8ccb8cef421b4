"""Followers and waiters at the places where something could be told twice or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.storage.logs import OTHER, SID, followed, opened, text, tool
from tetherd.control import Cursor, Delta, Entry
from tetherd.domain import events as ev
from tetherd.storage import eventlog

NEVER = frozenset({"run_ended"})


async def test_what_is_committed_while_a_page_is_read_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        await store.add(session, tool("old"))
    async with opened(tmp_path) as store:  # the ring is empty now: the first page comes from the database
        read = store.database.read

        async def read_late(query: Callable[..., Any]) -> Any:
            monkeypatch.setattr(store.database, "read", read)
            await store.add(session, tool("meanwhile"))
            page = await read(query)
            await store.add(session, tool("at last"))
            return page

        monkeypatch.setattr(store.database, "read", read_late)
        got = await followed(store.log, 0, 4)
        assert [item.seq for item in got if isinstance(item, Entry)] == [1, 2, 3, 4]


async def test_many_writers_and_readers_agree_on_one_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "RING_ENTRIES", 16)
    monkeypatch.setattr(eventlog, "PAGE", 5)
    async with opened(tmp_path) as store:
        one, two = await store.create(SID), await store.create(OTHER)
        total = 2 + 2 * 10 * 12
        got: dict[int, list[int]] = {}

        async def write(session: Any, number: int) -> None:
            for turn in range(10):
                await store.add(session, tool(f"{number}.{turn}"), urgent=turn % 3 == 0)

        async def read(number: int, after: int, session_id: Any) -> None:
            count = total - after if session_id is None else 1 + 120
            items = await followed(store.log, after, count, session_id)
            got[number] = [item.seq for item in items if isinstance(item, Entry)]

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for number in range(12):
                    nursery.start_soon(write, one, number)
                    nursery.start_soon(write, two, number)
                for number in range(10):
                    nursery.start_soon(read, number, number, None)
                nursery.start_soon(read, 10, 0, SID)
                nursery.start_soon(read, 11, 0, OTHER)
        for number in range(10):
            assert got[number] == list(range(number + 1, total + 1))
        assert got[10] == [entry.seq for entry in await store.entries(session_id=SID)]
        assert got[11] == [entry.seq for entry in await store.entries(session_id=OTHER)]


async def test_followers_share_one_entry(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.create()
        first, second = [(await followed(store.log, 0, 1))[0] for _ in range(2)]
        assert first is second


async def test_the_ring_is_bounded_in_bytes_and_nobody_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventlog, "RING_BYTES", 3000)
    async with opened(tmp_path) as store:
        session = await store.create()
        for _ in range(20):
            await store.add(session, tool("." * 1000))
        assert len(store.log._ring) <= 3
        got = await followed(store.log, 0, 21)
        assert [item.seq for item in got if isinstance(item, Entry)] == list(range(1, 22))


async def test_a_follower_is_told_nothing_of_what_failed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        await store.add(session, key="k")
        with pytest.raises(Exception, match="UNIQUE"):
            await store.add(session, tool("never"), key="k")
        await store.add(session, tool("then"))
        got = await followed(store.log, 1, 1)
        assert [item.event() for item in got if isinstance(item, Entry)] == [tool("then")]


async def test_a_thousand_waiters_wake_for_theirs_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        one, two = await store.create(SID), await store.create(OTHER)
        woken: list[str] = []

        async def wait(session_id: Any) -> None:
            await store.log.wait_for(2, session_id, NEVER)
            woken.append(session_id)

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for number in range(1000):
                    nursery.start_soon(wait, SID if number % 2 else OTHER)
                for number in range(20):
                    await store.add(one, tool(str(number)))
                assert woken == []
                await store.add(two, ev.RunEnded(run_id=None, reason="finished"))
                await trio.testing.wait_all_tasks_blocked(0.01)
                assert woken == [OTHER] * 500
                await store.add(one, ev.RunEnded(run_id=None, reason="finished"))
        assert len(woken) == 1000


async def test_waiting_for_what_left_the_ring_long_ago_returns_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventlog, "RING_ENTRIES", 2)
    async with opened(tmp_path) as store:
        session = await store.create()
        session = await store.add(session, ev.RunEnded(run_id=None, reason="finished"))
        for _ in range(5):
            await store.add(session, tool("later"))
        with trio.fail_after(30):
            await store.log.wait_for(1, SID, NEVER)


# -- text that is being written ----------------------------------------------------------------------------------


def piece(offset: int, words: str, session_id: Any = SID) -> Delta:
    return Delta(session_id, "m", "message", offset, words)


async def test_a_text_that_begins_anew_is_told_from_its_new_beginning(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.create()
        async with store.log.follow(Cursor(1)) as batches:
            iterator = aiter(batches)
            store.log.publish([piece(0, "a long wrong start")])
            assert list(await anext(iterator)) == [piece(0, "a long wrong start")]
            store.log.publish([piece(0, "right")])
            assert list(await anext(iterator)) == [piece(0, "right")]


async def test_those_who_do_not_follow_live_get_no_deltas(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        async with store.log.follow(Cursor(0), live=False) as batches:
            store.log.publish([piece(0, "half a")])
            await store.add(session, text("half a sentence"))
            async for batch in batches:
                assert all(isinstance(item, Entry) for item in batch)
                if batch[-1].seq == 2:
                    break


async def test_a_follower_of_one_session_hears_no_other(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.create(SID)
        await store.create(OTHER)
        async with store.log.follow(Cursor(2), OTHER) as batches:
            store.log.publish([piece(0, "mine"), piece(0, "theirs", OTHER)])
            assert list(await anext(aiter(batches))) == [piece(0, "theirs", OTHER)]


async def test_nothing_is_kept_of_a_run_that_has_ended(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        store.log.publish([piece(0, "cut off in the mid")])
        await store.add(session, ev.RunEnded(run_id=None, reason="lost"))
        got = await followed(store.log, 0, 2)
        assert not any(isinstance(item, Delta) for item in got)
        assert store.log._live._texts == {}
