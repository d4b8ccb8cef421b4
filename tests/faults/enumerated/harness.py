"""A daemon that dies at the k-th place of a story, comes back from its files, and is judged at the end.

The log is the real one on a disk; shims and clock are fakes. Database work runs inline and not in threads, so that
a seed is an interleaving and virtual time may jump.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from tests.fakes.agent_host import FakeHost, FakeShim, Machine, Script
from tetherd import control as ctl
from tetherd.agents.adapters.acp import AcpAdapter
from tetherd.agents.adapters.external import ExternalAdapter
from tetherd.control import Cursor, Delta, Entry, Outcome
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, Approval
from tetherd.domain.ids import Actor, InputId, Principal, Role, RunId, SessionId, Surface
from tetherd.domain.session import Session
from tetherd.errors import Rejected, Unavailable
from tetherd.runtime.supervisor import SessionSupervisor
from tetherd.runtime.world import World
from tetherd.storage.database import Database, open_database
from tetherd.storage.eventlog import Append, EventLog
from tetherd.storage.runs import RunStore
from tetherd.storage.views import Views

T = TypeVar("T")
Death = int | type[ev.Fact] | None
"""The number of a place, or an event that is committed and the last thing that happened."""
SID = SessionId("s-1")
APPROVE = Answer(decision="approve")
REJECT = Answer(decision="reject")
PATIENCE_SECONDS = 90.0
"""Virtual: whoever waits longer waits for ever."""
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def person(surface: Surface, role: Role = Role.OWNER) -> Actor:
    return Actor(principal=Principal(role=role, name="ada"), surface=surface)


CLI, PHONE = person("cli"), person("telegram")


def make_inline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what would go to a thread here and now."""

    async def run_sync(job: Callable[..., T], *args: Any, **_: Any) -> T:
        await trio.lowlevel.checkpoint()
        return job(*args)

    async def is_dir(path: trio.Path) -> bool:
        return Path(path).is_dir()  # noqa: ASYNC240 - that is the point

    monkeypatch.setattr(trio.to_thread, "run_sync", run_sync)
    monkeypatch.setattr(trio.Path, "is_dir", is_dir)  # it has a thread of its own, during which virtual time jumps


class Bomb:
    """Counts the places where a daemon can die, and kills it at number `at`, or once an event `after` is committed."""

    def __init__(self, at: int | None = None, after: type[ev.Fact] | None = None) -> None:
        self.at = at
        self.after = after
        self.places: list[str] = []
        self.is_gone = False
        self.scopes: list[trio.CancelScope] = []

    async def point(self, name: str) -> None:
        if not self.is_gone:
            self.places.append(name)
            if len(self.places) == self.at:
                self.blow()
        if self.is_gone:
            await trio.sleep_forever()  # the dead do nothing more; their scope has been cancelled

    def blow(self) -> None:
        self.is_gone = True
        for scope in self.scopes:
            scope.cancel()

    @contextmanager
    def reach(self) -> Iterator[None]:
        """What happens inside ends with the daemon."""
        with trio.CancelScope() as scope:
            self.scopes.append(scope)
            if self.is_gone:
                scope.cancel()
            yield
        self.scopes.remove(scope)


@dataclass
class Life:
    """One process of the daemon."""

    supervisor: SessionSupervisor
    world: World
    database: Database
    bomb: Bomb
    recovered: trio.Event = field(default_factory=trio.Event)


