"""The session's table: every state against every event."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.builders import APPROVE, NEXT_RUN, OWNER, PATHS, RUN, SID, approval, created, session_in
from tetherd.domain import events as ev
from tetherd.domain.session import LIVE, TRANSITIONS, Session, SessionState, Usage, born, evolve

S = SessionState
ASKED = approval()
OTHER = approval("1")
BY = {"kind": "circumstance", "cause": "interrupt"}

EVENTS: dict[str, ev.Event] = {
    "session_created": created(),
    "session_started": ev.SessionStarted(run_id=RUN, by=OWNER),
    "session_resumed": ev.SessionResumed(run_id=NEXT_RUN, by=OWNER, vendor_session_id=None),
    "input_accepted": ev.InputAccepted(input_id="i-1", text="go", by=OWNER),
    "input_delivered": ev.InputDelivered(input_id="i-1"),
    "input_undelivered": ev.InputUndelivered(input_id="i-1"),
    "interrupt_requested": ev.InterruptRequested(by=OWNER),
    "stop_requested": ev.StopRequested(by=OWNER, grace_seconds=1.0),
    "approval_resolved": ev.ApprovalResolved(approval_id=ASKED.approval_id, answer=APPROVE, by=BY),
    "verdict_delivered": ev.VerdictDelivered(approval_id=ASKED.approval_id, outcome="delivered"),
    "mode_changed": ev.ModeChanged(mode="edits", by=OWNER),
    "agent_frozen": ev.AgentFrozen(by=OWNER),
    "agent_thawed": ev.AgentThawed(by=OWNER),
    "session_renamed": ev.SessionRenamed(name="new", by=OWNER),
    "run_ended": ev.RunEnded(run_id=RUN, reason="failed", code=3),
    "session_deleted": ev.SessionDeleted(by=OWNER),
    "agent_ready": ev.AgentReady(vendor_session_id="v-2"),
    "turn_started": ev.TurnStarted(cause="agent"),
    "message_written": ev.MessageWritten(message_id="m", offset=0, text="hi", final=True),
    "thinking_written": ev.ThinkingWritten(message_id="t", offset=0, text="hm", final=True),
    "tool_call_started": ev.ToolCallStarted(tool_call_id="c", tool="Bash", title="ls"),
    "tool_call_finished": ev.ToolCallFinished(tool_call_id="c", ok=True, output=""),
    "approval_requested": ev.ApprovalRequested(approval=ASKED),
    "approval_withdrawn": ev.ApprovalWithdrawn(approval_id=ASKED.approval_id),
    "turn_completed": ev.TurnCompleted(outcome="completed"),
    "usage_reported": ev.UsageReported(input_tokens=1),
    "notice_raised": ev.NoticeRaised(level="info", code="x", text="x"),
    "output_unrecognised": ev.OutputUnrecognised(head="?", size=1, why="x"),
}

MOVES = {
    (S.CREATED, "session_started"): S.STARTING,
    (S.CREATED, "stop_requested"): S.ENDED,
    (S.STARTING, "agent_ready"): S.AWAITING_INPUT,
    (S.STARTING, "stop_requested"): S.STOPPING,
    (S.STARTING, "run_ended"): S.ENDED,
    (S.AWAITING_INPUT, "turn_started"): S.RUNNING,
    (S.AWAITING_INPUT, "approval_requested"): S.AWAITING_APPROVAL,
    (S.AWAITING_INPUT, "stop_requested"): S.STOPPING,
    (S.AWAITING_INPUT, "run_ended"): S.ENDED,
    (S.RUNNING, "approval_requested"): S.AWAITING_APPROVAL,
    (S.RUNNING, "turn_completed"): S.AWAITING_INPUT,
    (S.RUNNING, "interrupt_requested"): S.INTERRUPTING,
    (S.RUNNING, "stop_requested"): S.STOPPING,
    (S.RUNNING, "run_ended"): S.ENDED,
    (S.AWAITING_APPROVAL, "approval_resolved"): S.RUNNING,
    (S.AWAITING_APPROVAL, "approval_withdrawn"): S.RUNNING,
    (S.AWAITING_APPROVAL, "turn_completed"): S.AWAITING_APPROVAL,  # something is asked still
    (S.AWAITING_APPROVAL, "interrupt_requested"): S.INTERRUPTING,
    (S.AWAITING_APPROVAL, "stop_requested"): S.STOPPING,
    (S.AWAITING_APPROVAL, "run_ended"): S.ENDED,
    (S.INTERRUPTING, "turn_completed"): S.AWAITING_INPUT,
    (S.INTERRUPTING, "stop_requested"): S.STOPPING,
    (S.INTERRUPTING, "run_ended"): S.ENDED,
    (S.STOPPING, "run_ended"): S.ENDED,
    (S.ENDED, "session_resumed"): S.STARTING,
}


def test_every_event_is_in_the_table_of_this_test() -> None:
    union = get_args(get_args(ev.Event.__value__)[0])
    assert {cls.model_fields["type"].default for cls in union} == set(EVENTS)


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("state", S)
def test_each_pair_moves_as_listed_or_not_at_all(state: S, kind: str) -> None:
    assert evolve(session_in(state), EVENTS[kind]).state is MOVES.get((state, kind), state)


def test_the_table_lists_no_other_move() -> None:
    listed = {(state, cls.model_fields["type"].default) for state, moves in TRANSITIONS.items() for cls in moves}
    assert listed == set(MOVES)


def test_the_last_answer_of_several_goes_on() -> None:
    session = evolve(session_in(S.AWAITING_APPROVAL), ev.ApprovalRequested(approval=OTHER))
    one = evolve(session, EVENTS["approval_resolved"])
    assert one.state is S.AWAITING_APPROVAL
    assert one.verdicts == (ASKED.approval_id,)
    assert evolve(one, ev.ApprovalWithdrawn(approval_id=OTHER.approval_id)).state is S.RUNNING


def test_without_a_turn_an_answer_leads_back_to_waiting_for_input() -> None:
    session = evolve(session_in(S.AWAITING_INPUT), ev.ApprovalRequested(approval=ASKED))
    assert evolve(session, EVENTS["approval_resolved"]).state is S.AWAITING_INPUT
    assert evolve(session, EVENTS["interrupt_requested"]).state is S.AWAITING_INPUT


def test_the_same_approval_is_open_once() -> None:
    session = session_in(S.AWAITING_APPROVAL)
    assert evolve(session, EVENTS["approval_requested"]) == session


def test_inputs_go_from_queued_to_sent_to_gone() -> None:
    session = evolve(session_in(S.AWAITING_INPUT), EVENTS["input_accepted"])
    assert session.queued == ("i-1",)
    sent = evolve(session, ev.TurnStarted(cause="input", input_id="i-1"))
    assert (sent.queued, sent.sent, sent.turns) == ((), ("i-1",), 1)
    assert evolve(sent, EVENTS["input_delivered"]).sent == ()


def test_usage_is_unknown_until_reported_and_then_summed() -> None:
    session = session_in(S.RUNNING)
    assert session.usage == Usage()
    for _ in range(2):
        session = evolve(session, ev.UsageReported(input_tokens=2, cost_usd=0.5))
    assert session.usage == Usage(input_tokens=4, output_tokens=None, cost_usd=1.0)


def test_ending_is_remembered_until_the_next_run() -> None:
    ended = evolve(session_in(S.RUNNING), EVENTS["run_ended"])
    assert ended.ending is not None and (ended.ending.reason, ended.ending.code) == ("failed", 3)
    resumed = evolve(ended, EVENTS["session_resumed"])
    assert (resumed.ending, resumed.run_id, resumed.vendor_session_id) == (None, NEXT_RUN, "v-1")
    stopped = evolve(session_in(S.CREATED), EVENTS["stop_requested"])
    assert stopped.ending is not None and stopped.ending.reason == "stopped"


def test_names_and_modes_change() -> None:
    session = evolve(evolve(session_in(S.RUNNING), EVENTS["session_renamed"]), EVENTS["mode_changed"])
    assert (session.name, session.mode.value) == ("new", "edits")


@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=30))
def test_evolve_is_total_and_its_snapshot_round_trips(story: list[str]) -> None:
    session = born(SID, created())
    for kind in story:
        session = evolve(session, EVENTS[kind])
    assert Session.model_validate_json(session.model_dump_json()) == session
    assert session.is_live == (session.state in LIVE)


def test_every_state_has_a_story() -> None:
    assert set(PATHS) == set(S)
