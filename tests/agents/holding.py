"""Real agents behind real shims, and nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tetherd import shim
from tetherd.agents.host import ShimHost, _marked, kill_marked
from tetherd.agents.process import Chunk, HeldAgent, RunStatus
from tetherd.agents.rundir import RunDir
from tetherd.domain.ids import RunId
from tetherd.framing import Line
from tetherd.plugin import Launch

PATIENCE = 60.0
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def python(code: str, *arguments: str) -> Launch:
    """An agent that is a few lines of Python."""
    return Launch(argv=(sys.executable, "-u", "-c", code, *arguments), environment=ENVIRONMENT, directory="/")


def fresh_run() -> RunId:
    return RunId(f"test-{uuid.uuid4().hex[:12]}")


class Agents:
    """A host whose runs are ended with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.host = ShimHost(directory, directory / "run", 1)
        self.runs: list[RunId] = []

    def later(self, epoch: int) -> ShimHost:
        """The host of a daemon that was started after."""
        return ShimHost(self.directory, self.directory / "run", epoch)

    def run_dir(self, run_id: RunId) -> RunDir:
        return RunDir(self.directory / "runs" / run_id)

    async def launch(self, launch: Launch) -> RunId:
        run_id = fresh_run()
        self.runs.append(run_id)
        await self.host.launch(run_id, launch)
        return run_id

    def shim_pid(self, run_id: RunId) -> int:
        run = self.run_dir(run_id).run()
        assert run is not None
        return int(run["shim"]["pid"])

    def kill_shim(self, run_id: RunId) -> None:
        run = self.run_dir(run_id).run()
        assert run is not None
        shim.send_signal(run["shim"]["pid"], run["shim"]["start_ticks"], signal.SIGKILL)


@asynccontextmanager
async def holding(directory: Path) -> AsyncIterator[Agents]:
    agents = Agents(directory)
    try:
        with trio.fail_after(PATIENCE):
            yield agents
    finally:
        with trio.CancelScope(shield=True), trio.move_on_after(PATIENCE):
            for run_id in agents.runs:
                await trio.to_thread.run_sync(kill_marked, run_id)
                try:
                    await released(agents.run_dir(run_id))
                finally:
                    if agents.run_dir(run_id).is_held():
                        agents.kill_shim(run_id)


async def released(directory: RunDir) -> None:
    """Until no shim holds the run."""
    with trio.move_on_after(10):
        while directory.is_held():  # noqa: ASYNC110 - another process's lock rings no bell
            await trio.sleep(0.01)


async def read_all(held: HeldAgent) -> tuple[list[bytes], RunStatus]:
    """Every line up to the end of the run."""
    lines: list[bytes] = []
    while isinstance(got := await held.read(), Chunk):
        lines += texts(got)
    return lines, got


async def read_lines(held: HeldAgent, count: int) -> list[bytes]:
    lines: list[bytes] = []
    while len(lines) < count:
        got = await held.read()
        assert isinstance(got, Chunk), got
        lines += texts(got)
    return lines


def texts(chunk: Chunk) -> list[bytes]:
    lines = []
    for line in chunk.lines:
        assert isinstance(line, Line)
        lines.append(line.data)
    return lines


def alive(run_id: RunId) -> set[int]:
    """Pids of the run's processes, of those that kept its mark."""
    return {pid for pid, _start in _marked(run_id)}
