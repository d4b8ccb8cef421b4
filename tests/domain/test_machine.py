"""Random stories of a session: whatever comes in whatever order, what decide promises holds."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.domain.builders import AGENT, OWNER, SID, actor, answer, approval, created
from tetherd.domain import commands as cmd
from tetherd.domain import effects as fx
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, ApprovalKind, ByActor, Resolution
from tetherd.domain.decide import Closed, Context, decide
from tetherd.domain.ids import ApprovalId, InputId, RunId, SessionId, approval_id_for
from tetherd.domain.modes import Mode
from tetherd.domain.session import Session, SessionState, born, evolve
from tetherd.errors import Rejected

S = SessionState
REQUESTS = ("0", "1", "2")
PEOPLE = (OWNER, actor(name="phone"))
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATUSES = (None, "running", "awaiting_input", "done", "failed")


class Story(RuleBasedStateMachine):
    """One session, ours or external, with many runs. Agents use the same request ids again in each run."""

    @initialize(external=st.booleans(), mode=st.sampled_from(Mode))
    def begin(self, external: bool, mode: Mode) -> None:
        self.session: Session = born(SID, created(external=external, mode=mode))
        self.counter = 0
        self.asked: set[ApprovalId] = set()
        self.closed: dict[ApprovalId, Closed] = {}
        self.verdicts_told: list[ApprovalId] = []
        self.inputs: dict[InputId, str] = {}

    # -- what happens --------------------------------------------------------------------------------------------

    @rule(
        command=st.sampled_from(
            [
                cmd.StartSession(session_id=SID, by=OWNER),
                cmd.Interrupt(session_id=SID, by=OWNER),
                cmd.StopSession(session_id=SID, by=OWNER, grace_seconds=1.0),
                cmd.ResumeSession(session_id=SID, by=OWNER),
                cmd.RenameSession(session_id=SID, by=OWNER, name="other"),
                cmd.SetMode(session_id=SID, by=OWNER, mode=Mode.AUTO),
                cmd.SetMode(session_id=SID, by=OWNER, mode=Mode.ASK),
            ]
        )
    )
    def a_person_commands(self, command: cmd.Command) -> None:
        self.take(command)

    @rule(steer=st.booleans())
    def a_person_sends_input(self, steer: bool) -> None:
        self.counter += 1
        input_id = InputId(f"i-{self.counter}")
        self.take(cmd.SendInput(session_id=SID, by=OWNER, input_id=input_id, text="go", steer=steer))

    @rule(data=st.data(), by=st.sampled_from(PEOPLE), decision=st.sampled_from(["approve", "reject"]))
    @precondition(lambda self: self.asked)
    def a_person_answers(self, data: st.DataObject, by: object, decision: str) -> None:
        approval_id = data.draw(st.sampled_from(sorted(self.asked)))
        one = approval().model_copy(update={"approval_id": approval_id})
        self.take(answer(one, Answer(decision=decision), by), self.closed.get(approval_id))

    @rule(ready=st.booleans())
    def the_agent_begins(self, ready: bool) -> None:
        self.said(ev.AgentReady(vendor_session_id="v" if ready else None))

    @rule(request=st.sampled_from(REQUESTS), kind=st.sampled_from([ApprovalKind.COMMAND, ApprovalKind.QUESTION]))
    def the_agent_asks(self, request: str, kind: ApprovalKind) -> None:
        run_id = self.session.run_id or RunId("r-0")
        approval_id = approval_id_for(run_id, request)
        if approval_id in self.asked:  # ids of one run are the agent's to keep apart
            return
        self.said(ev.ApprovalRequested(approval=approval(request, approval_id=approval_id, run_id=run_id, kind=kind)))

    @rule(request=st.sampled_from(REQUESTS))
    def the_agent_withdraws(self, request: str) -> None:
        self.said(ev.ApprovalWithdrawn(approval_id=approval_id_for(self.session.run_id or RunId("r-0"), request)))

    @rule(turn=st.booleans())
    def the_agents_turn_begins_or_ends(self, turn: bool) -> None:
        self.said(ev.TurnStarted(cause="agent") if turn else ev.TurnCompleted(outcome="completed"))

    @rule(status=st.sampled_from(STATUSES), request=st.sampled_from([None, *REQUESTS]))
    def an_external_agent_pushes(self, status: str | None, request: str | None) -> None:
        run_id = self.session.run_id or RunId(f"r-{self.counter + 1}")
        if request is not None and approval_id_for(run_id, request) in self.asked:
            return
        events = () if request is None else (ev.ApprovalRequested(approval=approval(request)),)
        self.take(cmd.PushEvents(session_id=SID, by=AGENT, events=events, status=status))

    @rule(data=st.data())
    def frames_are_acknowledged(self, data: st.DataObject) -> None:
        inputs = data.draw(st.sets(st.sampled_from([InputId("i-0"), *self.inputs])))
        verdicts = data.draw(st.sets(st.sampled_from([ApprovalId("a-0"), *sorted(self.closed)])))
        self.take(cmd.Acknowledged(tuple(inputs), tuple(verdicts)))

    @rule(data=st.data(), code=st.sampled_from([0, 1, None]), lost=st.booleans())
    def a_run_stops(self, data: st.DataObject, code: int | None, lost: bool) -> None:
        run_id = data.draw(st.sampled_from([self.session.run_id or RunId("r-0"), RunId("r-0")]))
        self.take(cmd.RunStopped(run_id, code=code, lost=lost))

    @rule()
    def an_interrupt_is_overdue(self) -> None:
        self.take(cmd.InterruptOverdue())

    @rule()
    def a_stranger_is_refused_and_changes_nothing(self) -> None:
        stranger = actor(AGENT.principal.role, "agent", SessionId("s-2"))
        before = self.session
        self.take(cmd.StopSession(session_id=SID, by=stranger))
        assert self.session == before

    # -- what must hold ------------------------------------------------------------------------------------------

    def said(self, event: ev.AgentEvent) -> None:
        if not self.session.external:
            self.take(cmd.AgentSaid((event,)))

    def take(self, given: cmd.Input, closed: Closed | None = None) -> None:
        self.counter += 1
        before = self.session
        try:
            decision = decide(before, given, Context(run_id=RunId(f"r-{self.counter}"), closed=closed))
        except Rejected:
            return
        folded = before
        for event in decision.events:
            folded = evolve(folded, event)
            self._account(event, folded)
        assert folded == decision.session
        if before.external:
            assert not any(isinstance(effect, fx.SendToAgent | fx.LaunchAgent) for effect in decision.effects)
        self.session = decision.session

    def _account(self, event: ev.Event, after: Session) -> None:
        match event:
            case ev.ApprovalRequested(approval=one):
                assert one.approval_id not in self.asked
                self.asked.add(one.approval_id)
            case ev.ApprovalResolved(approval_id=approval_id) | ev.ApprovalWithdrawn(approval_id=approval_id):
                assert approval_id in self.asked and approval_id not in self.closed
                self.closed[approval_id] = _closed(event)
            case ev.VerdictDelivered(approval_id=approval_id):
                assert approval_id in self.closed and approval_id not in self.verdicts_told
                self.verdicts_told.append(approval_id)
            case ev.InputAccepted(input_id=input_id):
                self.inputs[input_id] = "accepted"
            case ev.InputDelivered(input_id=input_id) | ev.InputUndelivered(input_id=input_id):
                assert self.inputs[input_id] == "accepted"
                self.inputs[input_id] = event.type
            case ev.RunEnded():
                assert not (after.open_approvals or after.queued or after.sent or after.verdicts or after.turn_open)
                assert after.state is S.ENDED
            case _:
                pass

    @invariant()
    def what_is_open_is_what_was_asked_and_not_closed(self) -> None:
        open_now = [one.approval_id for one in self.session.open_approvals]
        assert sorted(open_now) == sorted(self.asked - set(self.closed))

    @invariant()
    def every_input_is_on_its_way_or_told_of(self) -> None:
        pending = {input_id for input_id, fate in self.inputs.items() if fate == "accepted"}
        assert pending == {*self.session.queued, *self.session.sent}
        assert not {*self.session.queued} & {*self.session.sent}

    @invariant()
    def the_state_says_whether_somebody_is_needed(self) -> None:
        needed = self.session.state is S.AWAITING_APPROVAL
        assert needed == bool(self.session.open_approvals) or self.session.state is S.STARTING
        assert self.session.turn_open or self.session.state not in (S.RUNNING, S.INTERRUPTING)


def _closed(event: ev.ApprovalResolved | ev.ApprovalWithdrawn) -> Closed:
    if isinstance(event, ev.ApprovalWithdrawn) or not isinstance(event.by, ByActor):
        return Closed(None)
    return Closed(Resolution(answer=event.answer, by=event.by, at=NOON))


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True)
