"""Sessions, approvals and actors for the domain tests."""

from __future__ import annotations

from typing import Any

from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, Approval, ApprovalKind, FileShown, Option
from tetherd.domain.decide import Context, Decision, decide
from tetherd.domain.ids import Actor, InputId, Principal, Role, RunId, SessionId, approval_id_for
from tetherd.domain.modes import Mode
from tetherd.domain.session import Session, SessionState, born, evolve

SID = SessionId("s-1")
RUN = RunId("r-1")
NEXT_RUN = RunId("r-2")
APPROVE = Answer(decision="approve")
REJECT = Answer(decision="reject", reason="not on main")
CONTEXT = Context(run_id=NEXT_RUN)


def actor(role: Role = Role.OWNER, name: str = "owner", session_id: SessionId | None = None) -> Actor:
    surface = "api" if role is Role.AGENT else "cli"
    return Actor(principal=Principal(role=role, name=name, session_id=session_id), surface=surface)


OWNER = actor()
AGENT = actor(Role.AGENT, "agent", SID)


def approval(request_id: str = "0", **changes: Any) -> Approval:
    fields: dict[str, Any] = {
        "approval_id": approval_id_for(RUN, request_id),
        "run_id": RUN,
        "request_id": request_id,
        "kind": ApprovalKind.COMMAND,
        "title": "run make",
        "command": "make",
        "cwd": "/w",
        "options": (
            Option(option_id="yes", label="Allow", decision="approve"),
            Option(option_id="always", label="Always", decision="approve", lasting=True),
            Option(option_id="no", label="Reject", decision="reject"),
        ),
    }
    return Approval(**(fields | changes))


def edit(path: str = "/w/a.py", **changes: Any) -> Approval:
    shown = (FileShown(path=path, diff="--- a\n+++ b\n"),)
    return approval(kind=ApprovalKind.EDIT, command=None, files=shown, title=f"edit {path}", **changes)


def created(**changes: Any) -> ev.SessionCreated:
    fields: dict[str, Any] = {
        "name": "work",
        "adapter": "demo",
        "external": False,
        "directory": "/w",
        "mode": Mode.ASK,
        "by": OWNER,
    }
    return ev.SessionCreated(**(fields | changes))


PATHS: dict[SessionState, tuple[ev.Event, ...]] = {}
"""For each state the shortest story that leads to it; a turn runs in running, awaiting_approval, interrupting."""
_started = (ev.SessionStarted(run_id=RUN, by=OWNER),)
_ready = (*_started, ev.AgentReady(vendor_session_id="v-1"))
_running = (*_ready, ev.TurnStarted(cause="agent"))
PATHS |= {
    SessionState.CREATED: (),
    SessionState.STARTING: _started,
    SessionState.AWAITING_INPUT: _ready,
    SessionState.RUNNING: _running,
    SessionState.AWAITING_APPROVAL: (*_running, ev.ApprovalRequested(approval=approval())),
    SessionState.INTERRUPTING: (*_running, ev.InterruptRequested(by=OWNER)),
    SessionState.STOPPING: (*_running, ev.StopRequested(by=OWNER, grace_seconds=5.0)),
    SessionState.ENDED: (*_running, ev.RunEnded(run_id=RUN, reason="finished", code=0)),
}


def session_in(state: SessionState, **changes: Any) -> Session:
    """A session that came to `state` by its shortest story; `changes` are fields of its creation."""
    session = born(SID, created(**changes))
    for event in PATHS[state]:
        session = evolve(session, event)
    assert session.state is state
    return session


def given(session: Session, *inputs: cmd.Input, context: Context = CONTEXT) -> Decision:
    """What follows from several inputs, one after the other."""
    total = Decision(session)
    for one in inputs:
        step = decide(total.session, one, context)
        total = Decision(step.session, (*total.events, *step.events), (*total.effects, *step.effects))
    return total


def send(text: str = "go", input_id: str = "i-1", by: Actor = OWNER, *, steer: bool = False) -> cmd.SendInput:
    return cmd.SendInput(session_id=SID, by=by, input_id=InputId(input_id), text=text, steer=steer)


def answer(what: Approval, said: Answer = APPROVE, by: Actor = OWNER, digest: str | None = None) -> cmd.AnswerApproval:
    return cmd.AnswerApproval(session_id=SID, by=by, approval_id=what.approval_id, answer=said, digest=digest)


def kinds(decision: Decision) -> list[str]:
    return [event.type for event in decision.events]
