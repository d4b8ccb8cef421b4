"""A session: its state, the table of transitions, evolve.

`evolve` never fails and reads no clock. An event without a listed move leaves the state as it is: races between
an agent and a person are normal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from tetherd.domain import events as ev
from tetherd.domain.approval import Approval
from tetherd.domain.ids import Actor, ApprovalId, Asker, Frozen, InputId, Role, RunId, SessionId
from tetherd.domain.limits import NO_LIMITS, Limits
from tetherd.domain.modes import Mode


class SessionState(StrEnum):
    CREATED = "created"
    STARTING = "starting"
    AWAITING_INPUT = "awaiting_input"
    RUNNING = "running"
    AWAITING_APPROVAL = "awaiting_approval"
    INTERRUPTING = "interrupting"
    STOPPING = "stopping"
    ENDED = "ended"


class By(StrEnum):
    """Moves that depend on more than the state: on what is left open, and on whether a turn runs."""

    OPENNESS = "last one closed: running while a turn runs, else awaiting_input"
    TURN = "interrupting while a turn runs, else awaiting_input"
    ASKED = "awaiting_approval while something is asked, else awaiting_input"


_S = SessionState
LIVE = frozenset(_S) - {_S.CREATED, _S.ENDED}
"""States in which a run exists."""

_END: dict[type[ev.Fact], SessionState | By] = {ev.RunEnded: _S.ENDED}
_STOP: dict[type[ev.Fact], SessionState | By] = {ev.StopRequested: _S.STOPPING}

TRANSITIONS: Mapping[SessionState, Mapping[type[ev.Fact], SessionState | By]] = {
    _S.CREATED: {ev.SessionStarted: _S.STARTING, ev.StopRequested: _S.ENDED},
    _S.STARTING: {ev.AgentReady: By.ASKED, **_STOP, **_END},
    _S.AWAITING_INPUT: {
        ev.TurnStarted: _S.RUNNING,
        ev.ApprovalRequested: _S.AWAITING_APPROVAL,
        **_STOP,
        **_END,
    },
    _S.RUNNING: {
        ev.ApprovalRequested: _S.AWAITING_APPROVAL,
        ev.TurnCompleted: _S.AWAITING_INPUT,
        ev.InterruptRequested: _S.INTERRUPTING,
        **_STOP,
        **_END,
    },
    _S.AWAITING_APPROVAL: {
        ev.ApprovalResolved: By.OPENNESS,
        ev.ApprovalWithdrawn: By.OPENNESS,
        ev.TurnCompleted: By.ASKED,
        ev.InterruptRequested: By.TURN,
        **_STOP,
        **_END,
    },
    _S.INTERRUPTING: {ev.TurnCompleted: By.ASKED, **_STOP, **_END},
    _S.STOPPING: {**_END},
    _S.ENDED: {ev.SessionResumed: _S.STARTING},
}


class Ending(Frozen):
    """How the last run ended."""

    reason: ev.EndReason
    code: int | None = None
    signal: int | None = None
    detail: str | None = None


class Usage(Frozen):
    """Sums of what the agent reported; None where it never said."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None

    def plus(self, report: ev.UsageReported) -> Usage:
        return Usage(
            input_tokens=_sum(self.input_tokens, report.input_tokens),
            output_tokens=_sum(self.output_tokens, report.output_tokens),
            cost_usd=_sum(self.cost_usd, report.cost_usd),
        )


class Session(Frozen):
    """What is true of a session now; a fold of its events, small enough to be stored with each append.

    `queued` inputs are accepted and have no frame yet; `sent` ones have a frame that the agent's side has not
    acknowledged; `verdicts` likewise. `open_approvals` stand in the order in which they were asked. `asked_by` is
    whose words the present turn is about; `agents_inputs` are those that wait and were sent by an agent.
    """

    session_id: SessionId
    name: str
    adapter: str
    external: bool
    directory: str | None
    mode: Mode
    by: Actor
    parent: SessionId | None = None
    agent_type: str | None = None
    state: SessionState = SessionState.CREATED
    run_id: RunId | None = None
    vendor_session_id: str | None = None
    fork_of: str | None = None
    """The agent's conversation that the first run copies."""
    limits: Limits = NO_LIMITS
    """What was asked for this session; the settings' limits are below them."""
    frozen: bool = False
    """Its agent stands still: a person had it frozen."""
    turn_open: bool = False
    turns: int = 0
    asked_by: Asker = "human"
    agents_inputs: tuple[InputId, ...] = ()
    open_approvals: tuple[Approval, ...] = ()
    queued: tuple[InputId, ...] = ()
    sent: tuple[InputId, ...] = ()
    verdicts: tuple[ApprovalId, ...] = ()
    ending: Ending | None = None
    usage: Usage = Usage()

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def approvals_of_turn(self) -> tuple[Approval, ...]:
        """Those that the end of the turn closes."""
        return tuple(approval for approval in self.open_approvals if not approval.outlives_turn)

    def open_approval(self, approval_id: ApprovalId) -> Approval | None:
        return next((a for a in self.open_approvals if a.approval_id == approval_id), None)


