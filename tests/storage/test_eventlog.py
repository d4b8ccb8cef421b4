"""The log: one order, one transaction, followers without gap or duplicate."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.storage.logs import OTHER, SID, followed, opened, text
from tetherd.control import Cursor, Delta, Entry, ForeignCursor, NotFound, ReadEvents, ReadText
from tetherd.domain import events as ev
from tetherd.domain.ids import RunId
from tetherd.items import ReadItems
from tetherd.storage import eventlog
from tetherd.storage.eventlog import About, Append, Frame, RunProgress

RUN = RunId("r-1")


def frame(seq: int, data: bytes = b"x\n") -> Frame:
    return Frame(seq, About("protocol", None), data)


async def test_what_was_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        await store.add(session, text("one"), text("one"))
        epoch = store.log.epoch
    async with opened(tmp_path) as store:
        entries = await store.entries()
        assert [entry.seq for entry in entries] == [1, 2, 3]
        assert [entry.kind for entry in entries] == ["session_created", "message_written", "message_written"]
        assert (store.log.epoch, store.log.last_seq) == (epoch, 3)
        assert (await store.views.session(SID)).session == session


async def test_events_cursor_snapshot_outbox_and_key_are_one_transaction(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        progress = RunProgress(RUN, 7, {"a": 1})
        await store.add(session, text("x"), progress=progress, frames=(frame(1), frame(2)), key="k")
        clash = Append(
            session=session, events=(text("y"),), progress=RunProgress(RUN, 9, {}), frames=(frame(3),), key="k"
        )
        with pytest.raises(Exception, match="UNIQUE"):
            await store.log.append(clash)
        row = await store.runs.run(RUN)
        assert (row.cursor, row.snapshot, row.next_outbox_seq) == (7, {"a": 1}, 3)
        assert [one.outbox_seq for one in await store.runs.frames(RUN)] == [1, 2]
        assert len(await store.entries()) == 2
        assert await store.log.earlier(SID, "k") == (2,)


async def test_acknowledged_frames_go_and_their_numbers_do_not_come_back(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        await store.add(session, progress=RunProgress(RUN, 0, {}), frames=(frame(1), frame(2)))
        await store.add(session, progress=RunProgress(RUN, 0, {}), acknowledged=(1, 2))
    async with opened(tmp_path) as store:
        assert await store.runs.frames(RUN) == []
        assert (await store.runs.run(RUN)).next_outbox_seq == 3


async def test_one_bad_append_fails_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        await store.add(session, key="k")
        results: list[str] = []

        async def one(number: int) -> None:
            try:
                await store.log.append(
                    Append(session=session, events=(text(str(number)),), key="k" if number == 5 else None)
                )
                results.append("ok")
            except Exception as error:  # noqa: BLE001 - which error it is does not matter here
                results.append(type(error).__name__)

        async with trio.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(one, number)
        assert sorted(results) == ["IntegrityError"] + ["ok"] * 9
        seqs = [entry.seq for entry in await store.entries()]
        assert seqs == list(range(1, 11))


async def test_followers_at_the_tail_and_far_behind_miss_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventlog, "RING_ENTRIES", 50)
    monkeypatch.setattr(eventlog, "PAGE", 20)
    async with opened(tmp_path) as store:
        one, two = await store.create(SID), await store.create(OTHER)
        total = 2 + 300
        got: dict[str, list[int]] = {}

        async def follow(name: str, after: int, session_id: str | None) -> None:
            seqs = got[name] = []
            count = 151 if session_id else total - after
            for item in await followed(store.log, after, count, session_id):
                assert isinstance(item, Entry)
                seqs.append(item.seq)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow, "early", 0, None)
            nursery.start_soon(follow, "mine", 0, SID)
            for number in range(150):
                await store.add(one, text(str(number)))
                await store.add(two, text(str(number)))
                if number == 100:
                    nursery.start_soon(follow, "late", 0, None)
                    nursery.start_soon(follow, "middle", 120, None)
        everything = list(range(1, total + 1))
        assert got["early"] == got["late"] == everything
        assert got["middle"] == everything[120:]
        assert got["mine"] == [entry.seq for entry in await store.entries(0, SID)]


async def test_an_entry_is_encoded_once_for_all(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.create()
        first, second = [(await followed(store.log, 0, 1))[0] for _ in range(2)]
        again = (await store.entries())[0]
        assert isinstance(first, Entry) and isinstance(second, Entry)
        assert first.wire() == second.wire() == again.wire()


async def test_numbers_do_not_come_back_after_a_delete(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        session = await store.add(session, text("x"))
        await store.add(session, ev.SessionDeleted(by=session.by))
        with pytest.raises(NotFound):
            await store.views.session(SID)
        assert await store.runs.half_deleted() == [SID]
        await store.log.delete_session(SID)
        assert [entry.kind for entry in await store.entries()] == ["session_deleted"]
        assert await store.runs.half_deleted() == []
    async with opened(tmp_path) as store:
        await store.create(OTHER)
        assert [entry.seq for entry in await store.entries()] == [3, 4]


async def test_a_cursor_of_another_life_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        with pytest.raises(ForeignCursor):
            async with store.log.follow(Cursor(0, "elsewhere")):
                pass
        renewed = await store.database.log_epoch(renew=True)
        assert renewed != store.log.epoch


async def test_long_texts_are_cut_in_the_log_and_whole_beside_it(tmp_path: Path) -> None:
    whole = "é" * 100_000 + "\U0001f600"
    async with opened(tmp_path) as store:
        session = await store.create()
        await store.add(session, text(whole))
        entry = (await store.entries())[1]
        assert len(entry.body) < 40_000
        assert await store.log.read_text(ReadText(SID, entry.seq, "text")) == whole
        read = (await store.log.read(ReadEvents(1, SID, whole=True)))[0].event()
        assert isinstance(read, ev.MessageWritten)
        assert (read.text, read.blobs) == (whole, {})
        with pytest.raises(NotFound):
            await store.log.read_text(ReadText(SID, entry.seq, "output"))


async def test_waiting_wakes_for_its_kind_and_not_for_others(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        done: list[str] = []

        async def wait() -> None:
            await store.log.wait_for(1, SID, frozenset({"run_ended"}))
            done.append("woken")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await store.add(session, text("x"))
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert done == []
            await store.add(session, ev.RunEnded(run_id=None, reason="finished"))
        assert done == ["woken"]
        await store.log.wait_for(0, SID, frozenset({"message_written"}))


async def test_stopping_gives_everybody_the_rest_first(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        got: list[int] = []

        async def follow() -> None:
            async with store.log.follow(Cursor(0)) as batches:
                async for batch in batches:
                    got.extend(item.seq for item in batch if isinstance(item, Entry))

        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(follow)
                await trio.testing.wait_all_tasks_blocked(0.01)
                await store.add(session, text("x"))
                await store.log.stop_following()
        assert got == [1, 2]


# -- text that is being written ----------------------------------------------------------------------------------


async def test_a_late_joiner_first_gets_the_text_that_is_not_yet_in_the_log(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        store.log.publish([Delta(SID, "m", "message", 0, "Hel"), Delta(SID, "m", "message", 3, "lo \U0001f600")])
        got = await followed(store.log, 1, 1)
        assert got == [Delta(SID, "m", "message", 0, "Hello \U0001f600")]
        await store.add(session, text("Hello ", final=False))
        store.log.publish([Delta(SID, "m", "message", 8, "!")])
        assert (await followed(store.log, 2, 1)) == [Delta(SID, "m", "message", 6, "\U0001f600!")]
        await store.add(session, text("\U0001f600!", offset=6))
        store.log.publish([Delta(SID, "n", "message", 0, "next")])
        assert (await followed(store.log, 3, 1)) == [Delta(SID, "n", "message", 0, "next")]


async def test_a_slow_reader_gets_deltas_merged(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.create()
        async with store.log.follow(Cursor(1)) as batches:
            iterator = aiter(batches)
            store.log.publish([Delta(SID, "m", "message", 0, "a")])
            first = await anext(iterator)
            for offset in range(1, 100):
                store.log.publish([Delta(SID, "m", "message", offset, "b")])
            second = await anext(iterator)
        assert list(first) == [Delta(SID, "m", "message", 0, "a")]
        assert list(second) == [Delta(SID, "m", "message", 1, "b" * 99)]


async def test_a_page_of_the_transcript_is_the_newest_of_one_session_in_order(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session, other = await store.create(), await store.create(OTHER)
        for number in range(4):
            await store.add(session, text(f"{number}"))
            await store.add(other, text("elsewhere"))
        everything = [entry.seq for entry in await store.entries() if entry.session_id == SID]
        newest = await store.log.read_page(ReadItems(SID, limit=3))
        older = await store.log.read_page(ReadItems(SID, before=newest[0].seq, limit=3))
        assert [entry.seq for entry in (*older, *newest)] == everything[-5:] == everything
        assert await store.log.read_page(ReadItems(SID, before=everything[0])) == ()
