"""Migrations: forward only, one transaction each, and a copy of what was there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest

from tests.storage.logs import opened, titles, tool
from tetherd.errors import Misconfigured
from tetherd.storage import migrate
from tetherd.storage.database import FILE

FIRST = migrate._steps()
NEXT = max(FIRST) + 1
SECOND = "CREATE TABLE more (x); INSERT INTO more VALUES (1);"


async def test_an_older_database_is_brought_up_and_a_copy_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as store:
        await store.add(await store.create(), tool("before"))
    monkeypatch.setattr(migrate, "_steps", lambda: {**FIRST, NEXT: SECOND})
    for _ in range(2):
        async with opened(tmp_path) as store:
            assert await titles(store) == ["before"]
            assert await store.rows("more") == [(1,)]
    with closing(sqlite3.connect(tmp_path / f"{FILE}.before-{NEXT}")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (NEXT - 1,)
        assert copy.execute("SELECT count(*) FROM events").fetchone() == (2,)


async def test_a_step_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path) as store:
        await store.add(await store.create(), tool("before"))
    with monkeypatch.context() as patch:
        patch.setattr(migrate, "_steps", lambda: {**FIRST, NEXT: SECOND + "INSERT INTO nowhere VALUES (1);"})
        with pytest.raises(Misconfigured, match="nowhere"):
            async with opened(tmp_path):
                pass
    async with opened(tmp_path) as store:
        assert await titles(store) == ["before"]
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await store.rows("more")


async def test_a_new_database_needs_no_copy(tmp_path: Path) -> None:
    async with opened(tmp_path):
        pass
    assert [file.name for file in tmp_path.iterdir() if "before" in file.name] == []  # noqa: ASYNC240


def test_the_numbers_of_the_steps_have_no_hole() -> None:
    assert sorted(FIRST) == list(range(1, len(FIRST) + 1))
    files = [one.name for one in (resources.files("tetherd.storage") / "migrations").iterdir()]
    assert len([name for name in files if name.endswith(".sql")]) == len(FIRST), "two steps share a number"
