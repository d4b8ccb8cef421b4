"""A full disk: bulk is refused early, decisions have the rest, and nothing has to be started anew."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.storage.logs import SID, frame, opened, progress, titles, tool
from tetherd.storage.database import DiskFull

MIB = 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """16 MiB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk needs the right to mount one")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Leave not one page."""
    hog = disk / "hog"
    with suppress(OSError), open(hog, "wb", buffering=0) as file:
        while True:
            file.write(b"h" * 4096)
    return hog


def free(disk: Path) -> int:
    state = os.statvfs(disk)
    return state.f_bavail * state.f_frsize


async def test_bulk_alone_never_takes_what_decisions_need(disk: Path) -> None:
    async with opened(disk / "data") as store:
        session = await store.create()
        with pytest.raises(DiskFull):
            for _ in range(1000):
                await store.add(session, tool("." * 50_000))
        assert free(disk) > MIB
        for number in range(100):
            await store.add(session, tool(f"decision {number}"), urgent=True, key=str(number))
        assert (await titles(store))[-100:] == [f"decision {number}" for number in range(100)]


async def test_a_refused_append_leaves_no_trace_and_what_follows_is_whole(disk: Path) -> None:
    async with opened(disk / "data") as store:
        session = await store.create()
        hog = fill(disk)
        with pytest.raises(DiskFull) as refused:
            await store.add(session, tool("no"), progress=progress(9), frames=(frame(1),), key="k")
        assert (refused.value.code, refused.value.status) == ("disk_full", 507)
        with pytest.raises(DiskFull):  # more than the reserve holds
            await store.add(session, tool("." * 4 * MIB), key="big", urgent=True)
        assert [entry.seq for entry in await store.entries()] == [1]
        assert await store.runs.known() == set()
        assert await store.log.earlier(SID, "k") is None
        hog.unlink()
        await store.add(session, tool("yes"), progress=progress(9), frames=(frame(1),), key="k")
        assert await titles(store) == ["yes"]
        assert store.log.last_seq == (await store.entries())[-1].seq


async def test_a_decision_goes_through_beside_bulk_that_does_not(disk: Path) -> None:
    async with opened(disk / "data") as store:
        session = await store.create()
        fill(disk)
        for number in range(5):
            with suppress(DiskFull):
                await store.add(session, tool("bulk"))
            await store.add(session, tool(f"decision {number}"), urgent=True)
        assert await titles(store) == [f"decision {number}" for number in range(5)]
        assert not (disk / "data" / "reserve").exists()


async def test_the_reserve_is_made_again_when_there_is_space(disk: Path) -> None:
    async with opened(disk / "data") as store:
        session = await store.create()
        reserve = disk / "data" / "reserve"
        assert reserve.stat().st_size == MIB
        hog = fill(disk)
        # the write-ahead log may still have room of its own: it takes more than one to need the reserve
        for number in range(200):
            await store.add(session, tool(f"{number}" + "." * 2000), urgent=True)
            if not reserve.exists():
                break
        assert not reserve.exists()
        hog.unlink()
        await store.add(session, tool("after"))
        assert reserve.stat().st_size == MIB


async def test_a_daemon_that_starts_on_a_full_disk_can_still_take_decisions(disk: Path) -> None:
    async with opened(disk / "data") as store:
        await store.create()
        epoch = await store.database.next_daemon_epoch()
    fill(disk)
    async with opened(disk / "data") as store:
        assert await store.database.next_daemon_epoch() > epoch
        session = (await store.views.session(SID)).session
        await store.add(session, tool("decision"), urgent=True)
        with pytest.raises(DiskFull):
            await store.add(session, tool("bulk"))
        assert await titles(store) == ["decision"]


async def test_reading_goes_on_while_the_disk_is_full(disk: Path) -> None:
    async with opened(disk / "data") as store:
        await store.add(await store.create(), tool("before"))
        fill(disk)
        assert await titles(store) == ["before"]
        assert (await store.views.session(SID)).last_seq == 2