def born(session_id: SessionId, event: ev.SessionCreated) -> Session:
    """The session that SessionCreated begins."""
    return Session(
        session_id=session_id,
        name=event.name,
        adapter=event.adapter,
        external=event.external,
        directory=event.directory,
        mode=event.mode,
        by=event.by,
        parent=event.parent,
        agent_type=event.agent_type,
        vendor_session_id=event.vendor_session_id,
        fork_of=event.fork_of,
        limits=event.limits,
    )


def evolve(session: Session, event: ev.Event) -> Session:
    """The session after `event`. Total: defined for every state and event, raises nothing."""
    changes = _changes(session, event)
    move = TRANSITIONS[session.state].get(type(event))
    if not changes and move is None:
        return session
    after = session.model_copy(update=changes) if changes else session
    state = _target(move, after) if move else after.state
    return after.model_copy(update={"state": state}) if state is not after.state else after


def _target(move: SessionState | By, after: Session) -> SessionState:
    match move:
        case By.OPENNESS if after.open_approvals:
            return after.state
        case By.OPENNESS:
            return SessionState.RUNNING if after.turn_open else SessionState.AWAITING_INPUT
        case By.TURN:
            return SessionState.INTERRUPTING if after.turn_open else SessionState.AWAITING_INPUT
        case By.ASKED:
            return SessionState.AWAITING_APPROVAL if after.open_approvals else SessionState.AWAITING_INPUT
        case _:
            return move


def _changes(session: Session, event: ev.Event) -> dict[str, Any]:
    match event:
        case ev.SessionStarted(run_id=run_id) | ev.SessionResumed(run_id=run_id):
            return {"run_id": run_id, "ending": None}
        case ev.AgentReady(vendor_session_id=vendor) if vendor is not None:
            return {"vendor_session_id": vendor}
        case ev.InputAccepted(input_id=input_id, by=by):
            accepted: dict[str, Any] = {"queued": (*session.queued, input_id)}
            if by.principal.role is Role.AGENT:
                accepted["agents_inputs"] = (*session.agents_inputs, input_id)
            return accepted
        case ev.TurnStarted(input_id=input_id):
            started: dict[str, Any] = {"turn_open": True, "turns": session.turns + 1}
            started["asked_by"] = _asker(session, event)
            if input_id is not None:
                started |= {"queued": _without(session.queued, input_id), "sent": (*session.sent, input_id)}
                started["agents_inputs"] = _without(session.agents_inputs, input_id)
            return started
        case ev.InputDelivered(input_id=input_id) | ev.InputUndelivered(input_id=input_id):
            return {"queued": _without(session.queued, input_id), "sent": _without(session.sent, input_id)}
        case ev.ApprovalRequested(approval=approval) if session.open_approval(approval.approval_id) is None:
            return {"open_approvals": (*session.open_approvals, approval)}
        case ev.ApprovalResolved(approval_id=approval_id):
            return {
                "open_approvals": _without_approval(session, approval_id),
                "verdicts": (*session.verdicts, approval_id),
            }
        case ev.ApprovalWithdrawn(approval_id=approval_id):
            return {"open_approvals": _without_approval(session, approval_id)}
        case ev.VerdictDelivered(approval_id=approval_id):
            return {"verdicts": _without(session.verdicts, approval_id)}
        case ev.TurnCompleted():
            return {"turn_open": False}
        case ev.ModeChanged(mode=mode):
            return {"mode": mode}
        case ev.AgentFrozen() | ev.AgentThawed():
            return {"frozen": isinstance(event, ev.AgentFrozen)}
        case ev.SessionRenamed(name=name):
            return {"name": name}
        case ev.UsageReported():
            return {"usage": session.usage.plus(event)}
        case ev.StopRequested() if session.state is SessionState.CREATED:
            return {"ending": Ending(reason="stopped")}
        case ev.StopRequested() if session.frozen:  # nobody could end otherwise
            return {"frozen": False}
        case ev.RunEnded():
            ending = Ending(reason=event.reason, code=event.code, signal=event.signal, detail=event.detail)
            return {"turn_open": False, "frozen": False, "ending": ending}
        case _:
            return {}


def _asker(session: Session, turn: ev.TurnStarted) -> Asker:
    if turn.cause == "input":
        return "agent" if turn.input_id in session.agents_inputs else "human"
    return turn.cause


def _without(ids: tuple[Any, ...], gone: str) -> tuple[Any, ...]:
    return tuple(one for one in ids if one != gone)


def _without_approval(session: Session, approval_id: ApprovalId) -> tuple[Approval, ...]:
    return tuple(a for a in session.open_approvals if a.approval_id != approval_id)


def _sum(so_far: Any, more: Any) -> Any:
    if more is None:
        return so_far
    return more if so_far is None else so_far + more
