"""Answers of the API, made by its own models: what the command line is tested with is what the daemon sends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tests.domain.builders import PATHS, SID, approval, created
from tetherd.control import ApprovalView, DaemonStatus, SessionView, TokenView
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, Approval, ByActor, Resolution
from tetherd.domain.ids import Actor, ApprovalId, Principal, Role, SessionId
from tetherd.domain.session import SessionState, born, evolve
from tetherd.schema import ApprovalBody, OutcomeBody, SessionBody
from tetherd.schema_daemon import TokenBody

Json = dict[str, Any]

AT = datetime(2026, 1, 1, 12, 4, tzinfo=UTC)
PHONE = Actor(principal=Principal(role=Role.OWNER, name="owner"), surface="telegram", device="phone")
SESSION = "s-000000000aaa"
OTHER = "s-000000000abb"
APPROVAL = "a-0123456789ab"


def session(session_id: str = SESSION, state: str = "running", seq: int = 1, **changes: Any) -> Json:
    made = born(SessionId(session_id), created(**changes))
    for event in PATHS[SessionState(state)]:
        made = evolve(made, event)
    view = SessionView(session=made, created_at=AT, updated_at=AT, first_seq=seq, last_seq=seq)
    return SessionBody.of(view).model_dump(mode="json")


def outcome(state: str = "running") -> Json:
    made = born(SessionId(SESSION), created())
    for event in PATHS[SessionState(state)]:
        made = evolve(made, event)
    return OutcomeBody(session=made, seqs=(7,), repeated=False).model_dump(mode="json")


def asked(approval_id: str = APPROVAL, **changes: Any) -> Approval:
    return approval(**{"approval_id": ApprovalId(approval_id), **changes})


def approval_body(one: Approval | None = None, state: str = "pending", resolution: Resolution | None = None) -> Json:
    view = ApprovalView(
        approval=one or asked(),
        session_id=SessionId(SESSION),
        session_name="work",
        requested_seq=5,
        requested_at=AT,
        state=state,
        resolution=resolution,
        delivered=None,
    )
    return ApprovalBody.of(view).model_dump(mode="json")


def resolved(decision: str = "approve", reason: str | None = None) -> Resolution:
    return Resolution(answer=Answer(decision=decision, reason=reason), by=ByActor(actor=PHONE), at=AT)


def sessions(*found: Json, next_before: int | None = None) -> tuple[int, Json]:
    return 200, {"sessions": list(found), "next_before": next_before}


def approvals(*found: Json) -> tuple[int, Json]:
    return 200, {"approvals": list(found)}


def status(**changes: Any) -> tuple[int, Json]:
    fields = {
        "version": "0.1",
        "url": "http://localhost:8787",
        "started_at": AT.isoformat(),
        "data_dir": "/data",
        "unit": None,
        "isolation": {"kind": "units", "missing": []},
        "epoch": "e1",
        "seq": 41,
        "sessions": {"running": 2, "awaiting_approval": 1, "ended": 0},
        "pending_approvals": 1,
        "warnings": [],
    }
    assert set(fields) == set(DaemonStatus.__dataclass_fields__)
    return 200, fields | changes


def token(**changes: Any) -> Json:
    view = TokenView(token_id="t-1", name="laptop", role=Role.OBSERVER, session_id=None, created_at=AT, revoked_at=None)
    return TokenBody.of(view).model_dump(mode="json") | changes


def envelope(event: ev.Event, seq: int = 1, session_id: str = SESSION) -> Json:
    data = event.model_dump(mode="json", exclude={"type", "blobs"} if not event.blobs else {"type"})
    return {"seq": seq, "at": AT.isoformat(), "session_id": session_id, "type": event.type, "data": data}


def message(text: str, message_id: str = "m", offset: int = 0, final: bool = True) -> ev.MessageWritten:
    return ev.MessageWritten(message_id=message_id, offset=offset, text=text, final=final)


def delta(text: str, offset: int = 0, message_id: str = "m") -> Json:
    return {"session_id": SID, "message_id": message_id, "kind": "message", "offset": offset, "text": text}


def frame(kind: str, value: Mapping[str, Any], event_id: str | None = None) -> bytes:
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {kind}\ndata: {json.dumps(value)}\n\n".encode()


def logged(event: ev.Event, seq: int = 1, session_id: str = SESSION) -> bytes:
    return frame(event.type, envelope(event, seq, session_id), f"e1.{seq}")
