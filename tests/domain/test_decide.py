"""decide: what follows, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from tests.domain.builders import (
    AGENT,
    APPROVE,
    CONTEXT,
    NEXT_RUN,
    OWNER,
    REJECT,
    RUN,
    SID,
    actor,
    answer,
    approval,
    created,
    edit,
    given,
    kinds,
    send,
    session_in,
)
from tetherd.domain import commands as cmd
from tetherd.domain import effects as fx
from tetherd.domain import events as ev
from tetherd.domain.approval import (
    AlreadyResolved,
    Answer,
    ApprovalKind,
    ByActor,
    ByCircumstance,
    ByPolicy,
    NotWhatWasShown,
    Option,
    Resolution,
)
from tetherd.domain.authority import Forbidden
from tetherd.domain.changes import NothingToFreeze
from tetherd.domain.decide import Closed, Context, NoSuchApproval, NotAChoice, WrongState, create, decide
from tetherd.domain.ids import Role, SessionId, approval_id_for
from tetherd.domain.modes import Mode
from tetherd.domain.session import Session, SessionState
from tetherd.errors import Rejected

S = SessionState
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ASKED = approval()
TO = {"session_id": SID, "by": OWNER}
START = cmd.StartSession(**TO)
INTERRUPT = cmd.Interrupt(**TO)
STOP = cmd.StopSession(**TO, grace_seconds=3.0)
RESUME = cmd.ResumeSession(**TO)
DELETE = cmd.DeleteSession(**TO)
HI = ev.MessageWritten(message_id="m", offset=0, text="hi", final=True)


def said(*events: ev.AgentEvent) -> cmd.AgentSaid:
    return cmd.AgentSaid(events)


def pushed(*events: ev.AgentEvent, status: str | None = None, by: object = AGENT) -> cmd.PushEvents:
    return cmd.PushEvents(session_id=SID, by=by, events=events, status=status)


REFUSED = [
    *[(state, START) for state in S if state is not S.CREATED],
    *[(state, RESUME) for state in S if state is not S.ENDED],
    *[(state, send()) for state in (S.STOPPING, S.ENDED)],
    *[(state, INTERRUPT) for state in S if state not in (S.RUNNING, S.AWAITING_APPROVAL, S.INTERRUPTING)],
    (S.ENDED, STOP),
    *[(state, DELETE) for state in S if state not in (S.CREATED, S.ENDED)],
    *[(state, pushed(HI, by=OWNER)) for state in S],
]


@pytest.mark.parametrize(("state", "command"), REFUSED)
def test_refusals(state: SessionState, command: cmd.Command) -> None:
    with pytest.raises(WrongState) as refusal:
        decide(session_in(state), command, CONTEXT)
    assert refusal.value.facts() == {"state": state.value}


ROLES = {
    START: "oa",
    send(): "oa",
    answer(ASKED): "oa",
    INTERRUPT: "oa",
    STOP: "oa",
    RESUME: "oa",
    cmd.RenameSession(**TO, name="n"): "oa",
    cmd.SetMode(**TO, mode=Mode.AUTO): "o",
    cmd.SetFrozen(**TO, frozen=True): "oa",
    DELETE: "o",
    pushed(): "og",
    cmd.ConfirmPolled(**TO): "og",
}
LETTERS = {Role.OWNER: "o", Role.APPROVER: "a", Role.OBSERVER: "v", Role.AGENT: "g"}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("command", ROLES)
def test_what_each_role_may_do(command: cmd.Command, role: Role) -> None:
    from dataclasses import replace

    mine = replace(command, by=actor(role, session_id=SID if role is Role.AGENT else None))
    try:
        decide(session_in(S.RUNNING), mine, CONTEXT)
        allowed = True
    except Forbidden:
        allowed = False
    except Rejected:
        allowed = True
    assert allowed == (LETTERS[role] in ROLES[command])


def test_an_agents_token_opens_no_other_session() -> None:
    stranger = actor(Role.AGENT, session_id=SessionId("s-2"))
    with pytest.raises(Forbidden):
        decide(session_in(S.RUNNING, external=True), pushed(HI, by=stranger), CONTEXT)


def test_create_makes_a_created_session() -> None:
    decision = create(
        cmd.CreateSession(session_id=SID, by=OWNER, name="work", adapter="demo", external=False, directory="/w")
    )
    assert decision.events == (created(),)
    assert decision.session.state is S.CREATED


def test_input_to_a_created_session_starts_it_and_waits_for_the_agent() -> None:
    decision = given(session_in(S.CREATED), send())
    assert kinds(decision) == ["session_started", "input_accepted"]
    assert decision.effects == (fx.LaunchAgent(),)
    assert decision.session.run_id == NEXT_RUN
    ready = given(decision.session, said(ev.AgentReady()))
    assert kinds(ready) == ["agent_ready", "turn_started"]
    assert ready.effects == (fx.SendToAgent(fx.Prompt("i-1")),)


def test_start_launches() -> None:
    decision = given(session_in(S.CREATED), START)
    assert (kinds(decision), decision.effects) == (["session_started"], (fx.LaunchAgent(),))


def test_input_to_a_waiting_agent_goes_out_at_once() -> None:
    decision = given(session_in(S.AWAITING_INPUT), send())
    assert kinds(decision) == ["input_accepted", "turn_started"]
    assert decision.effects == (fx.SendToAgent(fx.Prompt("i-1")),)


@pytest.mark.parametrize("state", [S.STARTING, S.RUNNING, S.AWAITING_APPROVAL, S.INTERRUPTING])
def test_input_to_a_busy_agent_waits_its_turn(state: SessionState) -> None:
    decision = given(session_in(state), send(), send(input_id="i-2"))
    assert kinds(decision) == ["input_accepted", "input_accepted"]
    assert decision.effects == ()
    assert decision.session.queued == ("i-1", "i-2")


def test_the_end_of_a_turn_hands_over_the_oldest_input_only() -> None:
    decision = given(session_in(S.RUNNING), send(), send(input_id="i-2"), said(ev.TurnCompleted(outcome="completed")))
    assert kinds(decision)[2:] == ["turn_completed", "turn_started"]
    assert decision.effects == (fx.SendToAgent(fx.Prompt("i-1")),)
    assert decision.session.queued == ("i-2",)


def test_the_first_answer_wins_and_the_second_is_told_whose() -> None:
    first = given(session_in(S.AWAITING_APPROVAL), answer(ASKED))
    assert kinds(first) == ["approval_resolved"]
    assert first.effects == (fx.SendToAgent(fx.Verdict(ASKED, APPROVE)),)
    assert first.session.state is S.RUNNING
    resolution = Resolution(answer=APPROVE, by=ByActor(actor=OWNER), at=NOON)
    known = Context(run_id=NEXT_RUN, closed=Closed(resolution))
    with pytest.raises(AlreadyResolved) as refusal:
        decide(first.session, answer(ASKED, REJECT), known)
    assert refusal.value.resolution == resolution
    assert "approved by owner on cli at 12:00:00 UTC" in str(refusal.value)
    other = actor(name="phone")
    with pytest.raises(AlreadyResolved):
        decide(first.session, answer(ASKED, by=other), known)
    assert decide(first.session, answer(ASKED), known).events == ()


def test_an_answer_to_a_withdrawn_or_unknown_approval_is_refused() -> None:
    session = session_in(S.RUNNING)
    with pytest.raises(NoSuchApproval):
        decide(session, answer(ASKED), CONTEXT)
    with pytest.raises(AlreadyResolved) as refusal:
        decide(session, answer(ASKED), Context(run_id=NEXT_RUN, closed=Closed(None)))
    assert refusal.value.facts() == {"resolution": None}


def test_an_answer_to_something_else_than_was_shown_is_refused() -> None:
    with pytest.raises(NotWhatWasShown) as refusal:
        decide(session_in(S.AWAITING_APPROVAL), answer(ASKED, digest="0" * 64), CONTEXT)
    assert refusal.value.facts() == {"digest": ASKED.digest()}
    assert given(session_in(S.AWAITING_APPROVAL), answer(ASKED, digest=ASKED.digest())).events


@pytest.mark.parametrize(
    "wrong",
    [
        Answer(decision="approve", choice=("no",)),
        Answer(decision="approve", choice=("always",)),
        Answer(decision="reject", choice=("yes",)),
        Answer(decision="approve", choice=("maybe",)),
    ],
)
def test_only_offered_options_that_do_not_last_can_be_chosen(wrong: Answer) -> None:
    with pytest.raises(NotAChoice):
        decide(session_in(S.AWAITING_APPROVAL), answer(ASKED, wrong), CONTEXT)


def test_interrupt_closes_approvals_before_it_interrupts() -> None:
    decision = given(session_in(S.AWAITING_APPROVAL), INTERRUPT)
    assert kinds(decision) == ["interrupt_requested", "approval_resolved"]
    assert decision.effects == (
        fx.SendToAgent(fx.Verdict(ASKED, None)),
        fx.SendToAgent(fx.InterruptTurn()),
        fx.WatchInterrupt(),
    )
    assert decision.session.state is S.INTERRUPTING
    assert given(decision.session, INTERRUPT).events == ()


def test_interrupt_without_a_turn_only_closes_what_is_asked() -> None:
    asked = given(session_in(S.AWAITING_INPUT), said(ev.ApprovalRequested(approval=ASKED)))
    decision = given(asked.session, INTERRUPT)
    assert decision.session.state is S.AWAITING_INPUT
    assert decision.effects == (fx.SendToAgent(fx.Verdict(ASKED, None)),)


def test_an_overdue_interrupt_offers_to_stop_once_it_still_matters() -> None:
    assert kinds(given(session_in(S.INTERRUPTING), cmd.InterruptOverdue())) == ["notice_raised"]
    assert kinds(given(session_in(S.RUNNING), cmd.InterruptOverdue())) == []


def test_a_request_while_interrupting_or_stopping_is_closed_at_once() -> None:
    late = said(ev.ApprovalRequested(approval=ASKED))
    interrupting = given(session_in(S.INTERRUPTING), late)
    assert kinds(interrupting) == ["approval_requested", "approval_resolved"]
    assert interrupting.effects == (fx.SendToAgent(fx.Verdict(ASKED, None)),)
    stopping = given(session_in(S.STOPPING), late)
    assert kinds(stopping) == ["approval_requested", "approval_resolved", "verdict_delivered"]
    assert stopping.effects == ()


def test_stop_is_a_fact_that_closes_everything() -> None:
    decision = given(session_in(S.AWAITING_APPROVAL), STOP)
    assert kinds(decision) == ["stop_requested", "approval_resolved", "verdict_delivered"]
    assert decision.effects == (fx.StopAgent(3.0),)
    assert given(decision.session, STOP).effects == (fx.StopAgent(3.0),)
    ended = given(decision.session, cmd.RunStopped(RUN, signal=15))
    assert ended.events[-1] == ev.RunEnded(run_id=RUN, reason="stopped", signal=15)


def test_stop_of_a_created_session_ends_it() -> None:
    decision = given(session_in(S.CREATED), STOP)
    assert (kinds(decision), decision.effects, decision.session.state) == (["stop_requested"], (), S.ENDED)


def test_resume_is_a_new_run_that_knows_the_agents_own_session() -> None:
    decision = given(session_in(S.ENDED), RESUME)
    assert decision.events == (ev.SessionResumed(run_id=NEXT_RUN, by=OWNER, vendor_session_id="v-1"),)
    assert decision.effects == (fx.LaunchAgent(),)


def test_rename_and_mode_say_nothing_when_nothing_changes() -> None:
    session = session_in(S.RUNNING)
    assert kinds(given(session, cmd.RenameSession(**TO, name="new"), cmd.RenameSession(**TO, name="new"))) == [
        "session_renamed"
    ]
    assert kinds(given(session, cmd.SetMode(**TO, mode=Mode.EDITS), cmd.SetMode(**TO, mode=Mode.EDITS))) == [
        "mode_changed"
    ]


FREEZE, THAW = cmd.SetFrozen(**TO, frozen=True), cmd.SetFrozen(**TO, frozen=False)


@pytest.mark.parametrize("state", [S.AWAITING_INPUT, S.RUNNING, S.AWAITING_APPROVAL, S.INTERRUPTING])
def test_freezing_and_thawing_are_said_once_and_a_stop_ends_it(state: SessionState) -> None:
    session = session_in(state)
    assert kinds(given(session, FREEZE, FREEZE, THAW, THAW)) == ["agent_frozen", "agent_thawed"]
    frozen = given(session, FREEZE).session
    assert (frozen.frozen, frozen.state) == (True, state)
    assert not given(frozen, STOP).session.frozen
    assert not given(frozen, cmd.RunStopped(RUN, code=0)).session.frozen


@pytest.mark.parametrize("state", [S.CREATED, S.STARTING, S.STOPPING, S.ENDED])
def test_where_no_agent_works_nothing_is_frozen(state: SessionState) -> None:
    with pytest.raises(NothingToFreeze):
        decide(session_in(state), FREEZE, CONTEXT)
    assert kinds(given(session_in(state), THAW)) == []
    with pytest.raises(NothingToFreeze):
        decide(session_in(S.RUNNING).model_copy(update={"external": True}), FREEZE, CONTEXT)


@pytest.mark.parametrize("state", [S.CREATED, S.ENDED])
def test_delete_leaves_a_tombstone(state: SessionState) -> None:
    assert kinds(given(session_in(state), DELETE)) == ["session_deleted"]


def test_the_mode_answers_by_itself_and_says_so() -> None:
    asked = edit()
    decision = given(session_in(S.RUNNING, mode=Mode.EDITS), said(ev.ApprovalRequested(approval=asked)))
    assert decision.events[-1] == ev.ApprovalResolved(
        approval_id=asked.approval_id, answer=APPROVE, by=ByPolicy(rule="mode edits")
    )
    assert decision.effects == (fx.SendToAgent(fx.Verdict(asked, APPROVE)),)


def test_a_request_read_twice_is_asked_once() -> None:
    once = said(ev.ApprovalRequested(approval=ASKED))
    assert kinds(given(session_in(S.RUNNING), once, once)) == ["approval_requested"]


def test_a_withdrawal_closes_or_makes_the_verdict_moot() -> None:
    gone = said(ev.ApprovalWithdrawn(approval_id=ASKED.approval_id))
    withdrawn = given(session_in(S.AWAITING_APPROVAL), gone)
    assert (kinds(withdrawn), withdrawn.session.state) == (["approval_withdrawn"], S.RUNNING)
    late = given(session_in(S.AWAITING_APPROVAL), answer(ASKED), gone)
    assert late.events[-1] == ev.VerdictDelivered(approval_id=ASKED.approval_id, outcome="moot")
    assert kinds(given(session_in(S.RUNNING), gone)) == []


def test_the_turns_end_makes_open_requests_moot() -> None:
    decision = given(session_in(S.AWAITING_APPROVAL), said(ev.TurnCompleted(outcome="completed")))
    assert kinds(decision) == ["approval_resolved", "verdict_delivered", "turn_completed"]
    assert decision.events[0].by == ByCircumstance(cause="turn_end")


def test_what_a_sub_agent_asks_stays_open_when_the_turn_ends() -> None:
    beside = approval("1", outlives_turn=True)
    asked = given(session_in(S.RUNNING), said(ev.ApprovalRequested(approval=approval())))
    asked = given(asked.session, said(ev.ApprovalRequested(approval=beside)))
    ended = given(asked.session, said(ev.TurnCompleted(outcome="completed")))
    assert kinds(ended) == ["approval_resolved", "verdict_delivered", "turn_completed"]
    assert (ended.session.state, ended.session.open_approvals) == (S.AWAITING_APPROVAL, (beside,))
    waiting = given(ended.session, send())
    assert waiting.effects == ()
    answered = given(waiting.session, answer(beside))
    assert answered.effects == (fx.SendToAgent(fx.Verdict(beside, APPROVE)), fx.SendToAgent(fx.Prompt("i-1")))
    assert answered.session.state is S.RUNNING


def test_a_turn_that_runs_is_not_started_again() -> None:
    assert kinds(given(session_in(S.RUNNING), said(ev.TurnStarted(cause="agent"), HI))) == ["message_written"]
    assert kinds(given(session_in(S.AWAITING_INPUT), said(ev.TurnStarted(cause="agent")))) == ["turn_started"]


def test_acknowledged_frames_become_deliveries_once() -> None:
    sent = given(session_in(S.AWAITING_INPUT), send()).session
    done = given(sent, cmd.Acknowledged(input_ids=("i-1", "i-9")))
    assert done.events == (ev.InputDelivered(input_id="i-1"),)
    assert given(done.session, cmd.Acknowledged(input_ids=("i-1",))).events == ()
    told = given(session_in(S.AWAITING_APPROVAL), answer(ASKED)).session
    delivered = given(told, cmd.Acknowledged(approval_ids=("a-9", ASKED.approval_id)))
    assert delivered.events == (ev.VerdictDelivered(approval_id=ASKED.approval_id, outcome="delivered"),)


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (cmd.RunStopped(RUN, code=0), "finished"),
        (cmd.RunStopped(RUN, code=3), "failed"),
        (cmd.RunStopped(RUN, signal=9), "failed"),
        (cmd.RunStopped(RUN, lost=True), "lost"),
        (cmd.RunStopped(RUN, error="no such program"), "failed"),
    ],
)
def test_the_end_of_a_run_closes_all_that_it_left_open(report: cmd.RunStopped, reason: str) -> None:
    busy = given(session_in(S.AWAITING_INPUT), send(), send(input_id="i-2")).session
    busy = given(busy, said(ev.ApprovalRequested(approval=ASKED)), answer(ASKED)).session
    busy = given(busy, said(ev.ApprovalRequested(approval=approval("1")))).session
    ended = given(busy, report)
    assert kinds(ended) == [
        "approval_resolved",
        "verdict_delivered",
        "verdict_delivered",
        "input_undelivered",
        "input_undelivered",
        "run_ended",
    ]
    assert ended.events[-1].reason == reason
    assert ended.session.state is S.ENDED
    assert not (ended.session.queued or ended.session.sent or ended.session.verdicts or ended.session.open_approvals)


def test_a_late_word_about_an_old_run_changes_nothing() -> None:
    assert given(session_in(S.RUNNING), cmd.RunStopped(NEXT_RUN, code=0)).events == ()
    assert given(session_in(S.ENDED), cmd.RunStopped(RUN, code=0)).events == ()


# -- external agents ------------------------------------------------------------------------------------------------


def external(state: SessionState = S.CREATED) -> Session:
    session = born_external()
    if state is S.CREATED:
        return session
    running = given(session, pushed(HI)).session
    if state is S.RUNNING:
        return running
    waiting = given(running, pushed(status="awaiting_input")).session
    assert waiting.state is S.AWAITING_INPUT
    return waiting


def born_external() -> Session:
    return session_in(S.CREATED, external=True, adapter="external", directory=None)


def test_the_first_push_of_an_external_agent_starts_everything() -> None:
    decision = given(born_external(), pushed(HI))
    assert kinds(decision) == ["session_started", "agent_ready", "turn_started", "message_written"]
    assert (decision.session.state, decision.effects) == (S.RUNNING, ())


@pytest.mark.parametrize(
    ("status", "expected", "state"),
    [
        ("running", ["turn_started"], S.RUNNING),
        ("awaiting_input", [], S.AWAITING_INPUT),
        ("done", ["run_ended"], S.ENDED),
        ("failed", ["run_ended"], S.ENDED),
    ],
)
def test_an_external_agents_status(status: str, expected: list[str], state: SessionState) -> None:
    decision = given(external(S.AWAITING_INPUT), pushed(status=status))
    assert (kinds(decision), decision.session.state) == (expected, state)
    ended = given(external(S.RUNNING), pushed(HI, status=status))
    assert ended.session.state is state


def test_an_external_agent_reads_the_log_and_gets_no_frames() -> None:
    decision = given(external(S.AWAITING_INPUT), send())
    assert (kinds(decision), decision.effects) == (["input_accepted"], ())
    seen = given(decision.session, cmd.ConfirmPolled(session_id=SID, by=AGENT, input_ids=("i-1",)))
    assert seen.events == (ev.InputDelivered(input_id="i-1"),)
    ours = approval(run_id=NEXT_RUN, approval_id=approval_id_for(NEXT_RUN, "0"))
    asked = given(seen.session, pushed(ev.ApprovalRequested(approval=ASKED)), answer(ours))
    assert asked.effects == ()
    assert asked.session.verdicts == (ours.approval_id,)


def test_input_that_waits_behind_a_question_outside_a_turn_follows_its_answer() -> None:
    asked = given(session_in(S.AWAITING_INPUT), said(ev.ApprovalRequested(approval=ASKED)), send())
    assert asked.session.queued == ("i-1",)
    for ending in (answer(ASKED), INTERRUPT, said(ev.ApprovalWithdrawn(approval_id=ASKED.approval_id))):
        assert given(asked.session, ending).session.sent == ("i-1",)


def test_what_is_asked_before_the_agent_is_ready_is_asked_when_it_is() -> None:
    asked = given(session_in(S.STARTING), said(ev.ApprovalRequested(approval=ASKED)))
    assert asked.session.state is S.STARTING
    assert given(asked.session, said(ev.AgentReady())).session.state is S.AWAITING_APPROVAL


def test_a_late_word_of_a_run_that_is_over_is_dropped() -> None:
    assert kinds(given(session_in(S.ENDED), said(ev.ApprovalRequested(approval=ASKED)))) == []


def test_input_reaches_an_external_agent_that_has_not_spoken_yet() -> None:
    decision = given(born_external(), send())
    assert kinds(decision) == ["input_accepted"]
    assert decision.session.state is S.CREATED


def test_stop_ends_an_external_session_at_once_and_its_pushes_are_refused() -> None:
    decision = given(external(S.RUNNING), STOP)
    assert kinds(decision) == ["stop_requested", "run_ended"]
    with pytest.raises(WrongState):
        decide(decision.session, pushed(HI), CONTEXT)
    resumed = given(decision.session, RESUME)
    assert (kinds(resumed), resumed.session.state) == (["session_resumed", "agent_ready"], S.AWAITING_INPUT)


# -- sequences ---------------------------------------------------------------------------------------------------

STEPS: list[cmd.Input] = [
    START,
    send(),
    send(input_id="i-2"),
    answer(ASKED),
    answer(ASKED, REJECT),
    INTERRUPT,
    STOP,
    RESUME,
    said(ev.AgentReady()),
    said(ev.TurnStarted(cause="agent")),
    said(HI),
    said(ev.ApprovalRequested(approval=ASKED)),
    said(
        ev.ApprovalRequested(
            approval=approval(
                "1",
                kind=ApprovalKind.QUESTION,
                options=(
                    Option(option_id="a", label="A", decision="approve"),
                    Option(option_id="b", label="B", decision="approve"),
                ),
            )
        )
    ),
    said(ev.ApprovalWithdrawn(approval_id=ASKED.approval_id)),
    said(ev.TurnCompleted(outcome="completed")),
    cmd.Acknowledged(input_ids=("i-1",), approval_ids=(ASKED.approval_id,)),
    cmd.RunStopped(NEXT_RUN, code=0),
    cmd.InterruptOverdue(),
]


@hypothesis_given(st.lists(st.sampled_from(range(len(STEPS))), max_size=40))
def test_in_any_order_each_request_is_resolved_at_most_once_and_nothing_dangles(order: list[int]) -> None:
    session = session_in(S.CREATED)
    open_now: set[str] = set()
    for index in order:
        known = Context(run_id=NEXT_RUN, closed=Closed(None))
        try:
            decision = decide(session, STEPS[index], known)
        except Rejected:
            continue
        for event in decision.events:
            if isinstance(event, ev.ApprovalRequested):
                open_now.add(event.approval.approval_id)
            if isinstance(event, ev.ApprovalResolved | ev.ApprovalWithdrawn):
                open_now.remove(event.approval_id)
        session = decision.session
        assert {a.approval_id for a in session.open_approvals} == open_now
        assert session.state is S.STARTING or (session.state is S.AWAITING_APPROVAL) == bool(open_now)
        assert session.turn_open or session.state is not S.RUNNING
        if session.state is S.ENDED:
            assert not (session.queued or session.sent or session.verdicts or open_now)
