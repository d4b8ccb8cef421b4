"""Bodies of the API that are about rules and the audit."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from tetherd.domain.audit import AuditRecord
from tetherd.domain.ids import Actor, Asker, Frozen, SessionId
from tetherd.domain.modes import Mode
from tetherd.domain.rule import Effect, Rule
from tetherd.keepers import RulesView
from tetherd.schema import ID_PATTERNS, Body, Directory, Label, Query, Seq, SessionIdText, Words

POLICY_LIMIT = 256 * 1024
_TEXT_LIMIT = 64 * 1024

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
Seconds = Annotated[int, Field(ge=1, le=366 * 86400)]
AdapterPattern = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[0-9A-Za-z_.*-]+$")]
CommandText = Annotated[str, StringConstraints(min_length=1, max_length=_TEXT_LIMIT, pattern=r"^[^\x00]*$")]


class NewRule(Body):
    """A rule. `tool` is like Bash(git log *), Edit(src/**) or mcp__server__tool; what is left out matters not.

    exact: a command to the letter, with tool Bash. lasts_seconds: from now on; for good when it is left out.
    """

    effect: Annotated[Effect, Field(strict=False)]
    tool: Pattern
    exact: CommandText | None = None
    adapter: AdapterPattern | None = None
    directory: Directory | None = None
    session_id: SessionIdText | None = None
    path: Literal["inside", "outside"] | None = None
    asked_by: Annotated[tuple[Asker, ...], Field(strict=False, min_length=1, max_length=3)] | None = None
    message: Words | None = None
    lasts_seconds: Seconds | None = None


class RuleBody(Frozen):
    """A rule as it holds. `text` is all of it for people; `origin` where it comes from, `line` that of policy.toml."""

    rule_id: str
    text: str
    origin: str
    effect: Effect
    tool: str
    exact: str | None
    adapter: str | None
    directory: str | None
    session_id: SessionId | None
    path: Literal["inside", "outside"] | None
    asked_by: tuple[Asker, ...] | None
    message: str | None
    expires_at: datetime | None
    has_run_out: bool
    line: int | None
    author: Actor | None
    made_at: datetime | None

    @classmethod
    def of(cls, rule: Rule, now: datetime) -> Self:
        fields = {name: getattr(rule, name) for name in type(rule).model_fields}
        has_run_out = rule.expires_at is not None and rule.expires_at <= now
        return cls(**fields, text=str(rule), origin=rule.origin, has_run_out=has_run_out)


class RuleList(Frozen):
    """`fault` says why policy.toml could not be read; the last good one holds then, if `is_good`."""

    rules: tuple[RuleBody, ...]
    file: str
    fault: str | None
    is_good: bool

    @classmethod
    def of(cls, view: RulesView) -> Self:
        rules = tuple(RuleBody.of(rule, view.now) for rule in view.rules)
        return cls(rules=rules, file=view.file, fault=view.fault, is_good=view.is_good)


class RulesTest(Body):
    """`policy` is the text of a policy.toml; the file as it is now, when it is left out."""

    policy: Annotated[str, StringConstraints(max_length=POLICY_LIMIT)] | None = None
    limit: Annotated[int, Field(ge=1, le=5000)] = 1000


class CallToExplain(Body):
    """An approval by its id, or a call: `tool` with a `command`, a `path` or a `url`.

    It is judged as one of the session's, or else of a session with this adapter, directory and mode.
    """

    approval_id: Annotated[str, StringConstraints(pattern=ID_PATTERNS["approval_id"])] | None = None
    tool: Label | None = None
    command: CommandText | None = None
    path: Directory | None = None
    url: Pattern | None = None
    session_id: SessionIdText | None = None
    adapter: Label = "demo"
    directory: Directory | None = None
    mode: Annotated[Mode, Field(strict=False)] = Mode.ASK
    asked_by: Asker = "human"

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.approval_id is None) == (self.tool is None and self.command is None):
            raise ValueError("give an approval_id, or else a tool or a command")
        return self


class AuditQuery(Query):
    after: Seq = 0
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


class AuditPage(Frozen):
    """`next_after` is the `after` of the next page."""

    records: tuple[AuditRecord, ...]
    next_after: int


class VerifyQuery(Query):
    head: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
