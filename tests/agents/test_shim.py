"""The shim's own ABI: its frames, its lock, its files."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.agents.holding import PATIENCE, fresh_run
from tetherd import shim
from tetherd.agents.host import kill_marked
from tetherd.agents.rundir import RunDir
from tetherd.domain.ids import RunId

ECHO = "import sys\nfor line in sys.stdin: print(line, end='')"
SLEEP = "import time; time.sleep(300)"


class Wire:
    """A connection to a shim, frame by frame."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._received = bytearray()

    async def say(self, kind: int, payload: bytes = b"") -> None:
        await self.stream.send_all(shim.encode(kind, payload))

    async def hear(self) -> tuple[int, bytes] | None:
        """The next frame; None at the end."""
        while (frame := shim.take(self._received)) is None:
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                return None
            if not data:
                return None
            self._received += data
        return frame

    async def hear_of(self, kind: int) -> bytes:
        while frame := await self.hear():
            if frame[0] == kind:
                return frame[1]
        raise AssertionError(f"the connection ended without a frame of kind {kind}")

    async def greet(self, epoch: int) -> tuple[int, int, int]:
        await self.say(shim.HELLO, shim.GREETING.pack(shim.ABI, epoch))
        abi, last_seq, size = shim.WELCOME.unpack(await self.hear_of(shim.HELLO))
        return abi, last_seq, size

    async def feed(self, seq: int, data: bytes) -> None:
        await self.say(shim.STDIN, shim.NUMBER.pack(seq) + data)


class Shim:
    """A shim that locks by itself, as below a service manager: it stays our child."""

    def __init__(self, directory: RunDir, socket: Path, process: trio.Process) -> None:
        self.directory = directory
        self.process = process
        self._socket = socket

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        while True:  # another process makes it, and listens some time later
            try:
                stream = await trio.open_unix_socket(self._socket)
                break
            except (FileNotFoundError, ConnectionRefusedError):
                await trio.sleep(0.01)
        async with stream:
            yield Wire(stream)


def prepare(directory: RunDir, code: str) -> RunId:
    run_id = fresh_run()
    directory.path.mkdir()
    environment = {"PATH": os.environ["PATH"], "TETHER_RUN_ID": run_id}
    spec = {"abi": 1, "run_id": run_id, "argv": [sys.executable, "-u", "-c", code], "env": environment, "cwd": "/"}
    directory.spec.write_text(json.dumps(spec))
    return run_id


async def start(directory: RunDir, socket: Path) -> trio.Process:
    argv = [sys.executable, "-I", "-S", shim.__file__, str(directory.path), str(socket), "-"]
    return await trio.lowlevel.open_process(argv, stdin=subprocess.DEVNULL)


@asynccontextmanager
async def running(tmp_path: Path, code: str) -> AsyncIterator[Shim]:
    directory, socket = RunDir(tmp_path / "run"), tmp_path / "s"
    run_id = prepare(directory, code)
    process = await start(directory, socket)
    try:
        with trio.fail_after(PATIENCE):
            yield Shim(directory, socket, process)
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(PATIENCE):
            process.terminate()
            await process.wait()
            await trio.to_thread.run_sync(kill_marked, run_id)


async def test_hello_tells_where_the_shim_stands(tmp_path: Path) -> None:
    async with running(tmp_path, ECHO) as agent, agent.wire() as wire:
        assert await wire.greet(5) == (1, 0, 0)
        await wire.feed(3, b"hello\n")
        assert shim.NUMBER.unpack(await wire.hear_of(shim.ACK)) == (3,)
        assert shim.NUMBER.unpack(await wire.hear_of(shim.SIZE)) == (6,)
        async with agent.wire() as again:
            assert await again.greet(5) == (1, 3, 6)
            assert await wire.hear() is None


async def test_a_lower_epoch_is_shown_the_door(tmp_path: Path) -> None:
    async with running(tmp_path, ECHO) as agent, agent.wire() as new, agent.wire() as old:
        await new.greet(7)
        await old.say(shim.HELLO, shim.GREETING.pack(shim.ABI, 6))
        assert await old.hear() is None
        await new.feed(1, b"x\n")
        await new.hear_of(shim.ACK)


