"""How runs end: the whole tree, whoever asks."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio

from tests.agents.holding import alive, holding, python, read_all, read_lines
from tetherd.agents.process import RunStatus, ShimLost
from tetherd.errors import Unavailable

SLEEP = "import time; print('up'); time.sleep(300)"
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(1, b"grandchild\\n")
        time.sleep(300)
    os._exit(0)
if os.fork() == 0:
    os.setsid()
    os.write(1, b"child\\n")
    time.sleep(300)
time.sleep(300)
"""


async def test_stop_ends_the_whole_tree(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(STUBBORN))
        async with agents.host.attach(run_id, 0) as held:
            assert set(await read_lines(held, 2)) == {b"child", b"grandchild"}
            assert len(alive(run_id)) == 3
            await held.stop(0.2)
            assert await held.read() == RunStatus(signal=9)
        assert alive(run_id) == set()


async def test_stop_gives_the_agent_its_grace(tmp_path: Path) -> None:
    code = """
import signal, sys, time
def end(*_): print("last words"); sys.exit(3)
signal.signal(signal.SIGTERM, end); print("up")
while True: time.sleep(1)
"""
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(code))
        async with agents.host.attach(run_id, 0) as held:
            await read_lines(held, 1)
            await held.stop(30)
            assert await read_all(held) == ([b"last words"], RunStatus(code=3))


async def test_sigterm_to_the_shim_is_a_stop(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(SLEEP))
        async with agents.host.attach(run_id, 0) as held:
            await read_lines(held, 1)
            for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
                os.kill(agents.shim_pid(run_id), number)
            assert await held.read() == RunStatus(signal=15)


async def test_what_an_agent_leaves_running_ends_with_it(tmp_path: Path) -> None:
    code = """
import os, signal, time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN); os.setsid(); print("daemon")
    if os.fork() == 0: time.sleep(300)
    os._exit(0)
os.wait()
"""
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(code))
        async with agents.host.attach(run_id, 0) as held:
            assert await read_all(held) == ([b"daemon"], RunStatus(code=0))
        assert alive(run_id) == set()


async def test_a_deaf_agent_is_stopped_over_a_fresh_connection(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(SLEEP))
        async with agents.host.attach(run_id, 0) as held:
            sent = 0
            with trio.move_on_after(2) as scope:
                while True:
                    await held.send(sent + 1, b"x" * 1_000_000)
                    sent += 1
            assert scope.cancelled_caught
            assert 32 <= sent <= 36
        async with agents.host.attach(run_id, 0) as held:
            last_seq = held.last_seq
            assert 32 <= last_seq <= sent
            await held.send(last_seq + 1, b"more\n")  # into the socket; the shim does not take it
            with trio.move_on_after(0.3) as scope:
                await held.stop(0)
            assert scope.cancelled_caught
        async with agents.host.attach(run_id, 0) as held:
            assert held.last_seq == last_seq
            await held.stop(0)
            _, status = await read_all(held)
            assert status.signal in (signal.SIGTERM, signal.SIGKILL)


async def test_a_killed_shim_is_a_lost_run_and_nothing_of_it_survives(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id, other = await agents.launch(python(STUBBORN)), await agents.launch(python(SLEEP))
        async with agents.host.attach(run_id, 0) as held:
            await read_lines(held, 2)
            agents.kill_shim(run_id)
            with pytest.raises(ShimLost):
                await read_all(held)
        assert len(alive(run_id)) == 3
        assert await agents.host.settle(run_id) == "lost"
        assert alive(run_id) == set()
        assert await agents.host.settle(run_id) == "lost"
        assert await agents.host.settle(other) == "held"
        async with agents.host.attach(run_id, 0) as held:
            said = await read_all(held)
        assert (set(said[0]), said[1]) == ({b"child", b"grandchild"}, RunStatus(lost=True))
        with pytest.raises(Unavailable, match="started before"):
            await agents.host.launch(run_id, python(SLEEP))


async def test_directories_without_a_row_are_found_and_stopped(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        assert await agents.host.unknown_runs(set()) == []
        known, unknown = await agents.launch(python(SLEEP)), await agents.launch(python(SLEEP))
        assert await agents.host.unknown_runs({known}) == [unknown]
        assert await agents.host.stop_unknown(unknown)
        assert alive(unknown) == set()
        assert not await agents.host.stop_unknown(unknown)
        assert len(alive(known)) == 1
        await agents.host.forget(unknown)
        assert await agents.host.unknown_runs({known}) == []
