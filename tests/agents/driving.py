"""A real program that talks JSON lines, driven by a test or by the recorder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

LAST_WORDS_SECONDS = 10
READ_BYTES = 1 << 16

Json = dict[str, Any]


@dataclass
class Record:
    """direction: `in` to the program's stdin, `out` from its stdout, `err` from its stderr, as in transcripts."""

    direction: str
    at: float
    message: Any


@dataclass
class Driven:
    """One running program. `records` is all that was said, in order."""

    process: trio.Process
    started: float
    records: list[Record] = field(default_factory=list)
    _heard: int = 0
    _news: trio.Event = field(default_factory=trio.Event)

    async def say(self, message: Json) -> None:
        await self.send(json.dumps(message).encode() + b"\n")

    async def send(self, frame: bytes) -> None:
        """Whole lines, as a codec makes them."""
        assert self.process.stdin is not None
        for line in frame.splitlines():
            self.note("in", json.loads(line))
        await self.process.stdin.send_all(frame)

    async def until(self, wanted: Callable[[Json], bool]) -> Json:
        """The next message that is wanted; those before it are passed over. Fails if the program ends before."""
        while True:
            news = self._news
            while self._heard < len(self.records):
                record = self.records[self._heard]
                self._heard += 1
                if record.direction == "out" and wanted(record.message):
                    return record.message
                if record.direction == "end":
                    raise EOFError(self.said("err"))
            await news.wait()

    def said(self, direction: str = "out") -> list[Any]:
        return [record.message for record in self.records if record.direction == direction]

    async def finish(self) -> int:
        """End its input, and wait for its end."""
        assert self.process.stdin is not None
        await self.process.stdin.aclose()
        return await self.process.wait()

    def note(self, direction: str, message: Any) -> None:
        self.records.append(Record(direction, trio.current_time() - self.started, message))
        self._news.set()
        self._news = trio.Event()


@asynccontextmanager
async def driven(command: Sequence[str | Path], directory: Path, env: Mapping[str, str]) -> AsyncIterator[Driven]:
    """Run it while the context is open, with nothing of our environment but what `environment_beside` gives."""
    environment = {**environment_beside(directory), **env}
    process = await trio.lowlevel.open_process(
        [str(word) for word in command],
        cwd=directory,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    program = Driven(process, trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_listen, program)
        nursery.start_soon(_overhear, program)
        try:
            yield program
        finally:
            with trio.CancelScope(shield=True):
                await _end(program)
            nursery.cancel_scope.cancel()


def environment_beside(directory: Path) -> dict[str, str]:
    """What every agent of a test gets: a HOME of its own, beside the directory it works in."""
    home = directory.parent / "home"
    home.mkdir(exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}


async def _listen(program: Driven) -> None:
    assert program.process.stdout is not None
    buffer = bytearray()
    async for data in program.process.stdout:
        buffer += data
        *lines, rest = buffer.split(b"\n")
        buffer = bytearray(rest)
        for line in lines:
            try:
                program.note("out", json.loads(line))
            except ValueError:
                program.note("err", line.decode(errors="replace"))
    program.note("end", None)


async def _overhear(program: Driven) -> None:
    assert program.process.stderr is not None
    async for data in program.process.stderr:
        for line in data.decode(errors="replace").splitlines():
            program.note("err", line)


async def _end(program: Driven) -> None:
    process = program.process
    with trio.move_on_after(LAST_WORDS_SECONDS):
        await program.finish()
    if process.returncode is None:
        process.terminate()  # codex-acp does not mind the end of its input
        with trio.move_on_after(LAST_WORDS_SECONDS):
            await process.wait()
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    assert process.stdin and process.stdout and process.stderr
    for pipe in (process.stdin, process.stdout, process.stderr):
        await pipe.aclose()
