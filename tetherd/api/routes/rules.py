"""Rules: what is allowed, denied and asked about without a person, and why."""

from __future__ import annotations

from datetime import timedelta

from pydantic import ValidationError

from tetherd.api.problems import Invalid
from tetherd.api.route import Call, Route, Who
from tetherd.control import GetApproval
from tetherd.domain.approval import Approval, ApprovalKind, FileShown
from tetherd.domain.events import SessionCreated
from tetherd.domain.explaining import Explanation, Replay
from tetherd.domain.grants import expiry, require_grantor
from tetherd.domain.ids import ApprovalId, RunId, SessionId
from tetherd.domain.rule import Rule
from tetherd.domain.session import Session, born
from tetherd.errors import Misconfigured, Rejected
from tetherd.keepers import RulesView
from tetherd.ruleschema import CallToExplain, NewRule, RuleBody, RuleList, RulesTest


class NotAPolicy(Rejected):
    """It cannot be read as a policy.toml; the message says where and why."""

    code = "not_a_policy"
    status = 422


_NOWHERE = SessionId("s-000000000000")
_NO_APPROVAL = ApprovalId("a-000000000000")


async def list_rules(call: Call) -> RuleList:
    """All rules: those of policy.toml in their order, then grants."""
    return RuleList.of(await call.rules.show())


async def add_rule(call: Call, body: NewRule) -> RuleBody:
    """Make a rule by hand; it is kept as a grant. An approver's are for one session."""
    session_id = (await call.session(SessionId(body.session_id))).session.session_id if body.session_id else None
    require_grantor(call.actor, "session" if session_id else "everywhere", session_id)
    view = await call.rules.show()
    made = await call.rules.add(_rule(call, body, view))
    return RuleBody.of(made, view.now)


def _rule(call: Call, body: NewRule, view: RulesView) -> Rule:
    lasts = None if body.lasts_seconds is None else timedelta(seconds=body.lasts_seconds)
    fields = body.model_dump(exclude={"lasts_seconds"})
    try:
        return Rule(rule_id="new", expires_at=expiry(view.now, lasts), author=call.actor, **fields)
    except ValidationError as error:
        raise Invalid(error, fields, "body") from None


async def end_rule(call: Call, rule_id: str) -> RuleBody:
    """Make a grant worthless at once. Rules of policy.toml are changed there."""
    ended = await call.rules.end(rule_id, call.actor)
    return RuleBody.of(ended, (await call.rules.show()).now)


async def test_rules(call: Call, body: RulesTest) -> Replay:
    """What another policy.toml would have said of recorded approvals. Changes nothing."""
    try:
        return await call.rules.replay(body.policy, body.limit)
    except Misconfigured as error:
        raise NotAPolicy(str(error)) from None


async def explain_call(call: Call, body: CallToExplain) -> Explanation:
    """Which rule decides a call, and why."""
    if body.approval_id is not None:
        view = await call.control.ask(GetApproval(ApprovalId(body.approval_id)))
        return await call.rules.explain(view.approval, (await call.session(view.session_id)).session)
    return await call.rules.explain(_approval(body), await _session(call, body))


async def _session(call: Call, body: CallToExplain) -> Session:
    if body.session_id is not None:
        session = (await call.session(SessionId(body.session_id))).session
    else:
        created = SessionCreated(
            name="explained",
            adapter=body.adapter,
            external=False,
            directory=body.directory,
            mode=body.mode,
            by=call.actor,
        )
        session = born(_NOWHERE, created)
    return session.model_copy(update={"asked_by": body.asked_by})


def _approval(body: CallToExplain) -> Approval:
    tool = body.tool or "Bash"
    is_edit = tool in ("Edit", "Write")
    kind = ApprovalKind.COMMAND if body.command is not None else ApprovalKind.EDIT if is_edit else ApprovalKind.TOOL
    given = {"url": body.url} if body.url is not None else {}
    if body.path is not None and not is_edit:
        given["path"] = body.path
    return Approval(
        approval_id=_NO_APPROVAL,
        run_id=RunId(""),
        request_id="",
        kind=kind,
        title=body.command or tool,
        tool=tool,
        command=body.command,
        files=(FileShown(path=body.path, diff=""),) if body.path is not None and is_edit else (),
        input=dict(given),
    )


ROUTES = (
    Route(method="GET", path="/rules", handler=list_rules, who=Who.PERSON),
    Route(method="POST", path="/rules", handler=add_rule, status=201, who=Who.PERSON, refuses=frozenset({403, 404})),
    Route(method="DELETE", path="/rules/{rule_id}", handler=end_rule, who=Who.OWNER, refuses=frozenset({409})),
    Route(method="POST", path="/rules/test", handler=test_rules, who=Who.PERSON),
    Route(method="POST", path="/rules/explain", handler=explain_call, who=Who.PERSON, refuses=frozenset({404})),
)
