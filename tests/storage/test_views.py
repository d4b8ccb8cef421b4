"""The views: true after every append, and made anew from the log to the byte."""

from __future__ import annotations

import base64
from pathlib import Path
from sqlite3 import Connection

import pytest

from tests.domain.builders import APPROVE, OWNER, RUN, approval
from tests.storage.logs import OTHER, SID, Store, opened, text
from tetherd.control import ListApprovals, ListSessions, NotFound
from tetherd.domain import events as ev
from tetherd.domain.approval import ByActor
from tetherd.domain.effects import Prompt
from tetherd.domain.ids import InputId, Role, approval_id_for
from tetherd.domain.images import Image
from tetherd.domain.session import SessionState, evolve
from tetherd.storage.eventlog import Append
from tetherd.storage.rows import VIEWS
from tetherd.storage.tokens import TokenStore

ASKED = approval()
SECOND = approval("1")
BY = ByActor(actor=OWNER)


async def story(store: Store) -> None:
    """Two sessions with something of everything."""
    session = await store.create(name="100 % of it")
    session = await store.add(session, ev.SessionStarted(run_id=RUN, by=OWNER), ev.AgentReady())
    session = await store.add(
        session, ev.InputAccepted(input_id=InputId("i-1"), text="go" * 50_000, by=OWNER), urgent=True
    )
    session = await store.add(session, ev.TurnStarted(cause="input", input_id=InputId("i-1")), text("hi"))
    session = await store.add(session, ev.ApprovalRequested(approval=ASKED), ev.ApprovalRequested(approval=SECOND))
    session = await store.add(session, ev.ApprovalResolved(approval_id=ASKED.approval_id, answer=APPROVE, by=BY))
    session = await store.add(
        session, ev.OutputUnrecognised(head="?", size=1, why="x"), ev.SessionRenamed(name="new_name", by=OWNER)
    )
    other = await store.create(OTHER, external=True, adapter="external", directory=None)
    other = await store.add(other, ev.InputAccepted(input_id=InputId("i-2"), text="one", by=OWNER))
    await store.add(
        other,
        ev.InputAccepted(input_id=InputId("i-3"), text="two", by=OWNER),
        ev.InputDelivered(input_id=InputId("i-3")),
    )


async def test_views_made_anew_are_the_same_to_the_byte(tmp_path: Path) -> None:
    def dump(db: Connection) -> list[list[tuple[object, ...]]]:
        return [db.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in VIEWS]

    async with opened(tmp_path) as store:
        await story(store)
        before = await store.database.read(dump)
        await store.views.rebuild()
        assert await store.database.read(dump) == before
        assert all(before)


async def test_sessions_are_found_by_state_and_name_in_pages(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await story(store)
        everything = await store.views.sessions(ListSessions())
        assert [view.session.session_id for view in everything] == [OTHER, SID]
        page = await store.views.sessions(ListSessions(before=everything[0].first_seq))
        assert [view.session.session_id for view in page] == [SID]
        asked = await store.views.sessions(ListSessions(states=frozenset({SessionState.AWAITING_APPROVAL})))
        assert [view.session.session_id for view in asked] == [SID]
        for search, found in (("NEW_", 1), ("newxname", 0), ("%", 0), ("", 2)):
            assert len(await store.views.sessions(ListSessions(search=search or None))) == found, search
        assert await store.views.counts() == {SessionState.AWAITING_APPROVAL: 1, SessionState.CREATED: 1}


async def test_approvals_and_their_fate(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await story(store)
        assert await store.views.pending_approvals() == 1
        (pending,) = await store.views.approvals(ListApprovals())
        assert (pending.approval, pending.state, pending.session_name) == (SECOND, "pending", "new_name")
        (closed,) = await store.views.approvals(ListApprovals(pending=False, session_id=SID))
        assert closed.resolution is not None
        assert (closed.resolution.answer, closed.resolution.by) == (APPROVE, BY)
        known = await store.views.closed_approval(SID, ASKED.approval_id)
        assert known is not None and known.resolution == closed.resolution
        assert await store.views.closed_approval(OTHER, ASKED.approval_id) is None
        assert await store.views.closed_approval(SID, approval_id_for(RUN, "9")) is None


async def test_inputs_are_whole_and_known_to_be_polled(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await story(store)
        prompts = await store.views.prompts([InputId("i-1"), InputId("i-2")])
        assert {key: prompt.text for key, prompt in prompts.items()} == {"i-1": "go" * 50_000, "i-2": "one"}
        inputs, verdicts = await store.views.polled(OTHER, store.log.last_seq)
        assert (inputs, verdicts) == (("i-2",), ())
        assert await store.views.polled(OTHER, 1) == ((), ())
        assert (await store.views.polled(SID, store.log.last_seq))[1] == (ASKED.approval_id,)
        assert await store.views.newest_unrecognised(SID, 5) == ("?",)


async def test_tokens_are_kept_as_hashes_and_revoked_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        tokens = await TokenStore.open(store.database, ["root-secret-of-the-settings"])
        view, secret = await tokens.create("phone", Role.OBSERVER, None, OWNER)
        assert tokens.authenticate(secret) is not None
        root = tokens.authenticate("root-secret-of-the-settings")
        assert root is not None and (root.role, root.name) == (Role.OWNER, "root token")
        assert tokens.authenticate("\ud800") is None
    assert secret.encode() not in (tmp_path / "tether.db").read_bytes()
    async with opened(tmp_path) as store:
        tokens = await TokenStore.open(store.database)
        known = tokens.authenticate(secret)
        assert known is not None and known.role is Role.OBSERVER
        revoked = await tokens.revoke(view.token_id)
        assert revoked.revoked_at is not None
        assert tokens.authenticate(secret) is None
        assert [one.token_id for one in await tokens.list()] == [view.token_id]
    async with opened(tmp_path) as store:
        assert (await TokenStore.open(store.database)).authenticate(secret) is None


async def test_images_lie_beside_the_log_and_come_back_with_the_prompt(tmp_path: Path) -> None:
    image = Image(media_type="image/png", data=base64.b64encode(b"\x89PNG" * 1000).decode())
    async with opened(tmp_path) as store:
        await story(store)
        asked = ev.InputAccepted(input_id=InputId("i-9"), text="look", by=OWNER, images=(image.ref,))
        session = (await store.views.session(SID)).session
        await store.log.append(Append(session=evolve(session, asked), events=(asked,), images=(image,)))
        assert await store.views.prompts([InputId("i-9")]) == {"i-9": Prompt(InputId("i-9"), "look", (image,))}
        assert await store.views.image(SID, image.ref.sha256) == (image.ref, image.content)
        for session_id, sha256 in ((OTHER, image.ref.sha256), (SID, "0" * 64)):
            with pytest.raises(NotFound):
                await store.views.image(session_id, sha256)
