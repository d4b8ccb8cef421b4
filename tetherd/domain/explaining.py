"""Why a call is allowed, denied or asked about; and what another policy would have said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from tetherd.domain.approval import Approval
from tetherd.domain.calls import call_of
from tetherd.domain.ids import ApprovalId, Frozen, SessionId
from tetherd.domain.policy import Pass, Policy, Refuse, circumstances_of, judge
from tetherd.domain.rule import Effect, Rule
from tetherd.domain.ruling import Finding, Rules
from tetherd.domain.session import Session

Outcome = Literal["allow", "deny", "ask"]


class PartRuled(Frozen):
    """One command or file of a call, and the rule that speaks loudest of it. `effect` None: no rule does."""

    text: str
    effect: Effect | None
    rule: str | None


class DoubtShown(Frozen):
    """What is not understood in a command: `text` stands there from character `start` to `end`."""

    why: str
    text: str
    start: int
    end: int


class Explanation(Frozen):
    """What becomes of a call and why. `rule` is the one that decides, None when no rule does."""

    outcome: Outcome
    why: str
    rule: Rule | None
    parts: tuple[PartRuled, ...]
    doubts: tuple[DoubtShown, ...]


class Change(Frozen):
    """A recorded approval of which another policy would have said something else. `decided` is what became of it."""

    approval_id: ApprovalId
    session_id: SessionId
    title: str
    before: Outcome
    after: Outcome
    why: str
    decided: Literal["approve", "reject"] | None


class Replay(Frozen):
    """How many recorded approvals were judged again, and those that changed, newest first."""

    tested: int
    changes: tuple[Change, ...]


def explain(approval: Approval, session: Session, policy: Policy) -> Explanation:
    """What `policy` makes of this call."""
    call = call_of(approval, session.directory, policy.resolved)
    ruling = policy.rules.rule_on(call, circumstances_of(session, policy.now))
    outcome, why = _judged(approval, session, policy)
    return Explanation(
        outcome=outcome,
        why=why,
        rule=ruling.rule,
        parts=tuple(_part(finding) for finding in ruling.findings),
        doubts=tuple(
            DoubtShown(why=one.why, text=call.shown(one), start=one.start, end=one.end) for one in call.doubts
        ),
    )


def compare(
    recorded: Iterable[tuple[Approval, Session, Literal["approve", "reject"] | None]], policy: Policy, other: Rules
) -> Replay:
    """Judge recorded approvals by the policy and by other rules in its place."""
    changes: list[Change] = []
    tested = 0
    then = replace(policy, rules=other)
    for approval, session, decided in recorded:
        tested += 1
        before, _ = _judged(approval, session, policy)
        after, why = _judged(approval, session, then)
        if before != after:
            changes.append(
                Change(
                    approval_id=approval.approval_id,
                    session_id=session.session_id,
                    title=approval.title,
                    before=before,
                    after=after,
                    why=why,
                    decided=decided,
                )
            )
    return Replay(tested=tested, changes=tuple(changes))


def _judged(approval: Approval, session: Session, policy: Policy) -> tuple[Outcome, str]:
    match judge(approval, session, policy):
        case Pass(rule=rule):
            return "allow", rule
        case Refuse(rule=rule):
            return "deny", rule
        case asked:
            return "ask", asked.why


def _part(finding: Finding) -> PartRuled:
    rule = finding.rule
    said = f"{rule.origin}: {rule}" if rule else None
    return PartRuled(text=finding.unit.shown, effect=rule.effect if rule else None, rule=said)
