"""The views' rows: written in the transaction of the append, made anew from the log alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from sqlite3 import Connection

from tetherd.control import Entry
from tetherd.domain import events as ev
from tetherd.domain.approval import Resolution
from tetherd.domain.ids import SessionId
from tetherd.domain.session import Session, born, evolve
from tetherd.storage.grants import write_grant

VIEWS = ("sessions", "approvals", "inputs")


@dataclass(frozen=True, slots=True)
class Told:
    """An event where it stands in the log."""

    seq: int
    at: str
    event: ev.Event


def write_session(db: Connection, session: Session, told: Iterable[Told]) -> None:
    """The session's own row after these events, which are its newest."""
    told = list(told)
    if not told:
        return
    first, last = told[0], told[-1]
    deleted = any(isinstance(one.event, ev.SessionDeleted) for one in told)
    row = (session.session_id, session.name, session.state.value, session.model_dump_json())
    db.execute(
        "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO UPDATE SET"
        " name = excluded.name, state = excluded.state, snapshot = excluded.snapshot,"
        " updated_at = excluded.updated_at, last_seq = excluded.last_seq,"
        " is_deleted = max(is_deleted, excluded.is_deleted)",
        (*row, first.at, last.at, first.seq, last.seq, deleted),
    )


def write_details(db: Connection, session_id: SessionId, told: Iterable[Told]) -> None:
    """Approvals and inputs, after these events."""
    for one in told:
        match one.event:
            case ev.ApprovalRequested(approval=asked):
                db.execute(
                    "INSERT OR IGNORE INTO approvals VALUES (?, ?, ?, ?, ?, 'pending', NULL, NULL, NULL)",
                    (asked.approval_id, session_id, asked.model_dump_json(), one.seq, one.at),
                )
            case ev.ApprovalResolved(approval_id=approval_id, answer=answer, by=by):
                fate = Resolution(answer=answer, by=by, at=one.at)  # type: ignore[arg-type]  # pydantic reads the text
                db.execute(
                    "UPDATE approvals SET state = 'resolved', closed_seq = ?, resolution = ? WHERE approval_id = ?",
                    (one.seq, fate.model_dump_json(), approval_id),
                )
            case ev.RuleGranted(rule=rule):
                write_grant(db, rule)
            case ev.ApprovalWithdrawn(approval_id=approval_id):
                db.execute(
                    "UPDATE approvals SET state = 'withdrawn', closed_seq = ? WHERE approval_id = ?",
                    (one.seq, approval_id),
                )
            case ev.VerdictDelivered(approval_id=approval_id, outcome=outcome):
                db.execute("UPDATE approvals SET delivered = ? WHERE approval_id = ?", (outcome, approval_id))
            case ev.InputAccepted(input_id=input_id):
                db.execute("INSERT OR IGNORE INTO inputs VALUES (?, ?, ?, 0)", (input_id, session_id, one.seq))
            case ev.InputDelivered(input_id=input_id) | ev.InputUndelivered(input_id=input_id):
                db.execute("UPDATE inputs SET is_settled = 1 WHERE input_id = ?", (input_id,))
            case _:
                pass


def rebuild(db: Connection) -> None:
    """Forget all views and make them anew from the log. Deleted sessions stay deleted."""
    for table in VIEWS:
        db.execute(f"DELETE FROM {table}")
    ids = db.execute("SELECT session_id FROM events GROUP BY session_id ORDER BY min(seq)").fetchall()
    for (session_id,) in ids:
        session: Session | None = None
        told: list[Told] = []
        rows = db.execute(
            "SELECT seq, at, session_id, type, version, body FROM events WHERE session_id = ? ORDER BY seq",
            (session_id,),
        )
        for row in rows:
            event = Entry(*row).event()
            told.append(Told(row[0], row[1], event))
            if isinstance(event, ev.SessionCreated):
                session = born(session_id, event)
            elif session is not None:
                session = evolve(session, event)
        if session is not None:
            write_session(db, session, told)
            write_details(db, session_id, told)
