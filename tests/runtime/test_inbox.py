"""An actor's inbox: two lanes, nothing dropped."""

from __future__ import annotations

import pytest
import trio

from tetherd.runtime.inbox import ActorGone, Inbox


async def test_commands_come_first_and_each_lane_keeps_its_order() -> None:
    inbox: Inbox[str, None] = Inbox()
    for word in ("r1", "r2"):
        inbox.report(word)
    for word in ("c1", "c2"):
        inbox.command(word)
    assert [(await inbox.take()).item for _ in range(4)] == ["c1", "c2", "r1", "r2"]
    assert inbox.is_empty()


async def test_a_lane_that_is_not_wanted_waits() -> None:
    inbox: Inbox[str, None] = Inbox()
    inbox.command("c")
    inbox.report("r")
    assert (await inbox.take(commands=False)).item == "r"
    assert (await inbox.take(reports=False)).item == "c"


async def test_the_answer_reaches_whoever_asked() -> None:
    inbox: Inbox[str, int] = Inbox()
    answers: list[int] = []

    async def ask(word: str) -> None:
        answers.append(await inbox.command(word).wait())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "one")
        slot = await inbox.take()
        slot.answer(1)
    assert answers == [1]
    failed = inbox.command("two")
    (await inbox.take()).fail(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        await failed.wait()


async def test_closing_fails_all_that_waits_and_all_that_comes() -> None:
    inbox: Inbox[str, None] = Inbox()
    waiting = inbox.command("a")
    inbox.close(ActorGone("gone"))
    for slot in (waiting, inbox.report("b")):
        with pytest.raises(ActorGone):
            await slot.wait()


async def test_whoever_stops_waiting_leaves_the_item_behind() -> None:
    inbox: Inbox[str, None] = Inbox()
    with trio.move_on_after(0):
        await inbox.command("a").wait()
    assert (await inbox.take()).item == "a"
