"""What the writer promises to those who append: alone in failure, first in need, never forgotten."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.domain.builders import approval, session_in
from tests.storage.logs import OTHER, RUN, SID, frame, opened, progress, titles, tool
from tetherd.control import NotFound
from tetherd.domain import events as ev
from tetherd.domain.ids import RunId
from tetherd.domain.session import SessionState
from tetherd.errors import Unavailable
from tetherd.storage.eventlog import Append


async def test_what_fails_leaves_nothing_of_itself_and_harms_no_neighbour(tmp_path: Path) -> None:
    """The one in the middle repeats a key, after it has written its events, its cursor and its frame."""
    async with opened(tmp_path) as store:
        session = await store.create()
        await store.add(session, key="k")
        outcomes: dict[str, str] = {}

        async def add(name: str, key: str) -> None:
            try:
                await store.add(session, tool(name), key=key, progress=progress(1, RunId(name)), frames=(frame(1),))
                outcomes[name] = "written"
            except sqlite3.IntegrityError:
                outcomes[name] = "refused"

        async with trio.open_nursery() as nursery:
            for name, key in (("before", "k1"), ("twice", "k"), ("after", "k2")):
                nursery.start_soon(add, name, key)
        assert outcomes == {"before": "written", "twice": "refused", "after": "written"}
        assert sorted(await titles(store)) == ["after", "before"]
        assert await store.runs.known() == {"before", "after"}
        assert {row[0] for row in await store.rows("outbox")} == {"before", "after"}
        assert [entry.seq for entry in await store.entries()] == [1, 2, 3]
        assert store.log.last_seq == 3


async def test_a_key_is_remembered_even_when_nothing_changed(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        assert await store.log.earlier(SID, "k") is None
        assert await store.log.append(Append(session=session, events=(), key="k")) == ()
        assert await store.log.earlier(SID, "k") == ()
        assert await store.log.earlier(OTHER, "k") is None


async def test_a_number_once_used_for_a_frame_is_never_used_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        await store.add(session, progress=progress(0), frames=(frame(1), frame(2), frame(3)))
        await store.add(session, progress=progress(5), acknowledged=(1, 2))
        assert await store.runs.frames(RUN) == [frame(3)]
        await store.add(session, progress=progress(6), acknowledged=(3,))
        run = await store.runs.run(RUN)
        assert (run.cursor, run.next_outbox_seq) == (6, 4)


def test_frames_without_a_run_are_refused_and_not_lost() -> None:
    with pytest.raises(ValueError, match="belong to a run"):
        Append(session=session_in(SessionState.RUNNING), events=(), frames=(frame(1),))


async def test_a_cancelled_append_that_was_handed_over_is_written_all_the_same(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        with trio.CancelScope() as scope:
            scope.cancel()
            await store.add(session, tool("late"))
        assert scope.cancelled_caught
        await store.log.wait_for(1, SID, frozenset({"tool_call_started"}))


async def test_who_ends_in_a_hurry_has_his_last_words_written(tmp_path: Path) -> None:
    with trio.fail_after(30), trio.CancelScope() as daemon:
        async with opened(tmp_path) as store:
            session = await store.create()
            try:
                daemon.cancel()
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await store.add(session, tool("last words"))
    assert daemon.cancelled_caught
    async with opened(tmp_path) as store:
        assert await titles(store) == ["last words"]


async def test_a_closed_log_refuses_instead_of_hanging(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
    with trio.fail_after(30), pytest.raises(Unavailable):
        await store.add(session, tool("too late"))


async def test_a_decision_waits_for_at_most_one_commit_of_bulk(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        free, held = trio.Event(), trio.Event()

        def hold(db: sqlite3.Connection) -> None:
            trio.from_thread.run_sync(held.set)
            trio.from_thread.run(free.wait)

        async def add(name: str, urgent: bool) -> None:
            await store.add(session, tool(name + "." * 400_000), urgent=urgent)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.database.write, hold)
            await held.wait()
            for number in range(12):
                nursery.start_soon(add, f"bulk {number}", False)
            nursery.start_soon(add, "decision", True)
            await trio.testing.wait_all_tasks_blocked()
            free.set()
        assert (await titles(store))[0] == "decision"


async def test_times_are_utc_with_milliseconds(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.create()
        (entry,) = await store.entries()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry.at)


async def test_an_unknown_run_is_not_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with pytest.raises(NotFound):
            await store.runs.run(RUN)


async def test_an_approval_of_any_size_is_kept_whole(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        asked = approval(command="x" * 300_000)
        await store.add(session, ev.ApprovalRequested(approval=asked))
        assert (await store.entries())[1].event() == ev.ApprovalRequested(approval=asked)
        assert (await store.views.approval(asked.approval_id)).approval == asked
