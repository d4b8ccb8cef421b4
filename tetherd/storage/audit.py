"""The audit: who decided what, chained, written in the transaction of the decision."""

from __future__ import annotations

import json
from collections.abc import Iterable
from sqlite3 import Connection
from typing import Any

from tetherd.domain import events as ev
from tetherd.domain.approval import Approval
from tetherd.domain.audit import START, AuditRecord, Check, Head, Verdict, canonical
from tetherd.domain.ids import SessionId
from tetherd.storage.chain import write_audit
from tetherd.storage.database import Database
from tetherd.storage.rows import Told

PAGE = 1000
SHOWN_CHARACTERS = 4000
"""Of a command or a title: the digest is over all of it."""


def write_decisions(db: Connection, session_id: SessionId, told: Iterable[Told]) -> None:
    """What of these events the audit holds; their approvals are in the views already."""
    for one in told:
        about: dict[str, Any] = {"session_id": session_id, "seq": one.seq}
        match one.event:
            case ev.ApprovalResolved(approval_id=approval_id, answer=answer, by=by):
                about |= {"approval": _shown(db, approval_id), "by": by.model_dump(mode="json")}
                about["answer"] = answer.model_dump(mode="json") if answer else None
                write_audit(db, one.at, "decided", about)
            case ev.ApprovalWithdrawn(approval_id=approval_id):
                write_audit(db, one.at, "withdrawn", about | {"approval": _shown(db, approval_id)})
            case ev.VerdictDelivered(approval_id=approval_id, outcome=outcome):
                write_audit(db, one.at, "delivered", about | {"approval_id": approval_id, "outcome": outcome})
            case ev.RuleGranted(approval_id=approval_id, rule=rule):
                about |= {"approval_id": approval_id, "rule": rule.model_dump(mode="json")}
                write_audit(db, one.at, "rule_granted", about)
            case ev.ModeChanged(mode=mode, by=actor):
                write_audit(db, one.at, "mode_changed", about | {"mode": mode, "by": actor.model_dump(mode="json")})
            case _:
                pass


def _shown(db: Connection, approval_id: str) -> dict[str, Any]:
    row = db.execute("SELECT approval FROM approvals WHERE approval_id = ?", (approval_id,)).fetchone()
    if row is None:
        return {"approval_id": approval_id}
    approval = Approval.model_validate_json(row[0])
    command = approval.command[:SHOWN_CHARACTERS] if approval.command is not None else None
    return {
        "approval_id": approval_id,
        "kind": approval.kind.value,
        "title": approval.title[:SHOWN_CHARACTERS],
        "tool": approval.tool,
        "command": command,
        "files": [file.path for file in approval.files],
        "digest": approval.digest(),
    }


class AuditStore:
    """Reads the audit, and checks it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, after: int, limit: int = PAGE) -> tuple[AuditRecord, ...]:
        """Records with a higher number, oldest first."""
        sql = "SELECT number, at, kind, body, previous, hash FROM audit WHERE number > ? ORDER BY number LIMIT ?"
        rows = await self._database.read(lambda db: db.execute(sql, (after, limit)).fetchall())
        return tuple(_record(row) for row in rows)

    async def verify(self, anchor: str | None = None) -> Verdict:
        """Check the whole chain, page by page."""
        check, after = Check(anchor), 0
        while page := await self.read(after):
            if not check.take(page):
                break
            after = page[-1].number
        else:
            check.ends_early(await self._database.read(_highest))
        return check.verdict()

    async def head(self) -> Head:
        sql = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1"
        row = await self._database.read(lambda db: db.execute(sql).fetchone())
        return Head(number=row[0], hash=row[1]) if row else Head(number=0, hash=START)


def _highest(db: Connection) -> int:
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'audit'").fetchone()
    return int(row[0]) if row else 0


def _record(row: tuple[Any, ...]) -> AuditRecord:
    """A body that is no JSON any more is shown as text: its hash does not fit."""
    number, at, kind, text, previous, digest = row
    try:
        body = json.loads(text)
    except (ValueError, TypeError, RecursionError):
        body = None
    if not isinstance(body, dict) or canonical(body) != text:
        body = {"unreadable": str(text)}
    return AuditRecord(number=number, at=str(at), kind=str(kind), body=body, previous=str(previous), hash=str(digest))
