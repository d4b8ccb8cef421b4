"""The audit in the database: written with what it tells, never taken back, and whole or found out."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.domain.builders import APPROVE, OWNER, approval
from tests.domain.test_rules import NOON, rule
from tests.storage.logs import SID, opened
from tetherd.domain import events as ev
from tetherd.domain.approval import ByActor
from tetherd.domain.ids import Role
from tetherd.domain.modes import Mode
from tetherd.domain.rule import Effect
from tetherd.storage.audit import AuditStore
from tetherd.storage.database import FILE, Database
from tetherd.storage.grants import GrantStore
from tetherd.storage.tokens import TokenStore

ASKED = approval(command="make " + "x" * 9000)
DECIDED = (
    ev.ApprovalRequested(approval=ASKED),
    ev.RuleGranted(approval_id=ASKED.approval_id, rule=rule(Effect.ALLOW, "Bash", author=OWNER, made_at=NOON)),
    ev.ApprovalResolved(approval_id=ASKED.approval_id, answer=APPROVE, by=ByActor(actor=OWNER)),
    ev.VerdictDelivered(approval_id=ASKED.approval_id, outcome="delivered"),
    ev.ModeChanged(mode=Mode.AUTO, by=OWNER),
)


async def filled(database: Database) -> AuditStore:
    tokens = await TokenStore.open(database)
    view, _ = await tokens.create("laptop", Role.OBSERVER, None, OWNER)
    await tokens.revoke(view.token_id)
    grants = GrantStore(database)
    await grants.add(rule(Effect.ALLOW, "Bash(a)", made_at=NOON).model_copy(update={"rule_id": "g-1"}))
    await grants.end(["g-1"], NOON, "owner on cli")
    return AuditStore(database)


async def test_every_decision_rule_and_token_is_in_it_and_outlives_its_session(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.add(await store.create(), *DECIDED)
        other = approval("1").approval_id
        session = await store.add(session, ev.ApprovalWithdrawn(approval_id=other))
        audit = await filled(store.database)
        await store.add(session, ev.SessionDeleted(by=OWNER))
        await store.log.delete_session(SID)
        records = await audit.read(0)
        assert [record.kind for record in records] == [
            "rule_granted",
            "decided",
            "delivered",
            "mode_changed",
            "withdrawn",
            "token_created",
            "token_revoked",
            "rule_added",
            "rule_ended",
        ]
        decided = records[1].body
        assert decided["approval"]["digest"] == ASKED.digest()
        assert len(decided["approval"]["command"]) == 4000
        assert decided["by"]["actor"]["surface"] == "cli"
        assert "secret" not in str([record.body for record in records])
        assert await audit.read(7, 1) == records[7:8]
        found = await audit.verify(records[3].hash)
        assert (found.holds, found.records, found.anchored) == (True, 9, True)
        assert (await audit.head()).hash == records[-1].hash


async def test_an_append_that_fails_leaves_no_record(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        session = await store.create()
        await store.add(session, *DECIDED, key="once", urgent=True)
        with pytest.raises(sqlite3.IntegrityError):
            await store.add(session, *DECIDED, key="once", urgent=True)
        found = await AuditStore(store.database).verify()
        assert (found.holds, found.records) == (True, 4)


@pytest.mark.parametrize(
    ("damage", "number"),
    [
        ("UPDATE audit SET body = replace(body, 'make', 'fake') WHERE number = 2", 2),
        ("UPDATE audit SET body = '{' WHERE number = 3", 3),
        ("UPDATE audit SET body = ' ' || body WHERE number = 3", 3),
        ("UPDATE audit SET body = x'ff' WHERE number = 3", 3),
        ("UPDATE audit SET at = '' WHERE number = 1", 1),
        ("UPDATE audit SET kind = 'delivered' WHERE number = 2", 2),
        ("DELETE FROM audit WHERE number = 2", 3),
        ("DELETE FROM audit WHERE number > 2", 3),
        ("DELETE FROM audit", 1),
    ],
)
async def test_damage_is_found_at_the_first_link_that_does_not_fit(tmp_path: Path, damage: str, number: int) -> None:
    async with opened(tmp_path) as store:
        await store.add(await store.create(), *DECIDED)
    with closing(sqlite3.connect(tmp_path / FILE)) as raw:
        raw.execute(damage)
        raw.commit()
    async with opened(tmp_path) as store:
        audit = AuditStore(store.database)
        found = await audit.verify()
        assert found.broken is not None and found.broken.number == number
        await store.add(await store.create("s-2"), *DECIDED[-1:])
        assert not (await audit.verify()).holds  # what comes after it does not heal it
