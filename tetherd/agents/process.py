"""One held agent: its journal from a cursor on, and its stdin.

The data is in the journal's file; the connection to the shim only wakes us, so nothing is lost when it breaks.
Whoever waits for news reads the socket for all: there is no task of our own, cancelling any reader is safe.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from tetherd import shim
from tetherd.agents.rundir import RunDir
from tetherd.errors import Unavailable
from tetherd.framing import Line, LineSplitter, LongLine

READ_BYTES = 256 * 1024
CONNECT_SECONDS = 10.0
RETRY_SECONDS = 0.02


class ShimLost(Unavailable):
    """The connection to the shim broke, or there is nothing to connect to."""

    code = "shim_lost"


@dataclass(frozen=True, slots=True)
class Chunk:
    """All lines that one read completed; `cursor` is the journal's offset just after them."""

    lines: tuple[Line | LongLine, ...]
    cursor: int


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How the agent ended: an exit code, a signal, or why it could not be run. `lost`: nobody saw it."""

    code: int | None = None
    signal: int | None = None
    error: str | None = None
    lost: bool = False
    oom_kills: int = 0
    """How often the kernel ended a process of it for want of memory."""


class HeldAgent:
    """The agent as one connection sees it. One task reads, one takes acks, one sends; stop() may come from any."""

    def __init__(self, journal: int, cursor: int, stream: trio.SocketStream | None, directory: RunDir) -> None:
        self.last_seq = 0
        self.paused: str | None = None
        self._journal = journal
        self._lines = LineSplitter(cursor)
        self._stream = stream
        self._directory = directory
        self._received = bytearray()
        self._held_at_attach = cursor
        self._status: RunStatus | None = None
        self._size: int | None = None
        self._acked = 0
        self._sent: deque[int] = deque()
        self._sending = trio.Lock()
        self._is_cut = stream is None
        self._is_over = stream is None
        self._is_stopping = False
        self._is_receiving = False
        self._news = trio.Event()

    @property
    def backlog(self) -> int:
        """Bytes of complete lines still unread that the journal held when we attached."""
        return max(0, self._held_at_attach - self._lines.cursor)

    async def read(self) -> Chunk | RunStatus:
        """The next lines; the status once there are none and never will be. Raises ShimLost after the last line."""
        while True:
            await trio.lowlevel.checkpoint()
            data = os.pread(self._journal, READ_BYTES, self._lines.position)
            if data:
                lines = self._lines.feed(data)
                if lines:
                    return Chunk(lines, self._lines.cursor)
            elif self._status is not None:
                last = self._lines.finish()
                return self._status if last is None else Chunk((last,), self._lines.cursor)
            elif self._is_over:
                raise ShimLost("the connection to the shim ended")
            else:
                await self._wait()

    async def next_ack(self) -> int:
        """The next seq that we sent and the shim has whole. Raises ShimLost when the connection ends."""
        while True:
            await trio.lowlevel.checkpoint()
            if self._sent and self._sent[0] <= self._acked:
                return self._sent.popleft()
            if self._is_over:
                raise ShimLost("the connection to the shim ended")
            await self._wait()

    async def send(self, seq: int, data: bytes) -> None:
        """Write a frame, in order of seq; waits while the agent takes no input. Silent on a broken connection:
        the frame is not acknowledged then, and the reader of the journal finds out why."""
        self._sent.append(seq)
        await self._put(shim.STDIN, shim.NUMBER.pack(seq) + data)

    async def close_input(self) -> None:
        """Close the agent's stdin behind what was sent."""
        await self._put(shim.CLOSE)

    async def stop(self, grace_seconds: float) -> None:
        """End the whole process tree; returns once the shim has heard it, or has ended. Raises ShimLost when it
        can not be told over this connection."""
        await self._put(shim.STOP, shim.SECONDS.pack(grace_seconds))
        while not (self._is_stopping or self._is_over):
            if self._is_cut:
                raise ShimLost("the connection to the shim is cut")
            await self._wait()

    async def greet(self, daemon_epoch: int) -> None:
        """Say who we are, and hear where the shim stands. Raises Unavailable when it speaks another ABI."""
        await self._put(shim.HELLO, shim.GREETING.pack(shim.ABI, daemon_epoch))
        while self._size is None and not self._is_over:
            await self._wait()

    async def find_backlog(self) -> None:
        """Where the journal's last complete line ends, of what it held when we attached."""
        end = self._size or 0
        if self._status is not None:
            self._held_at_attach = end  # a half line at the end is a line, too
            return
        while end > self._lines.cursor:
            await trio.lowlevel.checkpoint()
            start = max(self._lines.cursor, end - READ_BYTES)
            newline = os.pread(self._journal, end - start, start).rfind(b"\n")
            if newline >= 0:
                self._held_at_attach = start + newline + 1
                return
            end = start

    def take_status(self) -> bool:
        """Is it over, with a status that says how?"""
        status = self._directory.status()
        if status is not None:
            self._learn(status)
        return status is not None

    async def _put(self, kind: int, payload: bytes = b"") -> None:
        async with self._sending:
            if self._stream is None or self._is_cut:
                return
            is_whole = False
            try:
                await self._stream.send_all(shim.encode(kind, payload))
                is_whole = True
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            finally:
                self._is_cut = not is_whole  # nothing may follow half a frame

    async def _wait(self) -> None:
        """Until something that the shim said has been taken in, by whoever."""
        if self._is_receiving:
            await self._news.wait()
            return
        assert self._stream is not None
        self._is_receiving = True
        try:
            data = await self._stream.receive_some()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        finally:
            self._is_receiving = False
            news, self._news = self._news, trio.Event()
            news.set()
        if not data:
            self._is_over = True
            self.take_status()
        self._received += data
        while frame := shim.take(self._received):
            self._hear(*frame)

    def _hear(self, kind: int, payload: bytes) -> None:
        match kind:
            case shim.HELLO:
                abi, self.last_seq, self._size = shim.WELCOME.unpack(payload)
                if abi != shim.ABI:
                    raise Unavailable(f"the shim speaks ABI {abi}")
                self._acked = self.last_seq
            case shim.ACK:
                (self._acked,) = shim.NUMBER.unpack(payload)
            case shim.PAUSED:
                self.paused = payload.decode() or None
            case shim.STOPPING:
                self._is_stopping = True
            case shim.STATUS:
                self._learn(json.loads(payload))
            case _:
                pass  # SIZE only wakes us

    def _learn(self, status: dict[str, Any]) -> None:
        self._status = RunStatus(
            status.get("code"),
            status.get("signal"),
            status.get("error"),
            bool(status.get("lost")),
            status.get("oom_kills", 0),
        )
        self._size = status.get("size", 0)
        self.last_seq = max(self.last_seq, status.get("last_seq", 0))


