"""A bridge's part of the store: one commit, one message for each key, nothing sent twice unmarked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tetherd.bridge import Button, Change, Outgoing
from tetherd.control import Cursor
from tetherd.domain.ids import SessionId
from tetherd.storage.bridge_state import DELIVERED_KEPT, BridgeStore
from tetherd.storage.database import Database, open_database

LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_database(tmp_path) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> BridgeStore:
    return BridgeStore(database, "telegram")


def message(key: str, body: str = "{}", **more: object) -> Outgoing:
    return Outgoing(key=key, lane="-1", body=body, **more)  # type: ignore[arg-type]


async def test_a_step_is_written_whole_or_not_at_all(store: BridgeStore) -> None:
    button = Button(token="t", press={}, expires_at=LATER)
    await store.commit(Change(post=[message("a", buttons=(button,))]))
    step = Change(
        cursor=Cursor(5, "e"), heard=["u1"], remember={"x": 1}, post=[message("b", buttons=(button,))]
    )  # the token is taken
    with pytest.raises(Exception, match="UNIQUE"):
        await store.commit(step)
    assert (await store.cursor(), await store.has_heard("u1"), await store.recall()) == (None, False, {})
    assert await store.owed() == 1


async def test_two_bridges_do_not_see_each_other(database: Database, store: BridgeStore) -> None:
    other = BridgeStore(database, "slack")
    await store.commit(Change(cursor=Cursor(1, "e"), heard=["u1"], remember={"x": [1]}, post=[message("a")]))
    assert (await other.cursor(), await other.has_heard("u1"), await other.recall()) == (None, False, {})
    assert await other.lanes() == ()
    assert await store.recall() == {"x": [1]} and await store.cursor() == Cursor(1, "e")


async def test_a_known_key_is_changed_and_keeps_its_place(store: BridgeStore) -> None:
    await store.commit(Change(post=[message("a", '"1"'), message("b")]))
    await store.commit(Change(post=[message("a", '"2"')]))
    first = await store.next_owed("-1")
    assert first is not None and (first.key, first.body, first.version, first.ref) == ("a", '"2"', 2, None)
    await store.begin("a")
    await store.delivered("a", 1, "100")
    again = await store.next_owed("-1")
    assert again is not None and (again.key, again.ref) == ("a", "100"), "it changed while it was on its way"
    await store.delivered("a", 2, "100")
    second = await store.next_owed("-1")
    assert second is not None and second.key == "b"


async def test_what_was_begun_and_not_settled_is_in_doubt(store: BridgeStore) -> None:
    await store.commit(Change(post=[message("a")]))
    assert not (await store.next_owed("-1") or pytest.fail()).is_doubtful
    await store.begin("a")
    assert (await store.next_owed("-1") or pytest.fail()).is_doubtful, "this life or another one ended here"
    await store.not_posted("a")
    assert not (await store.next_owed("-1") or pytest.fail()).is_doubtful
    await store.begin("a")
    await store.begin("a")
    await store.not_posted("a")
    assert (await store.next_owed("-1") or pytest.fail()).is_doubtful, "the first try may have worked"


async def test_a_message_is_withdrawn_only_if_nobody_can_have_seen_it(store: BridgeStore) -> None:
    await store.commit(Change(post=[message("a"), message("b")]))
    await store.begin("b")
    await store.commit(Change(withdraw=["a", "b"]))
    assert await store.owed() == 1
    assert (await store.next_owed("-1") or pytest.fail()).key == "b"


async def test_a_deleted_session_takes_its_messages_and_buttons_along(store: BridgeStore) -> None:
    session_id = SessionId("s-1")
    button = Button(token="t", press={"do": "x"}, expires_at=LATER)
    await store.commit(Change(post=[message("a", session_id=session_id, buttons=(button,)), message("b")]))
    assert (await store.pressed("t") or pytest.fail()).press == {"do": "x"}
    await store.commit(Change(forget_session=[session_id]))
    assert await store.pressed("t") is None and await store.owed() == 1


async def test_a_reply_finds_its_session(store: BridgeStore) -> None:
    await store.commit(Change(post=[message("a", session_id=SessionId("s-1"))]))
    await store.delivered("a", 1, "100")
    assert await store.session_of("-1", "100") == "s-1"
    await store.move_lane("-1", "-2")
    assert await store.session_of("-2", "100") == "s-1" and await store.session_of("-1", "100") is None


async def test_delivered_messages_are_forgotten_in_the_end(store: BridgeStore) -> None:
    await store.commit(Change(post=[message("kept", is_kept=True), message("first")]))
    await store.delivered("kept", 1, "1")
    await store.delivered("first", 1, "2")
    await store.commit(Change(post=[message(f"m{n}") for n in range(DELIVERED_KEPT + 1)]))
    await store.delivered("m0", 1, "3")
    await store.delivered(f"m{DELIVERED_KEPT}", 1, "4")
    await store.commit(Change(post=[message("kept", '"new"'), message("first")]))
    found = dict(await _refs(store))
    assert found["kept"] == "1" and found["first"] is None


async def _refs(store: BridgeStore) -> list[tuple[str, str | None]]:
    return await store._database.read(lambda db: db.execute("SELECT key, ref FROM bridge_messages").fetchall())
