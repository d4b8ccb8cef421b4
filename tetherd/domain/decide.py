"""decide: what follows from an input, or no.

The only place that says no. Pure: the clock, fresh ids and what the log knows of an older answer come in `Context`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from tetherd.domain import commands as cmd
from tetherd.domain import effects as fx
from tetherd.domain import events as ev
from tetherd.domain.approval import (
    AlreadyResolved,
    Answer,
    Approval,
    ByActor,
    ByCircumstance,
    ByPolicy,
    NotWhatWasShown,
    Resolution,
)
from tetherd.domain.authority import require_authority
from tetherd.domain.changes import changed
from tetherd.domain.draft import Decision, Draft
from tetherd.domain.ids import Actor, ApprovalId, RunId, approval_id_for
from tetherd.domain.policy import NO_POLICY, Pass, Policy, Refuse, judge
from tetherd.domain.session import Session, SessionState, born
from tetherd.errors import Rejected

S = SessionState


@dataclass(frozen=True, slots=True)
class Closed:
    """An approval that is no longer open; `resolution` None when the agent withdrew it."""

    resolution: Resolution | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What decide may know beyond the session. `run_id` is unused so far; `closed` is looked up for an answer."""

    run_id: RunId
    closed: Closed | None = None
    policy: Policy = NO_POLICY


class WrongState(Rejected):
    """Not in this state of the session."""

    code = "wrong_state"

    def __init__(self, session: Session, why: str, hint: str | None = None) -> None:
        self.state = session.state
        self.hint = hint
        super().__init__(f"session {session.session_id} is {session.state}: {why}")

    def facts(self) -> dict[str, object]:
        return {"state": self.state.value}


class NoSuchApproval(Rejected):
    """The session never asked this."""

    code = "not_found"
    status = 404

    def __init__(self, approval_id: ApprovalId) -> None:
        super().__init__(f"no approval {approval_id}")


class NotAChoice(Rejected):
    """The answer names an option that was not offered, or rejects with an approving one."""

    code = "not_a_choice"
    status = 422


def create(command: cmd.CreateSession) -> Decision:
    """The first event of a session. Raises NoAgentToLimit."""
    if command.external:
        command.limits.require_none()
    event = ev.SessionCreated(
        name=command.name,
        adapter=command.adapter,
        external=command.external,
        directory=command.directory,
        mode=command.mode,
        by=command.by,
        parent=command.parent,
        agent_type=command.agent_type,
        vendor_session_id=command.vendor_session_id,
        fork_of=command.fork_of,
        limits=command.limits,
    )
    events: tuple[ev.Event, ...] = (event,)
    if command.note is not None:
        events += (ev.NoticeRaised(level="info", code="created", text=command.note),)
    return Decision(born(command.session_id, event), events)


def decide(session: Session, given: cmd.Input, context: Context) -> Decision:
    """What follows from `given`. Raises Rejected (and changes nothing) when it may not be."""
    draft = Draft(session)
    match given:
        case cmd.AgentSaid(events=events) if session.is_live:  # else: a late word of a run that is over
            for event in events:
                _agent_event(draft, event, context)
        case cmd.Acknowledged():
            _acknowledged(draft, given.input_ids, given.approval_ids)
        case cmd.AgentSaid():
            pass
        case cmd.RunStopped():
            _run_stopped(draft, given)
        case cmd.InterruptOverdue():
            _interrupt_overdue(draft)
        case cmd.PolicyChanged():
            _policy_changed(draft, given, context.policy)
        case _:
            require_authority(session, given)
            _command(draft, given, context)
    return Decision(draft.session, tuple(draft.events), tuple(draft.effects))


# -- people's commands -------------------------------------------------------------------------------------------


def _command(draft: Draft, command: cmd.Command, context: Context) -> None:
    session, by = draft.session, command.by
    match command:
        case cmd.StartSession():
            if session.state is not S.CREATED:
                raise WrongState(session, "only a created session can be started")
            _start(draft, by, context)
        case cmd.SendInput():
            _send_input(draft, command, context)
        case cmd.AnswerApproval():
            _answer(draft, command, context)
        case cmd.Interrupt():
            _interrupt(draft, by)
        case cmd.StopSession():
            _stop(draft, by, command.grace_seconds)
        case cmd.ResumeSession():
            if session.state is not S.ENDED:
                raise WrongState(session, "only an ended session can be resumed")
            draft.emit(ev.SessionResumed(run_id=context.run_id, by=by, vendor_session_id=session.vendor_session_id))
            _launch(draft)
        case cmd.RenameSession() | cmd.SetMode() | cmd.SetFrozen():
            for event in changed(session, command):
                draft.emit(event)
        case cmd.DeleteSession():
            if session.is_live:
                raise WrongState(session, "it still runs", hint="stop it first")
            draft.emit(ev.SessionDeleted(by=by))
        case cmd.PushEvents():
            _pushed(draft, command, context)
        case cmd.ConfirmPolled():
            _acknowledged(draft, command.input_ids, command.approval_ids)
        case _:
            assert_never(command)


