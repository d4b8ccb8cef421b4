"""kill -9 in the middle of an append: it is there with all of its parts, or with none."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.storage.logs import SID, opened
from tetherd.domain import events as ev
from tetherd.domain.ids import RunId

ROOT = Path(__file__).parents[2]
WRITERS = 4

CODE = """
import sys, trio
from pathlib import Path
from tests.storage.logs import opened, frame, progress, tool
from tetherd.domain.ids import RunId

async def write(store, session, writer):
    for number in range(1, 1_000_000):
        run_id = RunId(f"r-{writer}")
        events = [tool(f"{writer} {number} {part}" + "." * 3000) for part in range(3)]
        await store.add(session, *events, progress=progress(number, run_id, n=number), frames=(frame(number),),
                        acknowledged=(number - 1,), key=f"{writer} {number}", urgent=number % 2 == 0)
        print(writer, number, flush=True)

async def main():
    async with opened(Path(sys.argv[1])) as store:
        session = await store.create()
        async with trio.open_nursery() as nursery:
            for writer in range(4):
                nursery.start_soon(write, store, session, writer)

trio.run(main)
"""


def killed_after(directory: Path, lines: int) -> dict[int, int]:
    """What each writer had been told when it was killed."""
    told = dict.fromkeys(range(WRITERS), 0)
    with subprocess.Popen([sys.executable, "-c", CODE, str(directory)], stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        for count, line in enumerate(process.stdout, start=1):
            if not line.endswith(b"\n"):
                continue  # the kill fell into the printing
            writer, number = line.split()
            told[int(writer)] = int(number)
            if count == lines:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return told


@pytest.mark.parametrize("lines", [1, 2, 5, 40, 300, 900])
def test_an_append_survives_a_kill_whole_or_not_at_all(tmp_path: Path, lines: int) -> None:
    told = killed_after(tmp_path, lines)
    trio.run(_check, tmp_path, told)


async def _check(directory: Path, told: dict[int, int]) -> None:
    async with opened(directory) as store:
        entries = await store.entries()
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
        assert (await store.views.session(SID)).last_seq == store.log.last_seq == len(entries)
        titles = [e.event().title.rstrip(".") for e in entries[1:]]
        keys = {row[1]: json.loads(row[2]) for row in await store.rows("keys")}
        for writer in range(WRITERS):
            mine = [title for title in titles if title.startswith(f"{writer} ")]
            number = len(mine) // 3
            assert number >= told[writer], "what was acknowledged is there"
            assert mine == [f"{writer} {n} {part}" for n in range(1, number + 1) for part in range(3)]
            assert {key for key in keys if key.startswith(f"{writer} ")} == {
                f"{writer} {n}" for n in range(1, number + 1)
            }
            if number:
                run = await store.runs.run(RunId(f"r-{writer}"))
                assert (run.cursor, run.snapshot, run.next_outbox_seq) == (number, {"n": number}, number + 1)
                assert [f.outbox_seq for f in await store.runs.frames(run.run_id)] == [number]
        session = (await store.views.session(SID)).session
        await store.add(session, ev.SessionRenamed(name="goes on", by=session.by))


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CODE, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT) as first:
        assert first.stdout is not None
        first.stdout.readline()
        command = [sys.executable, "-c", CODE, str(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        first.kill()
    assert f"another tetherd works with {tmp_path} (pid {first.pid})" in second.stderr
    trio.run(_check, tmp_path, dict.fromkeys(range(WRITERS), 0))