@pytest.mark.parametrize(
    "first",
    [
        shim.encode(shim.STDIN, shim.NUMBER.pack(1) + b"evil\n"),
        shim.encode(shim.STOP, shim.SECONDS.pack(0)),
        shim.encode(shim.HELLO, b"short"),
        b"\xff" * 64,
    ],
)
async def test_whoever_does_not_greet_is_not_heard(tmp_path: Path, first: bytes) -> None:
    async with running(tmp_path, ECHO) as agent, agent.wire() as wire:
        await wire.stream.send_all(first)
        assert await wire.hear() is None
        async with agent.wire() as other:
            assert await other.greet(1) == (1, 0, 0)


async def test_a_slow_daemon_is_told_the_newest_and_delays_nobody(tmp_path: Path) -> None:
    code = "import sys\nfor _ in range(3000): print('x' * 9999)\nprint(sys.stdin.readline())"
    async with running(tmp_path, code) as agent, agent.wire() as wire:
        await wire.greet(1)
        while agent.directory.journal.stat().st_size < 30_000_000:  # noqa: ASYNC110 - another process writes it
            await trio.sleep(0.01)
        await wire.feed(1, b"end\n")
        sizes = 0
        while frame := await wire.hear():
            sizes += frame[0] == shim.SIZE
            if frame[0] == shim.STATUS:
                break
        assert frame is not None
        assert json.loads(frame[1])["size"] == 30_000_005
        assert sizes < 30_000


async def test_the_last_frames_of_a_daemon_that_dies_are_heard(tmp_path: Path) -> None:
    """It never read what the shim told it; what it sent counts all the same."""
    async with running(tmp_path, ECHO) as agent:
        async with agent.wire() as wire:
            await wire.greet(1)
            for seq in range(1, 501):
                await wire.feed(seq, b"%d\n" % seq)
        while agent.directory.journal.stat().st_size < 1892:  # noqa: ASYNC110 - another process writes it
            await trio.sleep(0.01)
        async with agent.wire() as wire:
            assert await wire.greet(2) == (1, 500, 1892)
            await wire.say(shim.CLOSE)
            await wire.hear_of(shim.STATUS)
        assert agent.directory.journal.read_bytes().split() == [b"%d" % seq for seq in range(1, 501)]


async def test_status_comes_last_and_the_socket_goes(tmp_path: Path) -> None:
    async with running(tmp_path, "print('out', end='')") as agent:
        assert await agent.process.wait() == 0
        status = agent.directory.status()
        assert status is not None
        assert status.pop("at") > 1_700_000_000
        assert status == {"code": 0, "signal": None, "error": None, "size": 3, "last_seq": 0, "oom_kills": 0}
        assert not (tmp_path / "s").exists()


async def test_a_revoked_run_does_not_start(tmp_path: Path) -> None:
    directory = RunDir(tmp_path / "run")
    prepare(directory, SLEEP)
    directory.revoked.touch()
    process = await start(directory, tmp_path / "s")
    with trio.fail_after(PATIENCE):
        assert await process.wait() == 0
    assert directory.run() is None
    assert not directory.journal.exists()


async def test_a_second_shim_gives_way(tmp_path: Path) -> None:
    async with running(tmp_path, ECHO) as agent, agent.wire() as wire:
        await wire.greet(1)
        second = await start(agent.directory, tmp_path / "other")
        assert await second.wait() == 75
        await wire.feed(1, b"still here\n")
        await wire.hear_of(shim.SIZE)


async def test_bytes_survive_without_splice_too(tmp_path: Path) -> None:
    source, end = os.pipe()
    os.set_blocking(source, False)
    os.set_blocking(end, False)
    data = os.urandom(50_000)
    os.write(end, data)
    os.close(end)
    journal = shim.Journal(str(tmp_path / "journal"), source)
    journal._splice = False
    try:
        journal.pump()
        assert (journal.size, journal.is_over) == (50_000, True)
        assert (tmp_path / "journal").read_bytes() == data
    finally:
        os.close(source)
        os.close(journal._file)


async def test_the_agent_does_not_hold_the_lock(tmp_path: Path) -> None:
    async with running(tmp_path, "import os\nif os.fork() == 0: os.setsid()\nimport time; time.sleep(300)") as agent:
        async with agent.wire() as wire:
            await wire.greet(1)
            assert agent.directory.is_held()
            agent.process.kill()
            await agent.process.wait()
        assert not agent.directory.is_held()
        with agent.directory.try_lock() as lock:
            assert lock is not None
            fcntl.flock(lock, fcntl.LOCK_UN)