def _start(draft: Draft, by: Actor, context: Context) -> None:
    draft.emit(ev.SessionStarted(run_id=context.run_id, by=by))
    _launch(draft)


def _launch(draft: Draft) -> None:
    if draft.session.external:  # it is there already: it calls us
        draft.emit(ev.AgentReady())
    else:
        draft.effects.append(fx.LaunchAgent())


def _send_input(draft: Draft, command: cmd.SendInput, context: Context) -> None:
    session = draft.session
    if session.state in (S.STOPPING, S.ENDED):
        raise WrongState(session, "it takes no more input", hint="resume it first")
    if session.state is S.CREATED and not session.external:
        _start(draft, command.by, context)
    images = tuple(image.ref for image in command.images)
    draft.emit(ev.InputAccepted(input_id=command.input_id, text=command.text, by=command.by, images=images))
    draft.deliver_next()


def _answer(draft: Draft, command: cmd.AnswerApproval, context: Context) -> None:
    approval = draft.session.open_approval(command.approval_id)
    by = ByActor(actor=command.by)
    if approval is None:
        if context.closed is None:
            raise NoSuchApproval(command.approval_id)
        before = context.closed.resolution
        if before is not None and (before.answer, before.by) == (command.answer, by):
            return  # the same person said the same again: the same answer, and nothing happens twice
        raise AlreadyResolved(command.approval_id, before)
    digest = approval.digest()
    if command.digest is not None and command.digest != digest:
        raise NotWhatWasShown(command.approval_id, digest)
    offered = {option.option_id for option in approval.options_for(command.answer.decision)}
    if not offered.issuperset(command.answer.choice):
        raise NotAChoice(f"approval {command.approval_id} offers {sorted(offered) or 'no options'} for that")
    draft.resolve(approval, command.answer, by)
    draft.deliver_next()


def _interrupt(draft: Draft, by: Actor) -> None:
    session = draft.session
    if session.state is S.INTERRUPTING:
        return
    if session.state not in (S.RUNNING, S.AWAITING_APPROVAL):
        raise WrongState(session, "nothing runs that could be interrupted")
    draft.emit(ev.InterruptRequested(by=by))
    # verdicts first, then the interrupt: OpenCode and Gemini hang otherwise
    draft.close_all(ByCircumstance(cause="interrupt", actor=by), tell=True)
    if draft.session.state is S.INTERRUPTING:
        draft.send(fx.InterruptTurn())
        draft.effects.append(fx.WatchInterrupt())
    draft.deliver_next()


def _stop(draft: Draft, by: Actor, grace_seconds: float) -> None:
    session = draft.session
    if session.state is S.ENDED:
        raise WrongState(session, "it has ended already")
    if session.state is S.STOPPING:
        draft.effects.append(fx.StopAgent(grace_seconds))
        return
    draft.emit(ev.StopRequested(by=by, grace_seconds=grace_seconds))
    draft.close_all(ByCircumstance(cause="stop", actor=by))
    if session.external:
        _end(draft, "stopped")
    elif draft.session.is_live:
        draft.effects.append(fx.StopAgent(grace_seconds))


# -- the agent's side --------------------------------------------------------------------------------------------


def _agent_event(draft: Draft, event: ev.AgentEvent, context: Context) -> None:
    session = draft.session
    match event:
        case ev.ApprovalRequested(approval=approval):
            if session.open_approval(approval.approval_id) is None:
                draft.emit(event)
                _first_judgement(draft, approval, context.policy)
        case ev.ApprovalWithdrawn(approval_id=approval_id):
            if session.open_approval(approval_id) is not None:
                draft.emit(event)
                draft.deliver_next()
            elif approval_id in session.verdicts:
                draft.emit(ev.VerdictDelivered(approval_id=approval_id, outcome="moot"))
        case ev.TurnStarted():
            if not session.turn_open:
                draft.emit(event)
        case ev.TurnCompleted():
            draft.close(ByCircumstance(cause="turn_end"), session.approvals_of_turn)
            draft.emit(event)
            draft.deliver_next()
        case ev.AgentReady():
            draft.emit(event)
            draft.deliver_next()
        case _:
            draft.emit(event)


