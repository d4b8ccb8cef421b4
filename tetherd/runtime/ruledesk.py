"""RuleKeeper, in process: the rule book, and what was asked in the past."""

from __future__ import annotations

from typing import Literal

import trio

from tetherd.control import ApprovalView, ListApprovals, NotFound
from tetherd.domain.approval import Approval
from tetherd.domain.explaining import Explanation, Replay, compare, explain
from tetherd.domain.ids import Actor, SessionId
from tetherd.domain.rule import Rule
from tetherd.domain.session import Session
from tetherd.keepers import RulesView
from tetherd.policyfile import load_policy
from tetherd.runtime.links import resolved_files
from tetherd.runtime.rulebook import RuleBook
from tetherd.storage.views import Views


class RuleDesk:
    """See control.RuleKeeper."""

    def __init__(self, book: RuleBook, views: Views) -> None:
        self._book = book
        self._views = views

    async def show(self) -> RulesView:
        policy = await self._book.policy()
        return RulesView(policy.rules.all, str(self._book.path), self._book.fault, policy.is_good, policy.now)

    async def add(self, rule: Rule) -> Rule:
        return await self._book.add(rule)

    async def end(self, rule_id: str, by: Actor) -> Rule:
        return await self._book.end(rule_id, by)

    async def explain(self, approval: Approval, session: Session) -> Explanation:
        files = await resolved_files([approval], session.directory)
        return explain(approval, session, await self._book.policy(files))

    async def replay(self, policy: str | None, limit: int) -> Replay:
        if policy is None:
            policy = await trio.to_thread.run_sync(load_policy, self._book.path)
        other = self._book.changed_by(policy)
        views = [
            *await self._views.approvals(ListApprovals(pending=True, limit=limit)),
            *await self._views.approvals(ListApprovals(pending=False, limit=limit)),
        ][:limit]
        sessions: dict[SessionId, Session | None] = {}
        for view in views:
            if view.session_id not in sessions:
                try:
                    sessions[view.session_id] = (await self._views.session(view.session_id)).session
                except NotFound:  # deleted since
                    sessions[view.session_id] = None
        recorded = [
            (view.approval, session, _decided(view))
            for view in views
            if (session := sessions[view.session_id]) is not None
        ]
        return compare(recorded, await self._book.policy(), other)


def _decided(view: ApprovalView) -> Literal["approve", "reject"] | None:
    answer = view.resolution.answer if view.resolution else None
    return answer.decision if answer else None
