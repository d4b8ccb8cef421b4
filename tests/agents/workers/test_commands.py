"""Running programs: how they end, and that all of them do."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from tetherd import shim
from tetherd.agents.workers.tools.commands import HEAD_BYTES, TAIL_BYTES, Commands, Output, Ran

PATH = {"PATH": os.environ["PATH"]}
HANG_SECONDS = 30.0


def shell(command: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", command)


async def ran(command: str, directory: Path, **more: float) -> Ran:
    return await Commands(PATH).run(shell(command), directory, **more)  # type: ignore[arg-type]


def is_alive(pid: int) -> bool:
    stat = shim.stat_of(pid)
    return stat is not None and stat[1] not in "ZX"


class Heard(Output):
    """Says when a command has printed the pid of a process that it started."""

    def __init__(self) -> None:
        super().__init__()
        self.has_pid = trio.Event()

    def add(self, piece: bytes) -> None:
        super().add(piece)
        if "\n" in self.text():
            self.has_pid.set()

    async def pid(self) -> int:
        with trio.fail_after(HANG_SECONDS):
            await self.has_pid.wait()
        return int(self.text())


async def gone(pid: int) -> None:
    """A process that became ours is killed, and waited for."""
    os.kill(pid, signal.SIGKILL)
    await trio.to_thread.run_sync(os.waitpid, pid, 0)


FORKED_TWICE = """
import os, time
if os.fork():
    time.sleep(600)
os.setsid()
if os.fork():
    os._exit(0)
print(os.getpid(), flush=True)
time.sleep(600)
"""

DAEMONS = {
    "a child": "sleep 600 & echo $!; wait",
    "a session of its own": "setsid sleep 600 & echo $!; wait",
    "deaf to TERM": "trap '' TERM; sh -c \"trap '' TERM; while :; do sleep 1; done\" & echo $!; wait",
    "forked twice": f"{shlex.quote(sys.executable)} -c {shlex.quote(FORKED_TWICE)}",
}


@pytest.mark.parametrize("how", DAEMONS)
async def test_a_cancel_ends_the_whole_tree(tmp_path: Path, how: str) -> None:
    heard = Heard()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(Commands(PATH).run, shell(DAEMONS[how]), tmp_path, output=heard))
        pid = await heard.pid()
        assert is_alive(pid)
        nursery.cancel_scope.cancel()
    assert not is_alive(pid)


async def test_what_takes_too_long_is_ended_and_its_output_kept(tmp_path: Path) -> None:
    assert await ran("echo begun; sleep 600", tmp_path, limit_seconds=0.3) == Ran(None, "begun\n")


async def test_what_was_left_in_the_background_on_purpose_outlives_the_next_cancel(tmp_path: Path) -> None:
    commands, heard = Commands(PATH), Heard()
    left = int((await commands.run(shell("setsid sleep 600 >/dev/null 2>&1 & echo $!"), tmp_path)).output)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(commands.run, shell("sleep 600 & echo $!; wait"), tmp_path, output=heard))
        pid = await heard.pid()
        nursery.cancel_scope.cancel()
    assert (is_alive(left), is_alive(pid)) == (True, False)
    await gone(left)


async def test_a_child_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    with trio.fail_after(HANG_SECONDS):
        done = await Commands(PATH).run(shell("sleep 600 & echo $!"), tmp_path)
    await gone(int(done.output))
    assert done.code == 0


async def test_how_it_ended(tmp_path: Path) -> None:
    assert await ran("echo a; echo b >&2; exit 3", tmp_path) == Ran(3, "a\nb\n")
    assert await ran("kill -9 $$", tmp_path) == Ran(-9, "")
    assert (await ran("pwd; cat", tmp_path)).output == f"{tmp_path}\n"


async def test_a_flood_is_cut_in_the_middle(tmp_path: Path) -> None:
    done = await ran("echo first; yes | head -c 50000000; echo last", tmp_path)
    assert done.output.startswith("first\ny\n") and done.output.endswith("y\nlast\n")
    assert len(done.output) < HEAD_BYTES + TAIL_BYTES + 100
    assert "bytes left out" in done.output


async def test_input_is_given_and_need_not_be_read(tmp_path: Path) -> None:
    commands = Commands(PATH)
    given = b"x" * 1_000_000
    assert (await commands.run(("wc", "-c"), tmp_path, given=given)).output.strip() == "1000000"
    assert (await commands.run(("true",), tmp_path, given=given)).code == 0


async def test_commands_get_the_given_environment_alone(tmp_path: Path) -> None:
    environment = {**PATH, "ONE": "1"}
    done = await Commands(environment).run(("env",), tmp_path)
    assert {line.partition("=")[0] for line in done.output.splitlines()} <= {"PATH", "ONE", "PWD", "_"}


async def test_what_cannot_be_started_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        await Commands(PATH).run(("/none/such",), tmp_path)
    with pytest.raises(OSError):
        await Commands(PATH).run(("true",), tmp_path / "none")


def test_output_in_pieces_of_any_size_is_the_same() -> None:
    data = bytes(range(32, 127)) * 20
    texts = set()
    for size in (1, 7, 64, len(data)):
        output = Output(head_bytes=100, tail_bytes=50)
        for start in range(0, len(data), size):
            output.add(data[start : start + size])
        texts.add(output.text())
    assert texts == {f"{data[:100].decode()}\n({len(data) - 150} bytes left out)\n{data[-50:].decode()}"}
