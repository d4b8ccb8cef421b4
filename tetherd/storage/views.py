"""What people ask of the sessions: read from the views, which every append keeps true."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from tetherd.control import ApprovalView, Entry, ListApprovals, ListSessions, NotFound, SessionView
from tetherd.domain import events as ev
from tetherd.domain.approval import Approval, Resolution
from tetherd.domain.decide import Closed
from tetherd.domain.effects import Prompt
from tetherd.domain.ids import ApprovalId, InputId, SessionId
from tetherd.domain.images import Image, ImageRef
from tetherd.domain.session import Session, SessionState
from tetherd.storage.blobs import made_whole, read_bytes
from tetherd.storage.database import Database
from tetherd.storage.rows import rebuild

_SESSION = "SELECT snapshot, created_at, updated_at, first_seq, last_seq FROM sessions"
_APPROVAL = (
    "SELECT a.approval, a.session_id, s.name, a.requested_seq, a.requested_at, a.state, a.resolution, a.delivered,"
    " json_extract(s.snapshot, '$.directory')"
    " FROM approvals a JOIN sessions s USING (session_id)"
)


class Views:
    """The read side. Everything here raises Unavailable when the disk cannot be read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sessions(self, query: ListSessions) -> tuple[SessionView, ...]:
        """Newest first."""
        where, values = ["NOT is_deleted"], list[Any]()
        if query.states is not None:
            where.append(f"state IN ({', '.join('?' * len(query.states))})")
            values += sorted(state.value for state in query.states)
        if query.search is not None:
            where.append("name LIKE ? ESCAPE '\\'")
            literal = query.search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
            values.append(f"%{literal}%")
        if query.before is not None:
            where.append("first_seq < ?")
            values.append(query.before)
        sql = f"{_SESSION} WHERE {' AND '.join(where)} ORDER BY first_seq DESC LIMIT ?"
        return await self._database.read(
            lambda db: tuple(_session(row) for row in db.execute(sql, (*values, query.limit)))
        )

    async def session(self, session_id: SessionId) -> SessionView:
        """Raises NotFound."""

        def query(db: Connection) -> SessionView:
            row = db.execute(f"{_SESSION} WHERE session_id = ? AND NOT is_deleted", (session_id,)).fetchone()
            if row is None:
                raise NotFound(f"no session {session_id}")
            return _session(row)

        return await self._database.read(query)

    async def counts(self) -> dict[SessionState, int]:
        def query(db: Connection) -> dict[SessionState, int]:
            rows = db.execute("SELECT state, count(*) FROM sessions WHERE NOT is_deleted GROUP BY state")
            return {SessionState(state): count for state, count in rows}

        return await self._database.read(query)

    # -- approvals -----------------------------------------------------------------------------------------------

    async def approvals(self, query: ListApprovals) -> tuple[ApprovalView, ...]:
        """Pending ones oldest first, closed ones newest first."""
        where = ["a.state = 'pending'" if query.pending else "a.state != 'pending'"]
        values: list[Any] = []
        if query.session_id is not None:
            where.append("a.session_id = ?")
            values.append(query.session_id)
        order = "a.requested_seq" if query.pending else "a.closed_seq DESC"
        sql = f"{_APPROVAL} WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?"
        return await self._database.read(
            lambda db: tuple(_approval(row) for row in db.execute(sql, (*values, query.limit)))
        )

    async def approval(self, approval_id: ApprovalId) -> ApprovalView:
        """Raises NotFound."""

        def query(db: Connection) -> ApprovalView:
            row = db.execute(f"{_APPROVAL} WHERE a.approval_id = ?", (approval_id,)).fetchone()
            if row is None:
                raise NotFound(f"no approval {approval_id}")
            return _approval(row)

        return await self._database.read(query)

    async def closed_approval(self, session_id: SessionId, approval_id: ApprovalId) -> Closed | None:
        """How an approval of this session was closed; None when it was never asked."""

        def query(db: Connection) -> Closed | None:
            row = db.execute(
                "SELECT resolution FROM approvals WHERE approval_id = ? AND session_id = ? AND state != 'pending'",
                (approval_id, session_id),
            ).fetchone()
            return None if row is None else Closed(_resolution(row[0]))

        return await self._database.read(query)

    async def pending_approvals(self) -> int:
        sql = "SELECT count(*) FROM approvals WHERE state = 'pending'"
        return await self._database.read(lambda db: int(db.execute(sql).fetchone()[0]))

    # -- inputs --------------------------------------------------------------------------------------------------

    async def prompts(self, input_ids: Collection[InputId]) -> dict[InputId, Prompt]:
        """Accepted inputs whole, with their images."""

        def query(db: Connection) -> dict[InputId, Prompt]:
            marks = ", ".join("?" * len(input_ids))
            rows = db.execute(
                "SELECT e.seq, e.at, e.session_id, e.type, e.version, e.body FROM inputs i JOIN events e"
                f" ON e.seq = i.seq WHERE i.input_id IN ({marks})",
                tuple(input_ids),
            )
            found: dict[InputId, Prompt] = {}
            for entry in made_whole(db, [Entry(*row) for row in rows.fetchall()]):
                event = entry.event()
                if isinstance(event, ev.InputAccepted):
                    images = tuple(Image.of(ref, read_bytes(db, entry.session_id, ref.sha256)) for ref in event.images)
                    found[event.input_id] = Prompt(event.input_id, event.text, images)
            return found

        return await self._database.read(query)

    async def image(self, session_id: SessionId, sha256: str) -> tuple[ImageRef, bytes]:
        """An image that an input of this session came with. Raises NotFound."""

        def query(db: Connection) -> tuple[ImageRef, bytes]:
            rows = db.execute(
                "SELECT seq, at, session_id, type, version, body FROM events WHERE session_id = ?"
                " AND type = 'input_accepted' AND instr(body, ?)",
                (session_id, sha256),
            )
            for row in rows:
                event = Entry(*row).event()
                if isinstance(event, ev.InputAccepted):
                    for ref in event.images:
                        if ref.sha256 == sha256:
                            return ref, read_bytes(db, session_id, sha256)
            raise NotFound(f"session {session_id} has no such image")

        return await self._database.read(query)

    async def polled(self, session_id: SessionId, upto_seq: int) -> tuple[tuple[InputId, ...], tuple[ApprovalId, ...]]:
        """Inputs and verdicts at or below `upto_seq` of which nobody knows yet that they have arrived."""

        def query(db: Connection) -> tuple[tuple[InputId, ...], tuple[ApprovalId, ...]]:
            inputs = db.execute(
                "SELECT input_id FROM inputs WHERE session_id = ? AND NOT is_settled AND seq <= ? ORDER BY seq",
                (session_id, upto_seq),
            ).fetchall()
            verdicts = db.execute(
                "SELECT approval_id FROM approvals WHERE session_id = ? AND state = 'resolved' AND delivered IS NULL"
                " AND closed_seq <= ? ORDER BY closed_seq",
                (session_id, upto_seq),
            ).fetchall()
            return tuple(InputId(row[0]) for row in inputs), tuple(ApprovalId(row[0]) for row in verdicts)

        return await self._database.read(query)

    # -- other ---------------------------------------------------------------------------------------------------

    async def newest_unrecognised(self, session_id: SessionId, limit: int) -> tuple[str, ...]:
        """Lines that nobody understood, oldest first."""

        def query(db: Connection) -> tuple[str, ...]:
            rows = db.execute(
                "SELECT seq, at, session_id, type, version, body FROM events WHERE session_id = ?"
                " AND type = 'output_unrecognised' ORDER BY seq DESC LIMIT ?",
                (session_id, limit),
            ).fetchall()
            events = [Entry(*row).event() for row in reversed(rows)]
            return tuple(event.head for event in events if isinstance(event, ev.OutputUnrecognised))

        return await self._database.read(query)

    async def rebuild(self) -> None:
        """Make all views anew from the log."""
        await self._database.write(rebuild)


def _session(row: tuple[str, str, str, int, int]) -> SessionView:
    snapshot, created_at, updated_at, first_seq, last_seq = row
    session = Session.model_validate_json(snapshot)
    return SessionView(
        session, datetime.fromisoformat(created_at), datetime.fromisoformat(updated_at), first_seq, last_seq
    )


def _approval(row: tuple[Any, ...]) -> ApprovalView:
    approval, session_id, name, seq, at, state, resolution, delivered, directory = row
    return ApprovalView(
        Approval.model_validate_json(approval),
        session_id,
        name,
        seq,
        datetime.fromisoformat(at),
        state,
        _resolution(resolution),
        delivered,
        directory,
    )


def _resolution(text: str | None) -> Resolution | None:
    return None if text is None else Resolution.model_validate_json(text)