class Lab:
    """A machine with a data directory, on which daemons live one after the other."""

    def __init__(self, path: Path, script: Script, seed: int = 0) -> None:
        self.path = path
        self.machine = Machine(script)
        self.chance = random.Random(seed)
        self.bombs: list[Bomb] = []
        self.life: Life | None = None
        self.changed = trio.Event()
        self._runs = 0

    # -- daemons ----------------------------------------------------------------------------------------------------

    async def live(self, bomb: Bomb, now: Callable[[], datetime] = lambda: NOON) -> None:
        """One life, until the bomb or for ever."""
        self.bombs.append(bomb)
        with bomb.reach():
            async with open_database(self.path) as database:
                _mine(database, bomb)
                log = await EventLog.open(database, now)
                _watched(log, bomb)
                world = World(
                    log=log,
                    views=Views(database),
                    runs=RunStore(database),
                    agents=FakeHost(self.machine, bomb.point, self.chance),
                    adapters={"acp": AcpAdapter(), "external": ExternalAdapter()},
                    settings={"acp": {"command": "agent"}},
                    fresh_run_id=self._fresh_run_id,
                )
                supervisor = SessionSupervisor(world, _describe, lambda: "acp")
                async with supervisor.running():
                    self.life = Life(supervisor, world, database, bomb)
                    self._ring()
                    await supervisor.recover()
                    self.life.recovered.set()
                    self._ring()
                    await trio.sleep_forever()
        self.life = None
        self._ring()

    async def live_through(self, *deaths: Death) -> None:
        """A life for each death, and then one after the other."""
        for death in deaths:
            await self.live(Bomb(after=death) if isinstance(death, type) else Bomb(death))
        while True:
            await self.live(Bomb())

    @asynccontextmanager
    async def running(self, *deaths: Death) -> AsyncIterator[None]:
        with trio.fail_after(PATIENCE_SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.live_through, *deaths)
                yield
                nursery.cancel_scope.cancel()

    async def crash(self) -> None:
        """Kill the daemon now, and wait until the next one has recovered."""
        life = await self.ready()
        life.bomb.blow()
        await self.until(lambda: self.life is not life)
        await self.ready()

    async def now(self) -> Life:
        await self.until(lambda: self.life is not None)
        assert self.life is not None
        return self.life

    async def ready(self) -> Life:
        await self.until(lambda: self.life is not None and self.life.recovered.is_set())
        assert self.life is not None
        return self.life

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            await self.changed.wait()

    # -- what people do -----------------------------------------------------------------------------------------------

    async def submit(self, command: cmd.Command | cmd.CreateSession) -> Outcome | Rejected:
        """As a client does: again until there is an answer."""
        while True:
            life = await self.now()
            with life.bomb.reach():
                try:
                    return await life.supervisor.submit(command)
                except Unavailable:
                    pass
                except Rejected as no:
                    return no
            await trio.sleep(0.01)

    async def ask(self, query: ctl.Query[T]) -> T:
        while True:
            life = await self.now()
            with life.bomb.reach():
                try:
                    return await life.supervisor.ask(query)
                except Unavailable:
                    pass
            await trio.sleep(0.01)

    async def create(self, **more: Any) -> None:
        """With a look first, as a create without a key is not to be repeated blindly."""
        while not await self.ask(ctl.ListSessions()):
            fields = {"session_id": SID, "by": CLI, "name": "work", "adapter": "acp", "external": False}
            life = await self.now()
            with life.bomb.reach(), suppress(Unavailable):
                await life.supervisor.submit(cmd.CreateSession(**fields | {"directory": str(self.path)} | more))
            await trio.sleep(0.01)

    async def send(self, text: str, by: Actor = CLI) -> Outcome | Rejected:
        return await self.submit(
            cmd.SendInput(session_id=SID, by=by, key=text, input_id=InputId(f"i-{text}"), text=text)
        )

    async def answer(
        self, approval: Approval, answer: Answer = APPROVE, by: Actor = CLI, key: str | None = None
    ) -> Outcome | Rejected:
        return await self.submit(
            cmd.AnswerApproval(session_id=SID, by=by, key=key, approval_id=approval.approval_id, answer=answer)
        )

    async def hesitate(self) -> None:
        for _ in range(self.chance.randrange(12)):
            await trio.lowlevel.checkpoint()

    # -- what has become of it -------------------------------------------------------------------------------------------

    async def entries(self) -> tuple[Entry, ...]:
        return await self.ask(ctl.ReadEvents(0, limit=100_000, whole=True))

    async def events(self, *kinds: type[ev.Fact]) -> list[Any]:
        return [event for entry in await self.entries() if isinstance(event := entry.event(), kinds or (ev.Fact,))]

    async def session(self) -> Session:
        return (await self.ask(ctl.GetSession(SID))).session

    async def wait_for(self, kind: type[ev.Fact], count: int = 1) -> list[Any]:
        """The events of a kind, once there are so many; looked up again and again, over crashes."""
        while len(found := await self.events(kind)) < count:  # noqa: ASYNC110 - a crash rings no bell
            await trio.sleep(0.05)
        return found

    async def wait_until(self, true: Callable[[], Any]) -> None:
        """Until something outside the daemon is true."""
        while not true():  # noqa: ASYNC110 - as above
            await trio.sleep(0.05)

    async def open_approval(self) -> Approval:
        while not (found := await self.ask(ctl.ListApprovals())):  # noqa: ASYNC110 - a crash rings no bell
            await trio.sleep(0.05)
        return found[0].approval

    def shim(self, number: int = 1) -> FakeShim:
        return self.machine.shims[RunId(f"r-{number}")]

    def _fresh_run_id(self) -> RunId:
        """The next number that no run has; a daemon draws one for each command."""
        return RunId(f"r-{len(self.machine.shims) + len(self.machine.forgotten) + 1}")

    def _ring(self) -> None:
        changed, self.changed = self.changed, trio.Event()
        changed.set()


class Follower:
    """A surface that keeps its cursor over every crash."""

    def __init__(self, lab: Lab) -> None:
        self.seqs: list[int] = []
        self.deltas: list[Delta] = []
        self._lab = lab

    async def run(self) -> None:
        epoch: str | None = None
        while True:
            life = await self._lab.now()
            with life.bomb.reach():
                cursor = Cursor(self.seqs[-1] if self.seqs else 0, epoch)
                async with life.supervisor.follow(cursor) as batches:
                    epoch = life.world.log.epoch
                    async for batch in batches:
                        self.seqs += [one.seq for one in batch if isinstance(one, Entry)]
                        self.deltas += [one for one in batch if isinstance(one, Delta)]
            await trio.sleep(0.01)


def _mine(database: Database, bomb: Bomb) -> None:
    """Every commit is a place to die at, before it and after."""
    write = database.write

    async def mined(job: Any, **more: Any) -> Any:
        await bomb.point("before a commit")
        result = await write(job, **more)
        await bomb.point("after a commit")
        return result

    database.write = mined


def _watched(log: EventLog, bomb: Bomb) -> None:
    append = log.append

    async def watched(what: Append) -> Sequence[Entry]:
        entries = await append(what)
        if bomb.after is not None and any(isinstance(event, bomb.after) for event in what.events):
            bomb.blow()
            await trio.sleep_forever()
        return entries

    log.append = watched


def _describe(pending: int, counts: dict[Any, int]) -> ctl.DaemonStatus:
    raise NotImplementedError


def make_repeatable(seed: int) -> None:
    """Trio runs what is ready in an order that it draws; from here on the seed decides it."""
    trio._core._run._r.seed(seed)
