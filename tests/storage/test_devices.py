"""Paired devices on disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tetherd.control import NotFound
from tetherd.domain.ids import Role
from tetherd.storage.database import open_database
from tetherd.storage.devices import IDLE_LIMIT, DeviceStore


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


async def test_a_device_is_known_after_a_restart_and_its_secrets_are_not_on_disk(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        made, cookie, key = await (await DeviceStore.open(database)).create("Pixel 8", Role.APPROVER)
    async with open_database(tmp_path) as database:
        store = await DeviceStore.open(database)
        assert store.authenticate(cookie, key) == made
        assert await store.list() == (made,)
    on_disk = _everything(tmp_path)
    assert made.device_id.encode() in on_disk
    assert cookie.encode() not in on_disk
    assert key.encode() not in on_disk


def _everything(directory: Path) -> bytes:
    return b"".join(file.read_bytes() for file in directory.rglob("*") if file.is_file())


async def test_both_halves_or_nothing(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        store = await DeviceStore.open(database)
        one, other = await store.create("one", Role.OWNER), await store.create("other", Role.OWNER)
        assert store.authenticate(one[1], one[2]) == one[0]
        for cookie, key in ((one[1], other[2]), (one[2], one[1]), ("", one[2]), (one[1], ""), ("\ud800", "\ud800")):
            assert store.authenticate(cookie, key) is None


async def test_a_revoked_one_is_out_also_after_a_restart(tmp_path: Path) -> None:
    async with open_database(tmp_path) as database:
        store = await DeviceStore.open(database)
        made, cookie, key = await store.create("lost", Role.OWNER)
        assert (await store.revoke(made.device_id)).revoked_at is not None
        assert store.authenticate(cookie, key) is None
        with pytest.raises(NotFound):
            await store.revoke("d-00000000")
    async with open_database(tmp_path) as database:
        assert (await DeviceStore.open(database)).authenticate(cookie, key) is None


async def test_who_is_away_for_ninety_days_is_not_let_in_and_who_comes_is(tmp_path: Path) -> None:
    clock = Clock()
    async with open_database(tmp_path) as database:
        store = await DeviceStore.open(database, clock)
        _, cookie, key = await store.create("used", Role.OWNER)
        _, idle_cookie, idle_key = await store.create("idle", Role.OWNER)
        clock.now += IDLE_LIMIT
        await store.saw(cookie)
        clock.now += timedelta(seconds=1)
        assert store.authenticate(cookie, key) is not None
        assert store.authenticate(idle_cookie, idle_key) is None
    async with open_database(tmp_path) as database:
        store = await DeviceStore.open(database, clock)
        assert store.authenticate(cookie, key) is not None
        assert [view.seen_at > view.created_at for view in await store.list()] == [True, False]
