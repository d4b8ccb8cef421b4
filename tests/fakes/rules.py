"""A RuleKeeper in memory: the real rules, and lists for the file and the grants."""

from __future__ import annotations

from tests.fakes.control import NOON, FakeControl
from tetherd.control import NotFound
from tetherd.domain.approval import Approval
from tetherd.domain.explaining import Explanation, Replay, compare, explain
from tetherd.domain.ids import Actor
from tetherd.domain.policy import Policy
from tetherd.domain.rule import Rule
from tetherd.domain.ruling import Rules
from tetherd.domain.session import Session
from tetherd.errors import Rejected
from tetherd.keepers import RulesView
from tetherd.policyfile import parse_policy


class NotAGrant(Rejected):
    code = "not_a_grant"


class FakeRules:
    """What the rule book promises, without a disk. `written` is the file's text; `fault` makes it a broken one."""

    def __init__(self, control: FakeControl) -> None:
        self.written = ""
        self.fault: str | None = None
        self.granted: dict[str, Rule] = {}
        self.ended: list[tuple[str, Actor]] = []
        self._control = control
        self._made = 0

    @property
    def policy(self) -> Policy:
        return Policy(rules=Rules((*parse_policy(self.written), *self.granted.values())), now=NOON)

    async def show(self) -> RulesView:
        return RulesView(self.policy.rules.all, "/home/me/.config/tether/policy.toml", self.fault, True, NOON)

    async def add(self, rule: Rule) -> Rule:
        self._made += 1
        made = rule.model_copy(update={"rule_id": f"g-{self._made:012x}", "made_at": NOON})
        self.granted[made.rule_id] = made
        return made

    async def end(self, rule_id: str, by: Actor) -> Rule:
        if any(rule.rule_id == rule_id for rule in parse_policy(self.written)):
            raise NotAGrant(f"{rule_id} stands in the file")
        if rule_id not in self.granted:
            raise NotFound(f"no rule {rule_id}")
        self.ended.append((rule_id, by))
        return self.granted.pop(rule_id)

    async def explain(self, approval: Approval, session: Session) -> Explanation:
        return explain(approval, session, self.policy)

    async def replay(self, policy: str | None, limit: int) -> Replay:
        other = Rules((*parse_policy(self.written if policy is None else policy), *self.granted.values()))
        views = list(self._control.approvals.values())[:limit]
        recorded = [(view.approval, self._control.views[view.session_id].session, None) for view in views]
        return compare(recorded, self.policy, other)