def _first_judgement(draft: Draft, approval: Approval, policy: Policy) -> None:
    """Before any person sees it: is it moot already, and does a rule or the session's mode decide it?"""
    session = draft.session
    if session.state is S.INTERRUPTING:
        draft.resolve(approval, None, ByCircumstance(cause="interrupt"))
    elif session.state is S.STOPPING:
        draft.resolve(approval, None, ByCircumstance(cause="stop"), tell=False)
    else:
        _judge(draft, approval, policy)


def _judge(draft: Draft, approval: Approval, policy: Policy, *, only_deny: bool = False) -> None:
    match judge(approval, draft.session, policy):
        case Pass(rule=rule) if not only_deny:
            draft.resolve(approval, Answer(decision="approve"), ByPolicy(rule=rule))
        case Refuse(rule=rule, message=message):
            draft.resolve(approval, Answer(decision="reject", reason=message), ByPolicy(rule=rule))
        case _:
            pass


def _acknowledged(draft: Draft, inputs: tuple[str, ...], approvals: tuple[str, ...]) -> None:
    session = draft.session
    for input_id in (*session.sent, *session.queued):
        if input_id in inputs:
            draft.emit(ev.InputDelivered(input_id=input_id))
    for approval_id in session.verdicts:
        if approval_id in approvals:
            draft.emit(ev.VerdictDelivered(approval_id=approval_id, outcome="delivered"))


def _run_stopped(draft: Draft, report: cmd.RunStopped) -> None:
    session = draft.session
    if report.run_id != session.run_id or not session.is_live:
        return  # a late word about a run that is over
    reason: ev.EndReason
    if session.state is S.STOPPING:
        reason = "stopped"
    elif report.lost:
        reason = "lost"
    else:
        reason = "finished" if report.code == 0 else "failed"
    _end(draft, reason, report)


def _end(draft: Draft, reason: ev.EndReason, report: cmd.RunStopped | None = None, detail: str | None = None) -> None:
    """Close all that the run leaves open, then the run, in one append."""
    session = draft.session
    draft.close_all(ByCircumstance(cause="run_end"))
    for approval_id in draft.session.verdicts:
        draft.emit(ev.VerdictDelivered(approval_id=approval_id, outcome="moot"))
    for input_id in (*session.sent, *session.queued):
        draft.emit(ev.InputUndelivered(input_id=input_id))
    code, signal, error = (report.code, report.signal, report.error) if report else (None, None, detail)
    draft.emit(ev.RunEnded(run_id=session.run_id, reason=reason, code=code, signal=signal, detail=error))


def _interrupt_overdue(draft: Draft) -> None:
    if draft.session.state is S.INTERRUPTING:
        text = "The agent has not ended its turn. You can wait, or stop the session."
        draft.emit(ev.NoticeRaised(level="warning", code="interrupt_overdue", text=text))


def _policy_changed(draft: Draft, report: cmd.PolicyChanged, policy: Policy) -> None:
    """What waits is judged anew, but only ever denied: a person was asked, and nobody else says yes now."""
    for approval in draft.session.open_approvals:
        _judge(draft, approval, policy, only_deny=True)
    if report.fault is not None and draft.session.is_live:
        draft.emit(ev.NoticeRaised(level="error", code="policy_broken", text=report.fault))
    draft.deliver_next()


def _pushed(draft: Draft, command: cmd.PushEvents, context: Context) -> None:
    session = draft.session
    if not session.external:
        raise WrongState(session, f"its agent is driven by {session.adapter}, it does not push events")
    if session.state in (S.STOPPING, S.ENDED):
        raise WrongState(session, "it takes no more events", hint="resume it first")
    if session.state is S.CREATED:
        _start(draft, command.by, context)
    ends_turn = command.status in ("awaiting_input", "done", "failed")
    if not draft.session.turn_open and (command.events or not ends_turn):
        draft.emit(ev.TurnStarted(cause="agent"))
    for event in command.events:
        _agent_event(draft, _of_this_run(event, draft.session.run_id or context.run_id), context)
    if ends_turn and draft.session.turn_open:
        failed = command.status == "failed"
        turn = ev.TurnCompleted(outcome="failed" if failed else "completed", detail=command.detail)
        _agent_event(draft, turn, context)
    if command.status == "done":
        _end(draft, "finished", detail=command.detail)
    elif command.status == "failed":
        _end(draft, "failed", detail=command.detail)


def _of_this_run(event: ev.AgentEvent, run_id: RunId) -> ev.AgentEvent:
    """An external agent cannot know its run: what it asks is given the run's id here, and the id that follows."""
    if not isinstance(event, ev.ApprovalRequested):
        return event
    ids = {"run_id": run_id, "approval_id": approval_id_for(run_id, event.approval.request_id)}
    return event.model_copy(update={"approval": event.approval.model_copy(update=ids)})
