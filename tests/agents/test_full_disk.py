"""A full disk: the agent waits, nothing is lost. Needs a small file system of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.agents.holding import holding, python
from tetherd.agents.host import ShimHost
from tetherd.agents.process import Chunk, RunStatus
from tetherd.domain.ids import RunId
from tetherd.framing import Line


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if made.returncode != 0:
        pytest.skip("mounting is not permitted")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def _watch_pause(agents: ShimHost, run_id: RunId) -> tuple[list[bytes], int]:
    """Read until the shim stands still; what came so far, and the cursor."""
    lines: list[bytes] = []
    async with agents.attach(run_id, 0) as held:
        cursor = 0
        while True:
            with trio.move_on_after(0.2):
                got = await held.read()
                assert isinstance(got, Chunk)
                lines += [line.data for line in got.lines if isinstance(line, Line)]
                cursor = got.cursor
                continue
            if held.paused:
                assert "No space left" in held.paused
                return lines, cursor


def fill(disk: Path) -> None:
    """Leave not one page."""
    with pytest.raises(OSError), open(disk / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(b"f" * 4096)


@pytest.mark.parametrize("relief", ["release", "delete"])
async def test_a_full_disk_pauses_the_agent_and_loses_nothing(small_disk: Path, relief: str) -> None:
    async with holding(small_disk) as agents:
        (small_disk / "filler").write_bytes(b"f" * 500_000)
        count = "4000" if relief == "delete" else "8000"
        run_id = await agents.launch(python("import sys\nfor n in range(int(sys.argv[1])): print('%0199d' % n)", count))
        lines, cursor = await _watch_pause(agents.host, run_id)
        assert 0 < len(lines) < int(count)
        if relief == "delete":
            (small_disk / "filler").unlink()
        async with agents.host.attach(run_id, cursor) as held:
            while True:
                if relief == "release":
                    await agents.host.release(run_id, cursor)
                got = await held.read()
                if isinstance(got, RunStatus):
                    break
                lines += [line.data for line in got.lines if isinstance(line, Line)]
                cursor = got.cursor
            assert held.paused is None
        assert got == RunStatus(code=0)
        assert [int(line) for line in lines] == list(range(int(count)))


async def test_the_status_waits_for_space(small_disk: Path) -> None:
    async with holding(small_disk) as agents:
        run_id = await agents.launch(python("import sys; sys.stdin.read(); sys.exit(5)"))
        async with agents.host.attach(run_id, 0) as held:
            fill(small_disk)
            await held.close_input()
            with trio.move_on_after(1.5) as scope:
                await held.read()
            assert scope.cancelled_caught
            assert held.paused is not None
            (small_disk / "filler").unlink()
            assert await held.read() == RunStatus(code=5)
