"""One run's connection to its shim: launch, read, write, stop.

Supervises the connection and not the process: cancelling the driver detaches, the agent lives on. What it sees it
reports to the session's actor, one report at a time; the actor's answer is the backpressure.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import trio

from tetherd.agents.process import Chunk, HeldAgent, RunStatus, ShimLost
from tetherd.domain.commands import RunStopped
from tetherd.domain.ids import RunId
from tetherd.errors import Unavailable
from tetherd.logconfig import get_logger
from tetherd.plugin import Launch
from tetherd.runtime.agent_host import AgentHost
from tetherd.storage.eventlog import Frame

RELEASE_BYTES = 4 * 1024 * 1024
"""Journal space is given back in pieces of this size; a system call for each line would cost more than it frees."""
LAST_ACKS_SECONDS = 1.0
STOP_SENT_SECONDS = 1.0
"""A deaf agent's shim takes no more input; the stop then goes over a fresh connection, ahead of everything."""
REATTACH_SECONDS = 0.2
KILL_MARGIN_SECONDS = 5.0
"""A shim ends its tree at the end of the grace; one that has not so long after it does not obey (an agent of our uid
may have stopped it), and is ended with all it holds."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """Lines of the journal, in order."""

    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Acked:
    """The shim has these frames whole."""

    outbox_seqs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What the journal held when we attached has been reported."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The run is over; nothing more will be reported."""

    stopped: RunStopped


RunReport = Heard | Acked | CaughtUp | Gone
Tell = Callable[[RunReport], Awaitable[None]]
"""Returns when the actor has dealt with the report; what it was about is committed, or kept in memory for later."""


class RunDriver:
    """Runs one run until it is over or the driver is cancelled."""

    def __init__(
        self,
        host: AgentHost,
        run_id: RunId,
        tell: Tell,
        *,
        cursor: int,
        frames: Iterable[Frame],
        launch: Launch | None,
        catch_up: bool,
    ) -> None:
        """`launch` starts the agent first; `catch_up` reports CaughtUp once, behind what the journal held already."""
        self._host = host
        self._run_id = run_id
        self._tell = tell
        self._cursor = self._released = cursor
        self._launch = launch
        self._catch_up = catch_up
        self._frames = {frame.outbox_seq: frame for frame in frames}
        self._unsent: deque[Frame] = deque()
        self._news = trio.Event()
        self._stop_grace: float | None = None
        self._stop = trio.Event()
        self._held: HeldAgent | None = None

    @property
    def paused(self) -> str | None:
        """Why the shim stands still (a full disk), as it last said."""
        return self._held.paused if self._held else None

    def enqueue(self, frames: Iterable[Frame]) -> None:
        """Committed frames, for the shim; in order of their outbox seq."""
        for frame in frames:
            self._frames[frame.outbox_seq] = frame
            self._unsent.append(frame)
        self._ring()

    def stop(self, grace_seconds: float) -> None:
        """Have the whole process tree ended. Asking again is heard when the connection is renewed."""
        self._stop_grace = grace_seconds
        self._stop.set()

    async def run(self) -> None:
        """Until the run is over: then the last report has been made."""
        stopped = await self._start() if self._launch else None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._kill_when_overdue)
            while stopped is None:
                try:
                    async with self._host.attach(self._run_id, self._cursor) as held:
                        status = await self._serve(held)
                    stopped = _stopped(self._run_id, status)
                except ShimLost as lost:
                    stopped = await self._after_loss(lost)
            nursery.cancel_scope.cancel()
        await self._tell(Gone(stopped))

    async def _start(self) -> RunStopped | None:
        assert self._launch is not None
        try:
            await self._host.launch(self._run_id, self._launch)
        except Unavailable as error:
            await self._host.settle(self._run_id)
            return RunStopped(self._run_id, error=str(error))
        return None

    async def _after_loss(self, lost: ShimLost) -> RunStopped | None:
        """None: try to attach again."""
        fate = await self._host.settle(self._run_id)
        log.warning("shim connection lost", run=self._run_id, fate=fate, why=str(lost))
        if fate == "unborn":
            return RunStopped(self._run_id, lost=True)
        await trio.sleep(REATTACH_SECONDS)  # a lost run has a status now: it is read to its end like any other
        return None

    async def _serve(self, held: HeldAgent) -> RunStatus:
        """One connection, from HELLO to the end of the run. Raises ShimLost when the connection breaks."""
        self._held = held
        already = tuple(seq for seq in sorted(self._frames) if seq <= held.last_seq)
        self._unsent = deque(self._frames[seq] for seq in sorted(self._frames) if seq > held.last_seq)
        await self._acknowledge(already)
        try:
            async with trio.open_nursery() as nursery:
                acks_done = trio.Event()
                nursery.start_soon(self._stop_when_told, held)
                nursery.start_soon(self._write_forever, held)
                nursery.start_soon(self._read_acks, held, acks_done)
                status = await self._read(held)
                with trio.move_on_after(LAST_ACKS_SECONDS):
                    await acks_done.wait()
                nursery.cancel_scope.cancel()
        except* ShimLost as group:
            raise ShimLost(str(group.exceptions[0])) from group
        return status

    async def _read(self, held: HeldAgent) -> RunStatus:
        while True:
            if self._catch_up and held.backlog == 0:
                self._catch_up = False
                await self._tell(CaughtUp())
            got = await held.read()
            if isinstance(got, RunStatus):
                return got
            # Before the report: the actor deals with it even when we are cut off while waiting, and a second
            # attach from the old cursor would feed it the same lines again.
            self._cursor = got.cursor
            await self._tell(Heard(got))

    async def _read_acks(self, held: HeldAgent, done: trio.Event) -> None:
        try:
            while True:
                await self._acknowledge((await held.next_ack(),))
        except ShimLost:
            done.set()  # the reader of the journal decides what it means

    async def _acknowledge(self, seqs: tuple[int, ...]) -> None:
        known = tuple(seq for seq in seqs if seq in self._frames)
        if known:
            await self._tell(Acked(known))
            for seq in known:
                del self._frames[seq]

    async def _stop_when_told(self, held: HeldAgent) -> None:
        await self._stop.wait()
        assert self._stop_grace is not None
        with trio.move_on_after(STOP_SENT_SECONDS) as scope:
            await held.stop(self._stop_grace)
        if scope.cancelled_caught:
            raise ShimLost("the agent takes no input: stopping it over a fresh connection")

    async def _kill_when_overdue(self) -> None:
        await self._stop.wait()
        assert self._stop_grace is not None
        await trio.sleep(self._stop_grace + KILL_MARGIN_SECONDS)
        log.warning("the shim does not end its run: both are killed", run=self._run_id)
        await self._host.kill(self._run_id)

    async def _write_forever(self, held: HeldAgent) -> None:
        while not self._stop.is_set():
            news = self._news
            if self._unsent:
                frame = self._unsent.popleft()
                await held.send(frame.outbox_seq, frame.data)
            else:
                await news.wait()

    async def release(self, committed: int) -> None:
        """Give back journal space below what is committed, now and then."""
        if committed - self._released >= RELEASE_BYTES:
            self._released = committed
            await self._host.release(self._run_id, committed)

    def _ring(self) -> None:
        news, self._news = self._news, trio.Event()
        news.set()


def _stopped(run_id: RunId, status: RunStatus) -> RunStopped:
    error = status.error
    if error is None and status.oom_kills and status.signal == signal.SIGKILL:
        error = "the kernel ended it: out of memory"
    return RunStopped(run_id, code=status.code, signal=status.signal, lost=status.lost, error=error)