@asynccontextmanager
async def hold(directory: RunDir, cursor: int, daemon_epoch: int) -> AsyncIterator[HeldAgent]:
    """Attach to a run, also to one that has ended with a status. Raises ShimLost when there is nothing to attach to."""
    stream: trio.SocketStream | None = None
    journal = -1
    try:
        with trio.move_on_after(CONNECT_SECONDS) as scope:
            stream = await _connect(directory)
            try:
                journal = os.open(directory.journal, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                raise ShimLost("the run has no journal") from None
            held = HeldAgent(journal, cursor, stream, directory)
            if stream is not None:
                await held.greet(daemon_epoch)
            if (stream is None or held._is_over) and not held.take_status():
                raise ShimLost("the shim did not answer")
        if scope.cancelled_caught:
            raise ShimLost(f"the shim did not answer within {CONNECT_SECONDS:g} s")
        await held.find_backlog()
        yield held
    finally:
        if stream is not None:
            stream.socket.close()
        if journal >= 0:
            os.close(journal)


async def _connect(directory: RunDir) -> trio.SocketStream | None:
    """None when it has ended. A shim that is just starting is waited for."""
    while directory.status() is None:
        run = directory.run()
        try:
            if run is not None:
                return await trio.open_unix_socket(run["socket"])
        except (FileNotFoundError, ConnectionRefusedError):
            pass
        if not directory.is_held():
            if directory.status() is None:
                raise ShimLost("no shim holds the run")
            return None
        await trio.sleep(RETRY_SECONDS)
    return None
