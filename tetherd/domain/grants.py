"""Grants: "always", made from what was shown, by a person, for as far and as long as they say."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from tetherd.domain.approval import Approval, ApprovalKind
from tetherd.domain.authority import Forbidden
from tetherd.domain.calls import BASH, call_of
from tetherd.domain.ids import Actor, Role, SessionId
from tetherd.domain.policy import Policy, circumstances_of
from tetherd.domain.rule import Effect, Rule, Scope, Wanted
from tetherd.domain.ruling import Rules
from tetherd.domain.session import Session
from tetherd.errors import Rejected

LONGEST = timedelta(days=366)


class CannotGrant(Rejected):
    """There is no rule that says this."""

    code = "cannot_grant"
    status = 422


class Proposal(NamedTuple):
    """The rule that "always" would make, as narrow as what was asked. `exact` is a command, to the letter."""

    tool: str
    exact: str | None = None


def proposal(approval: Approval) -> Proposal | None:
    """What "always" would mean; None where each call must be looked at."""
    if approval.kind in (ApprovalKind.QUESTION, ApprovalKind.PLAN):
        return None
    if approval.command is not None:
        return Proposal(BASH, approval.command)
    tool = approval.tool or ("Edit" if approval.kind is ApprovalKind.EDIT else None)
    call = call_of(approval, None, {})
    if tool is None or len(call.units) != 1:
        return None
    (unit,) = call.units
    about = unit.paths[0] if unit.paths else unit.text
    if about is None:
        return Proposal(tool)
    return Proposal(f"{tool}({about})") if "*" not in about and about == about.strip() and about else None


def grant_for(approval: Approval, session: Session, wanted: Wanted, by: Actor, policy: Policy) -> Rule:
    """The rule that this answer makes. Raises CannotGrant, Forbidden or BadPattern."""
    require_grantor(by, wanted.scope, session.session_id)
    meant = Proposal(wanted.tool) if wanted.tool is not None else proposal(approval)
    if meant is None:
        raise CannotGrant("no rule can say this: each such call must be looked at")
    if wanted.scope == "project" and session.directory is None:
        raise CannotGrant("the session has no directory, so it is in no project")
    rule = Rule(
        rule_id=f"g-{approval.approval_id.removeprefix('a-')}",
        effect=Effect.ALLOW,
        tool=meant.tool,
        exact=meant.exact,
        session_id=session.session_id if wanted.scope == "session" else None,
        directory=session.directory if wanted.scope == "project" else None,
        expires_at=expiry(policy.now, wanted.lasts),
        author=by,
        made_at=policy.now,
    )
    call = call_of(approval, session.directory, policy.resolved)
    ruling = Rules([rule]).rule_on(call, circumstances_of(session, policy.now))
    if ruling.effect is not Effect.ALLOW:
        raise CannotGrant(f"{rule} would not allow what was asked: {ruling.why}")
    return rule


def require_grantor(by: Actor, scope: Scope, session_id: SessionId | None) -> None:
    """Raise Forbidden unless this principal may make rules of this scope."""
    role = by.principal.role
    if role is Role.OWNER or (role is Role.APPROVER and scope == "session" and session_id is not None):
        return
    raise Forbidden(f"role {role} may not make rules" + (" beyond a session" if role is Role.APPROVER else ""))


def expiry(now: datetime, lasts: timedelta | None) -> datetime | None:
    """When it ends. Raises CannotGrant for a time that is over or too far away."""
    if lasts is None:
        return None
    if not timedelta(0) < lasts <= LONGEST:
        raise CannotGrant(f"a rule lasts up to {LONGEST.days} days, or for good")
    return now + lasts
