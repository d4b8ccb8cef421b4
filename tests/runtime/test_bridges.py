"""Bridges in their restart scopes: what one does, the others do not notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.fakes.control import FakeControl
from tests.fakes.rules import FakeRules
from tests.fakes.sync_database import SyncDatabase
from tetherd.bridge import BridgeFinding, BridgePort, Change
from tetherd.control import BridgeOff, Cursor, NotFound
from tetherd.errors import Fatal, Misconfigured, Unavailable
from tetherd.runtime.bridges import END_SECONDS, PAIRING, BridgeHost, BridgeWorld
from tetherd.settings import Setting
from tetherd.storage.bridge_state import BridgeStore


class Plug:
    """A bridge that does as it is told. `lives` counts its starts, `beats` what it has done."""

    required: Sequence[str] = ("token",)

    def __init__(self, name: str, *failures: BaseException) -> None:
        self.name = name
        self.settings: Sequence[Setting] = (
            Setting(f"{name.upper()}_TOKEN", "token", "secret", "", "Its token.", str, secret=True),
        )
        self.failures = list(failures)
        self.lives = self.beats = 0
        self.hangs = False
        self.let_go = trio.Event()

    async def run(self, port: BridgePort) -> None:
        self.lives += 1
        try:
            if self.failures:
                raise self.failures.pop(0)
            while True:
                await trio.sleep(1)
                self.beats += 1
        finally:
            if self.hangs:
                with trio.CancelScope(shield=True):
                    await self.let_go.wait()

    async def check(self, port: BridgePort) -> Sequence[BridgeFinding]:
        if self.failures:
            raise self.failures.pop(0)
        return [BridgeFinding(f"{self.name} is content", True)]


@pytest.fixture
def world() -> BridgeWorld:
    database = SyncDatabase()
    return BridgeWorld(
        rules=FakeRules(FakeControl()),
        state_for=lambda name: BridgeStore(cast(Any, database), name),
        newest=lambda: 100,
        directories=(),
        adapters=frozenset({"demo"}),
        default_adapter="demo",
        data_dir=Path("/nowhere"),
    )


def host_of(world: BridgeWorld, *plugs: Plug) -> BridgeHost:
    return BridgeHost({plug.name: plug for plug in plugs}, world)


def tokens(*plugs: Plug) -> Mapping[str, Mapping[str, Any]]:
    return {plug.name: {"token": "t"} for plug in plugs}


async def test_one_that_raises_is_started_again_and_its_sibling_goes_on(
    autojump_clock: MockClock, world: BridgeWorld
) -> None:
    bad, good = Plug("bad", Unavailable("away"), ValueError("a bug")), Plug("good")
    host = host_of(world, bad, good)
    async with host.running(FakeControl(), tokens(bad, good)):
        await trio.sleep(60)
        assert bad.lives == 3 and good.lives == 1 and good.beats >= 59
        view = (await host.list())[0]
        assert (view.name, view.failures, view.trouble) == ("bad", 2, "a bug")


async def test_one_that_a_person_must_mend_is_parked(autojump_clock: MockClock, world: BridgeWorld) -> None:
    bad, good = Plug("bad", Misconfigured("the token was revoked")), Plug("good")
    host = host_of(world, bad, good)
    async with host.running(FakeControl(), tokens(bad, good)):
        await trio.sleep(60)
        parked, running = await host.list()
        assert (parked.state, parked.trouble, bad.lives) == ("parked", "the token was revoked", 1)
        assert running.state == "running" and good.beats >= 59


async def test_one_that_hangs_in_its_cleanup_is_left_behind(autojump_clock: MockClock, world: BridgeWorld) -> None:
    bad, good = Plug("bad"), Plug("good")
    bad.hangs = True
    host = host_of(world, bad, good)
    async with host.running(FakeControl(), tokens(bad, good)):
        await trio.sleep(10)
        began = trio.current_time()
        await host.apply(tokens(good))
        assert trio.current_time() - began <= END_SECONDS < 5
        assert [view.state for view in await host.list()] == ["off", "running"]
        beats = good.beats
        await trio.sleep(10)
        assert good.beats >= beats + 9 and good.lives == 1
    assert host.left_behind == ["bad"]
    bad.let_go.set()
    await wait_all_tasks_blocked()


async def test_settings_that_change_restart_what_they_are_about(autojump_clock: MockClock, world: BridgeWorld) -> None:
    one, other = Plug("one"), Plug("other")
    host = host_of(world, one, other)
    async with host.running(FakeControl(), tokens(one)):
        await trio.sleep(5)
        assert [view.state for view in await host.list()] == ["running", "off"]
        await host.apply({"one": {"token": "t"}, "other": {"token": "t"}})
        await trio.sleep(5)
        assert (one.lives, other.lives) == (1, 1)
        await host.apply({"one": {"token": "new"}, "other": {"token": "t"}})
        await trio.sleep(5)
        assert (one.lives, other.lives) == (2, 1)


async def test_fatal_climbs(autojump_clock: MockClock, world: BridgeWorld) -> None:
    bad = Plug("bad", Fatal("the disk"))
    with pytest.raises(ExceptionGroup) as group:
        async with host_of(world, bad).running(FakeControl(), tokens(bad)):
            await trio.sleep(60)
    assert group.group_contains(Fatal, depth=None)


async def test_what_is_off_can_neither_be_checked_nor_paired(autojump_clock: MockClock, world: BridgeWorld) -> None:
    host = host_of(world, Plug("one"))
    async with host.running(FakeControl(), {}):
        with pytest.raises(BridgeOff, match="set ONE_TOKEN"):
            await host.check("one")
        with pytest.raises(NotFound):
            await host.pair("two")


async def test_a_check_that_fails_is_a_finding(autojump_clock: MockClock, world: BridgeWorld) -> None:
    one = Plug("one")
    host = host_of(world, one)
    async with host.running(FakeControl(), tokens(one)):
        await trio.sleep(1)
        assert await host.check("one") == (BridgeFinding("one is content", True),)
        one.failures = [Unavailable("no route")]
        assert await host.check("one") == (BridgeFinding("one answers", False, "no route"),)


async def test_lag_and_pairing(autojump_clock: MockClock, world: BridgeWorld) -> None:
    one = Plug("one")
    host, state = host_of(world, one), world.state_for("one")
    async with host.running(FakeControl(), tokens(one)):
        await state.commit(Change(cursor=Cursor(40, "e")))
        assert (await host.list())[0].lag == 60
        first, second = await host.pair("one"), await host.pair("one")
        assert first.code != second.code and len(second.code) >= 8
        remembered = (await state.recall())[PAIRING]
        assert isinstance(remembered, dict) and remembered["code"] == second.code
