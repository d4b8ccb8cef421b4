"""Approvals: what waits for a person, and the answer."""

from __future__ import annotations

from tetherd.api.route import Call, Route
from tetherd.control import ApprovalView, GetApproval, ListApprovals, NotFound
from tetherd.domain.approval import Answer, Approval
from tetherd.domain.authority import may_see
from tetherd.domain.commands import AnswerApproval
from tetherd.domain.ids import ApprovalId, SessionId, approval_id_for
from tetherd.schema import AnswerWords, ApprovalBody, ApprovalList, ApprovalsQuery, DecisionBody, PermissionAnswer


async def list_approvals(call: Call, query: ApprovalsQuery) -> ApprovalList:
    """List approvals: pending ones oldest first, closed ones newest first."""
    session_id = await call.only(query.session)
    wanted = ListApprovals(pending=query.state == "pending", session_id=session_id, limit=query.limit)
    views = await call.control.ask(wanted)
    return ApprovalList(approvals=tuple(ApprovalBody.of(view) for view in views))


async def get_approval(call: Call, approval_id: ApprovalId) -> ApprovalBody:
    """One approval, and its fate."""
    return ApprovalBody.of(await _approval(call, approval_id))


async def decide_approval(call: Call, approval_id: ApprovalId, body: DecisionBody) -> ApprovalBody:
    """Approve or reject. The first answer counts; a later one is refused with who, where and when."""
    view = await _approval(call, approval_id)
    choice, text = _chosen(view.approval, body.answer)
    answer = Answer(
        decision=body.decision, reason=body.reason, choice=choice, text=text, updated_input=body.updated_input
    )
    return await _answer(call, view, answer, body.digest)


async def answer_permission(call: Call, session_id: SessionId, body: PermissionAnswer) -> ApprovalBody:
    """The short form of a decision."""
    view = await _named(call, session_id, body.request_id)
    answer = Answer(decision="approve" if body.allow else "reject", reason=body.message)
    return await _answer(call, view, answer, None)


async def _approval(call: Call, approval_id: ApprovalId) -> ApprovalView:
    view = await call.control.ask(GetApproval(approval_id))
    if not may_see(call.actor, view.session_id):
        raise NotFound(f"no approval {approval_id}")
    return view


async def _named(call: Call, session_id: SessionId, request_id: str) -> ApprovalView:
    """The approval that the session's agent, in its present run, or we call so."""
    run_id = (await call.session(session_id)).session.run_id
    candidates = [ApprovalId(request_id)]
    if run_id is not None:
        candidates.insert(0, approval_id_for(run_id, request_id))
    for approval_id in candidates:
        try:
            view = await call.control.ask(GetApproval(approval_id))
        except NotFound:
            continue
        if view.session_id == session_id:
            return view
    raise NotFound(f"session {session_id} asked nothing that is called {request_id}")


async def _answer(call: Call, view: ApprovalView, answer: Answer, digest: str | None) -> ApprovalBody:
    approval_id = view.approval.approval_id
    await call.control.submit(
        AnswerApproval(
            session_id=view.session_id,
            by=call.actor,
            approval_id=approval_id,
            answer=answer,
            digest=digest,
            key=call.key_for(AnswerApproval, approval_id),
        )
    )
    return ApprovalBody.of(await call.control.ask(GetApproval(approval_id)))


def _chosen(
    approval: Approval, given: str | tuple[str, ...] | AnswerWords | None
) -> tuple[tuple[str, ...], str | None]:
    """Option ids and free words. A plain text that is an offered option's id means that option."""
    match given:
        case None:
            return (), None
        case str() if any(option.option_id == given for option in approval.options):
            return (given,), None
        case str():
            return (), given
        case AnswerWords(choice=choice, text=text):
            return choice, text
        case _:
            return given, None


_DECISION = frozenset({409})

ROUTES = (
    Route(method="GET", path="/approvals", handler=list_approvals, refuses=frozenset({404}), has_etag=True),
    Route(method="GET", path="/approvals/{approval_id}", handler=get_approval),
    Route(method="POST", path="/approvals/{approval_id}/decision", handler=decide_approval, refuses=_DECISION),
    Route(method="POST", path="/sessions/{session_id}/permission", handler=answer_permission, refuses=_DECISION),
)
