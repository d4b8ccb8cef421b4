"""The rule book: the file, grants, and clocks that lie."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.domain.builders import OWNER
from tests.faults.enumerated.harness import make_inline
from tetherd.control import NotFound
from tetherd.domain.ids import SessionId
from tetherd.domain.rule import Effect, Rule
from tetherd.runtime.rulebook import LOOK_SECONDS, NotAGrant, RuleBook
from tetherd.storage.database import open_database
from tetherd.storage.grants import GrantStore

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BROKEN = "[[rule]]\nalow = 'Bash'\n"


class Clock:
    """Wall clock and newest entry of the log, as a test sets them."""

    def __init__(self) -> None:
        self.wall = NOON
        self.newest: datetime | None = None


@asynccontextmanager
async def opened(path: Path, clock: Clock | None = None) -> AsyncIterator[RuleBook]:
    clock = clock or Clock()
    async with open_database(path / "data") as database:
        book = RuleBook(GrantStore(database), path / "policy.toml", newest=lambda: clock.newest, now=lambda: clock.wall)
        await book.open()
        yield book


def allow(tool: str = "Bash(make)", **more: object) -> Rule:
    return Rule.model_validate({"rule_id": "new", "effect": Effect.ALLOW, "tool": tool, "author": OWNER, **more})


def texts(book: RuleBook) -> list[str]:
    return [str(rule) for rule in book.rules.all]


async def test_grants_are_there_again_after_a_restart_and_ended_ones_are_not(tmp_path: Path) -> None:
    async with opened(tmp_path) as book:
        kept, ended = await book.add(allow("Bash(a)")), await book.add(allow("Bash(b)"))
        assert kept.made_at == NOON
        assert await book.end(ended.rule_id, OWNER) == ended
        assert texts(book) == ["allow Bash(a)"]
        with pytest.raises(NotFound):
            await book.end(ended.rule_id, OWNER)
    async with opened(tmp_path) as book:
        assert book.rules.all == (kept,)


async def test_rules_of_the_file_are_ended_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("[[rule]]\nallow = 'Bash(a)'\n")
    async with opened(tmp_path) as book:
        with pytest.raises(NotAGrant, match=r"policy\.toml"):
            await book.end("line-1", OWNER)


async def test_a_broken_file_leaves_the_last_good_one_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("[[rule]]\ndeny = 'Bash(a)'\n")
    async with opened(tmp_path) as book:
        assert (book.fault, book.is_good) == (None, True)
        path.write_text(BROKEN)
        await book.reload()
        assert book.fault == f"{path}, line 1: alow is not known: did you mean allow?"
        assert (texts(book), book.is_good) == (["deny Bash(a)"], True)
    async with opened(tmp_path) as book:
        assert book.fault is not None
        assert (texts(book), book.is_good) == (["deny Bash(a)"], True)
        path.write_text("[[rule]]\ndeny = 'Bash(b)'\n")
        await book.reload()
        assert (book.fault, texts(book)) == (None, ["deny Bash(b)"])


async def test_none_that_was_ever_good_is_said_until_there_is_one(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(BROKEN)
    for _ in range(2):
        async with opened(tmp_path) as book:
            assert not (await book.policy()).is_good
    async with opened(tmp_path) as book:
        path.unlink()
        await book.reload()
        assert (await book.policy()).is_good


async def test_the_file_is_read_when_it_changes(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_inline(monkeypatch)
    path, changes = tmp_path / "policy.toml", trio.Event()
    seen: list[list[str]] = []

    async def changed() -> None:
        nonlocal changes
        seen.append(texts(book))
        changes.set()
        changes = trio.Event()

    async with opened(tmp_path) as book, trio.open_nursery() as nursery:
        nursery.start_soon(book.watch, changed)
        for text in ("[[rule]]\nask = 'Bash(a)'\n", BROKEN):
            waiting = changes
            draft = path.with_name("draft")
            draft.write_text(text)
            os.replace(draft, path)
            with trio.fail_after(LOOK_SECONDS * 1000):
                await waiting.wait()
        assert seen == [["ask Bash(a)"], ["ask Bash(a)"]]
        assert book.fault is not None
        nursery.cancel_scope.cancel()


async def test_time_never_goes_back_by_little(tmp_path: Path) -> None:
    clock = Clock()
    async with opened(tmp_path, clock) as book:
        await book.add(allow(expires_at=NOON + timedelta(seconds=3)))
        clock.wall = NOON + timedelta(seconds=4)
        assert book.now() == clock.wall
        clock.wall = NOON
        policy = await book.policy()
        assert policy.now == NOON + timedelta(seconds=4)
        assert len(policy.rules.all) == 1


async def test_what_the_log_knows_is_never_unknown(tmp_path: Path) -> None:
    clock = Clock()
    clock.newest = NOON + timedelta(minutes=4)
    async with opened(tmp_path, clock) as book:
        assert (await book.policy()).now == clock.newest


@pytest.mark.parametrize("from_log", [True, False])
async def test_a_clock_that_goes_back_far_ends_timed_grants(tmp_path: Path, from_log: bool) -> None:
    clock = Clock()
    if from_log:
        clock.newest = NOON + timedelta(hours=1)
    async with opened(tmp_path, clock) as book:
        await book.add(allow("Bash(timed)", expires_at=NOON + timedelta(days=1)))
        await book.add(allow("Bash(for good)"))
        clock.wall = NOON - timedelta(minutes=6)
        policy = await book.policy()
        assert [rule.tool for rule in policy.rules.all] == ["Bash(for good)"]
        assert policy.now == clock.wall
        await book.add(allow("Bash(later)", expires_at=clock.wall + timedelta(hours=1)))
        assert len((await book.policy()).rules.all) == 2  # the old entry of the log ends nothing twice
    async with opened(tmp_path, clock) as book:
        assert {rule.tool for rule in book.rules.all} == {"Bash(for good)", "Bash(later)"}


async def test_a_session_takes_its_rules_along(tmp_path: Path) -> None:
    async with opened(tmp_path) as book:
        await book.add(allow("Bash(a)", session_id="s-1"))
        await book.add(allow("Bash(b)"))
        await book.session_deleted(SessionId("s-1"))
        assert texts(book) == ["allow Bash(b)"]
    async with opened(tmp_path) as book:
        assert texts(book) == ["allow Bash(b)"]
