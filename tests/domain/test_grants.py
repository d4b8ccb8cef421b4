""" "Always": the rule that an answer makes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.domain.builders import APPROVE, OWNER, REJECT, RUN, SID, actor, approval, edit, session_in
from tests.domain.test_rules import NOON
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import Approval, ApprovalKind, FileShown
from tetherd.domain.authority import Forbidden
from tetherd.domain.decide import Context, Decision, NoGoodPolicy, create, decide
from tetherd.domain.grants import CannotGrant, Proposal, proposal, require_grantor
from tetherd.domain.ids import Actor, Role, SessionId
from tetherd.domain.modes import Mode
from tetherd.domain.patterns import BadPattern
from tetherd.domain.policy import Policy
from tetherd.domain.rule import Effect, Scope, Wanted
from tetherd.domain.ruling import Rules
from tetherd.domain.session import SessionState

CONTEXT = Context(run_id=RUN, policy=Policy(now=NOON))
TOOL: dict[str, Any] = {"kind": ApprovalKind.TOOL, "command": None}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (approval(command="make > x"), Proposal("Bash", "make > x")),
        (edit("/w/a.py"), Proposal("Edit(/w/a.py)")),
        (edit("/w/a.py", tool="Write"), Proposal("Write(/w/a.py)")),
        (approval(**TOOL, tool="mcp__a__b"), Proposal("mcp__a__b")),
        (approval(**TOOL, tool="WebFetch", input={"url": "https://a/b"}), Proposal("WebFetch(https://a/b)")),
        (approval(**TOOL, tool="WebFetch", input={"url": "https://a/*"}), None),
        (approval(**TOOL), None),
        (edit("/w/a*b"), None),
        (approval(kind=ApprovalKind.EDIT, command=None, files=(FileShown(path="a", diff=""),) * 2), None),
        (approval(kind=ApprovalKind.QUESTION), None),
        (approval(kind=ApprovalKind.PLAN), None),
    ],
)
def test_it_is_as_narrow_as_what_was_asked(asked: Approval, expected: Proposal | None) -> None:
    assert proposal(asked) == expected


def answered(asked: Approval, always: Wanted, by: Actor = OWNER, directory: str | None = "/w") -> Decision:
    session = session_in(SessionState.RUNNING, directory=directory)
    waiting = decide(session, cmd.AgentSaid((ev.ApprovalRequested(approval=asked),)), CONTEXT).session
    command = cmd.AnswerApproval(session_id=SID, by=by, approval_id=asked.approval_id, answer=APPROVE, always=always)
    return decide(waiting, command, CONTEXT)


@pytest.mark.parametrize(
    ("scope", "narrowing"),
    [("session", {"session_id": SID}), ("project", {"directory": "/w"}), ("everywhere", {})],
)
def test_the_rule_stands_before_the_answer_and_reaches_as_far_as_was_said(
    scope: Scope, narrowing: dict[str, Any]
) -> None:
    granted, resolved = answered(approval(), Wanted(scope, timedelta(hours=8))).events
    assert isinstance(granted, ev.RuleGranted) and isinstance(resolved, ev.ApprovalResolved)
    rule = granted.rule
    assert (rule.effect, rule.tool, rule.exact, rule.author) == (Effect.ALLOW, "Bash", "make", OWNER)
    assert (rule.expires_at, rule.made_at) == (NOON + timedelta(hours=8), NOON)
    assert {name: getattr(rule, name) for name in ("session_id", "directory") if getattr(rule, name)} == narrowing
    again = decide(
        session_in(SessionState.RUNNING),
        cmd.AgentSaid((ev.ApprovalRequested(approval=approval("1")),)),
        Context(run_id=RUN, policy=Policy(rules=Rules([rule]), now=NOON)),
    )
    assert [event.type for event in again.events] == ["approval_requested", "approval_resolved"]


def test_a_pattern_of_their_own_must_be_about_what_was_asked() -> None:
    granted, _ = answered(approval(command="make all"), Wanted("everywhere", tool="Bash(make *)")).events
    assert isinstance(granted, ev.RuleGranted) and str(granted.rule) == "allow Bash(make *)"
    for tool in ("Bash(ninja *)", "Edit"):
        with pytest.raises(CannotGrant, match="would not allow"):
            answered(approval(), Wanted("everywhere", tool=tool))
    with pytest.raises(CannotGrant, match="writes to a file"):
        answered(approval(command="make > x"), Wanted("everywhere", tool="Bash(make *)"))
    with pytest.raises(BadPattern):
        answered(approval(), Wanted("everywhere", tool="Bash("))


def test_what_cannot_be_granted() -> None:
    with pytest.raises(CannotGrant, match="looked at"):
        answered(approval(**TOOL), Wanted("session"))
    with pytest.raises(CannotGrant, match="no project"):
        answered(approval(), Wanted("project"), directory=None)
    for lasts in (timedelta(0), timedelta(seconds=-1), timedelta(days=400)):
        with pytest.raises(CannotGrant, match="days"):
            answered(approval(), Wanted("session", lasts))
    session = session_in(SessionState.AWAITING_APPROVAL)
    reject = cmd.AnswerApproval(
        session_id=SID, by=OWNER, approval_id=approval().approval_id, answer=REJECT, always=Wanted("session")
    )
    with pytest.raises(CannotGrant, match="only an approval"):
        decide(session, reject, CONTEXT)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", ["session", "project", "everywhere"])
def test_who_may_make_rules(role: Role, scope: Scope) -> None:
    by = actor(role, session_id=SID if role is Role.AGENT else None)
    if role is Role.OWNER or (role is Role.APPROVER and scope == "session"):
        assert answered(approval(), Wanted(scope), by).events
    else:
        with pytest.raises(Forbidden):
            answered(approval(), Wanted(scope), by)
        with pytest.raises(Forbidden):
            require_grantor(by, scope, SessionId(SID))


def test_auto_needs_a_policy_that_could_be_read() -> None:
    bad = Context(run_id=RUN, policy=Policy(is_good=False))
    widen = cmd.SetMode(session_id=SID, by=OWNER, mode=Mode.AUTO)
    with pytest.raises(NoGoodPolicy):
        decide(session_in(SessionState.RUNNING), widen, bad)
    assert decide(session_in(SessionState.RUNNING), widen, CONTEXT).events
    wide = {"session_id": SID, "by": OWNER, "name": "x", "adapter": "demo", "external": False, "directory": "/w"}
    with pytest.raises(NoGoodPolicy):
        create(cmd.CreateSession(**wide, mode=Mode.AUTO), bad.policy)
    assert create(cmd.CreateSession(**wide, mode=Mode.EDITS), bad.policy).events
