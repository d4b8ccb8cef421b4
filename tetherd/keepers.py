"""Who keeps the rules and the audit: what surfaces may do with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tetherd.domain.approval import Approval
from tetherd.domain.audit import AuditRecord, Verdict
from tetherd.domain.explaining import Explanation, Replay
from tetherd.domain.ids import Actor
from tetherd.domain.rule import Rule
from tetherd.domain.session import Session


@dataclass(frozen=True, slots=True)
class RulesView:
    """All rules. `fault` is why the file could not be read; `is_good` False when none ever could. `now` judges them."""

    rules: tuple[Rule, ...]
    file: str
    fault: str | None
    is_good: bool
    now: datetime


class RuleKeeper(Protocol):
    """The rules: those of the file, which a person edits, and grants."""

    async def show(self) -> RulesView:
        """All that have not been ended; some may have run out."""

    async def add(self, rule: Rule) -> Rule:
        """Keep it as a grant, under an id of its own. Raises Unavailable."""

    async def end(self, rule_id: str, by: Actor) -> Rule:
        """Make a grant worthless at once. Raises NotFound, or another Rejected for a rule of the file."""

    async def explain(self, approval: Approval, session: Session) -> Explanation:
        """What becomes of such a call, and why."""

    async def replay(self, policy: str | None, limit: int) -> Replay:
        """Judge recorded approvals by another file's text, or by the file as it is. Raises Misconfigured."""


class Audit(Protocol):
    """The chain over all decisions, rules and tokens. Nothing in it is ever deleted."""

    async def read(self, after: int, limit: int = 1000) -> tuple[AuditRecord, ...]:
        """Records with a higher number, oldest first."""

    async def verify(self, anchor: str | None = None) -> Verdict:
        """Check the whole chain; anchor: the hash of a head that was noted elsewhere."""
