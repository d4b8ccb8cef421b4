"""Running programs, and ending all that they started.

The worker is a subreaper: whatever a command leaves, however often it forked, hangs below the worker and is found
there. What an earlier command left in the background on purpose is let live.
"""

from __future__ import annotations

import ctypes
import math
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from tetherd import shim

PR_SET_CHILD_SUBREAPER = 36
TERM_SECONDS = 2.0
KILL_SECONDS = 5.0
LOOK_SECONDS = 0.02
PIPE_BYTES = 1 << 16
LAST_PIECES = 16
"""What is read of a pipe after the program has ended: a child that it left may write for ever."""

HEAD_BYTES, TAIL_BYTES = 8 * 1024, 24 * 1024


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended. `code` is negative for a signal, None when it took too long and was ended."""

    code: int | None
    output: str


class Output:
    """The first and the last bytes of what a program prints."""

    def __init__(self, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self._head_bytes, self._tail_bytes = head_bytes, tail_bytes
        self._head, self._tail = bytearray(), bytearray()
        self._dropped = 0

    def add(self, piece: bytes) -> None:
        room = self._head_bytes - len(self._head)
        self._head += piece[:room]
        self._tail += piece[room:]
        if (over := len(self._tail) - self._tail_bytes) > 0:
            del self._tail[:over]
            self._dropped += over

    def text(self) -> str:
        head, tail = self._head.decode(errors="replace"), self._tail.decode(errors="replace")
        return f"{head}\n({self._dropped} bytes left out)\n{tail}" if self._dropped else head + tail


class Commands:
    """One program at a time. `environment` is all that programs get."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    async def run(
        self,
        argv: Sequence[str],
        cwd: Path,
        *,
        given: bytes = b"",
        output: Output | None = None,
        limit_seconds: float = math.inf,
    ) -> Ran:
        """Run a program with `given` as its input; cancelled or after the limit, its whole tree is ended.

        What it leaves in the background when it ends by itself lives on. Raises OSError, or ValueError for a NUL.
        """
        output = output or Output()
        before = set(shim.descendants(os.getpid()))
        process = await trio.lowlevel.open_process(
            argv,
            cwd=cwd,
            env=self._environment,
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        stdout = process.stdout
        assert isinstance(stdout, trio.lowlevel.FdStream)
        try:
            with trio.move_on_after(limit_seconds):
                async with trio.open_nursery() as nursery:
                    if process.stdin is not None:
                        nursery.start_soon(_feed, process.stdin, given)
                    nursery.start_soon(_collect, stdout, output)
                    await process.wait()
                    nursery.cancel_scope.cancel()
            has_ended = process.returncode is not None
            if has_ended:
                _drain(stdout.fileno(), output)
        finally:
            if process.returncode is None:
                await _end_tree(before)
                with trio.CancelScope(shield=True), trio.move_on_after(KILL_SECONDS):
                    await process.wait()
            _reap()
            with trio.CancelScope(shield=True):
                await stdout.aclose()
        return Ran(process.returncode if has_ended else None, output.text())


async def _feed(stdin: trio.abc.SendStream, given: bytes) -> None:
    try:
        await stdin.send_all(given)
        await stdin.aclose()
    except trio.BrokenResourceError:
        pass  # it has ended without reading all


async def _collect(stdout: trio.abc.ReceiveStream, output: Output) -> None:
    while piece := await stdout.receive_some(PIPE_BYTES):
        output.add(bytes(piece))


def _drain(descriptor: int, output: Output) -> None:
    """What stands in the pipe once the program has ended. The descriptor does not block: trio made it so."""
    for _ in range(LAST_PIECES):
        try:
            piece = os.read(descriptor, PIPE_BYTES)
        except BlockingIOError:
            return
        if not piece:
            return
        output.add(piece)


async def _end_tree(before: set[tuple[int, int]]) -> None:
    """TERM, a moment, KILL to all below us, but for those of `before` and what they started."""
    with trio.CancelScope(shield=True):
        for number, patience in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            told: set[tuple[int, int]] = set()
            with trio.move_on_after(patience):
                while left := _below(before):
                    for pid, start in left - told:
                        shim.send_signal(pid, start, number)
                    told |= left
                    await trio.sleep(LOOK_SECONDS)
            if not left:
                return


def _below(before: set[tuple[int, int]]) -> set[tuple[int, int]]:
    left = set(shim.descendants(os.getpid()))
    for pid, start in before & left:
        left -= {(pid, start), *shim.descendants(pid)}
    return left


def _reap() -> None:
    """Orphans that became ours and have ended. No program of ours runs now, so nobody else waits for any."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return
