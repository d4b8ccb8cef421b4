"""The database: one process, private files, full disks, kills."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.storage.logs import SID, opened, text
from tetherd.errors import Misconfigured
from tetherd.storage.database import DiskFull, open_database

ROOT = Path(__file__).parents[2]

APPENDER = """
import sys, trio
from pathlib import Path
from tests.storage.logs import opened, text

async def main():
    async with opened(Path(sys.argv[1])) as store:
        session = await store.create()
        number = 0
        while True:
            await store.add(session, text(str(number)))
            print(number, flush=True)
            number += 1

trio.run(main)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a small disk needs the right to mount one")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("lines", [1, 7, 120])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, lines: int) -> None:

    process = subprocess.Popen([sys.executable, "-c", APPENDER, tmp_path], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    acknowledged = 0
    with process.stdout:
        for _ in range(lines):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            acknowledged = int(line)
    process.wait()

    async def check() -> None:
        async with opened(tmp_path) as store:
            numbers = [entry.event().text for entry in (await store.entries())[1:]]
            assert numbers[: acknowledged + 1] == [str(n) for n in range(acknowledged + 1)]
            assert numbers == [str(n) for n in range(len(numbers))]

    trio.run(check)


async def test_a_second_daemon_is_told_of_the_first(tmp_path: Path) -> None:
    async with opened(tmp_path):
        with pytest.raises(Misconfigured, match=str(os.getpid())):
            async with open_database(tmp_path):
                pass


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    before = os.umask(0o022)
    try:
        async with opened(directory) as store:
            await store.create()
            modes = {file.name: file.stat().st_mode & 0o077 for file in directory.iterdir() if file.name != "reserve"}
            assert directory.stat().st_mode & 0o777 == 0o700
            assert set(modes.values()) == {0}, modes
    finally:
        os.umask(before)


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "tether.db") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    with pytest.raises(Misconfigured, match="newer"):
        async with open_database(tmp_path):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tether.db").write_bytes(b"no" * 5000)
    with pytest.raises(Misconfigured, match="cannot open"):
        async with open_database(tmp_path):
            pass


async def test_daemon_epochs_rise_whatever_the_clock_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as store:
        first = await store.database.next_daemon_epoch()
    monkeypatch.setattr("time.time", lambda: 1.0)
    async with opened(tmp_path) as store:
        assert await store.database.next_daemon_epoch() == first + 1


async def test_a_full_disk_refuses_bulk_takes_decisions_and_goes_on_when_there_is_space(small_disk: Path) -> None:
    async with opened(small_disk / "data") as store:
        session = await store.create()
        await store.add(session, text("before"))
        hog = small_disk / "hog"
        with hog.open("wb", buffering=0) as file:  # else closing writes the rest, and fails
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass
        with pytest.raises(DiskFull):
            for _ in range(50):
                await store.add(session, text("bulk"))
        for number in range(20):
            await store.add(session, text(f"decision {number}"), urgent=True)
        hog.unlink()
        await store.add(session, text("after"))
    async with opened(small_disk / "data") as store:
        said = [entry.event().text for entry in (await store.entries(0, SID))[1:]]
        assert said[0] == "before"
        assert [one for one in said if one.startswith("decision")] == [f"decision {n}" for n in range(20)]
        assert said[-1] == "after"
