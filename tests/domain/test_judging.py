"""decide and the rules: who decided stands on the record, and what waits is only ever denied by new rules."""

from __future__ import annotations

import pytest

from tests.domain.builders import AGENT, OWNER, SID, approval, given, kinds, send, session_in
from tests.domain.test_rules import NOON, rule
from tetherd.domain import commands as cmd
from tetherd.domain import effects as fx
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, ByPolicy
from tetherd.domain.decide import Context, decide
from tetherd.domain.ids import Asker, InputId, RunId
from tetherd.domain.modes import Mode
from tetherd.domain.policy import Policy
from tetherd.domain.rule import Effect, Rule
from tetherd.domain.ruling import Rules
from tetherd.domain.session import Session, SessionState, evolve

ASKED = approval()
ASKS = cmd.AgentSaid((ev.ApprovalRequested(approval=ASKED),))


def under(*rules: Rule) -> Context:
    return Context(run_id=RunId("r-2"), policy=Policy(rules=Rules(rules), now=NOON))


def resolutions(events: tuple[ev.Event, ...]) -> list[ev.ApprovalResolved]:
    return [event for event in events if isinstance(event, ev.ApprovalResolved)]


def test_a_rule_allows_in_the_append_that_asks() -> None:
    decision = decide(session_in(SessionState.RUNNING), ASKS, under(rule(Effect.ALLOW, "Bash(make)")))
    assert kinds(decision) == ["approval_requested", "approval_resolved"]
    (resolved,) = resolutions(decision.events)
    assert resolved.by == ByPolicy(rule="grant g-allow: allow Bash(make)")
    assert decision.effects == (fx.SendToAgent(fx.Verdict(ASKED, Answer(decision="approve"))),)
    assert decision.session.state is SessionState.RUNNING


def test_the_agent_is_told_why_a_rule_denies() -> None:
    decision = decide(session_in(SessionState.RUNNING), ASKS, under(rule(Effect.DENY, "Bash", message="use ninja")))
    assert decision.effects == (fx.SendToAgent(fx.Verdict(ASKED, Answer(decision="reject", reason="use ninja"))),)


def test_new_rules_deny_what_waits_and_allow_nothing() -> None:
    waiting = decide(session_in(SessionState.RUNNING), ASKS, under()).session
    changed = cmd.PolicyChanged()
    assert decide(waiting, changed, under(rule(Effect.ALLOW, "Bash"))).events == ()
    assert decide(waiting, changed, under(rule(Effect.ASK, "Bash"))).events == ()
    decision = decide(waiting, changed, under(rule(Effect.DENY, "Bash", message="no")))
    assert resolutions(decision.events)[0].answer == Answer(decision="reject", reason="no")
    assert decision.session.state is SessionState.RUNNING


@pytest.mark.parametrize("state", SessionState)
def test_a_broken_policy_is_told_where_somebody_works(state: SessionState) -> None:
    session = session_in(state)
    decision = decide(session, cmd.PolicyChanged("policy.toml, line 3: what?"), under())
    assert [event.text for event in decision.events if isinstance(event, ev.NoticeRaised)] == (
        ["policy.toml, line 3: what?"] if session.is_live else []
    )


def turned(session: Session, turn: ev.TurnStarted) -> Asker:
    return evolve(session, turn).asked_by


def test_whose_words_a_turn_is_about() -> None:
    session = session_in(SessionState.AWAITING_INPUT)
    theirs = evolve(session, ev.InputAccepted(input_id=InputId("i-1"), text="x", by=AGENT))
    ours = evolve(theirs, ev.InputAccepted(input_id=InputId("i-2"), text="x", by=OWNER))
    first = ev.TurnStarted(cause="input", input_id=InputId("i-1"))
    assert turned(ours, first) == "agent"
    assert evolve(ours, first).agents_inputs == ()
    assert turned(ours, ev.TurnStarted(cause="input", input_id=InputId("i-2"))) == "human"
    assert turned(ours, ev.TurnStarted(cause="schedule")) == "schedule"
    assert turned(ours, ev.TurnStarted(cause="agent")) == "agent"


def test_what_only_people_may_have_done_is_asked_in_an_agents_turn() -> None:
    humans = under(rule(Effect.ALLOW, "Bash", asked_by=("human",)))
    ready = session_in(SessionState.AWAITING_INPUT, mode=Mode.ASK)
    by_person = given(ready, send(), ASKS, context=humans)
    assert resolutions(by_person.events)
    by_itself = given(ready, cmd.AgentSaid((ev.TurnStarted(cause="agent"),)), ASKS, context=humans)
    assert not resolutions(by_itself.events)
    assert by_itself.session.session_id == SID
