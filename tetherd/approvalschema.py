"""Bodies of the API that are about approvals."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from tetherd.control import ApprovalView
from tetherd.domain.approval import Approval, ApprovalKind, FileShown, Option, Resolution
from tetherd.domain.grants import proposal
from tetherd.domain.ids import ApprovalId, Frozen, RunId, SessionId
from tetherd.domain.risk import Evidence, evidence
from tetherd.domain.rule import Wanted
from tetherd.schema import UNNAMED, AgentsId, Body, Query, SessionIdText, Words, members_of


class ApprovalsQuery(Query):
    """Pending ones oldest first, closed ones newest first."""

    state: Literal["pending", "closed"] = "pending"
    session: SessionIdText | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 200


class AlwaysBody(Frozen):
    """The rule that a `scope` in the decision would make: what it allows. `exact` is a command, to the letter."""

    tool: str
    exact: str | None

    @classmethod
    def of(cls, approval: Approval) -> Self | None:
        meant = proposal(approval)
        return None if meant is None else cls(tool=meant.tool, exact=meant.exact)


class ApprovalBody(Frozen):
    """An approval and its fate. `digest` is over what is shown: send it back with the decision.

    `evidence` is what should be looked at; that there is none does not say that nothing is there.
    """

    approval_id: ApprovalId
    run_id: RunId
    request_id: str
    kind: ApprovalKind
    title: str
    tool: str | None
    tool_call_id: str | None
    command: str | None
    cwd: str | None
    files: tuple[FileShown, ...]
    options: tuple[Option, ...]
    input: dict[str, JsonValue]
    outlives_turn: bool
    digest: str
    always: AlwaysBody | None
    evidence: tuple[Evidence, ...]
    session_id: SessionId
    session_name: str
    requested_seq: int
    requested_at: datetime
    state: Literal["pending", "resolved", "withdrawn"]
    resolution: Resolution | None
    delivered: Literal["delivered", "moot"] | None

    @classmethod
    def of(cls, view: ApprovalView) -> Self:
        shown = members_of(view.approval) | {"request_id": request_id_of(view.approval)}
        return cls(
            **shown,
            digest=view.approval.digest(),
            always=AlwaysBody.of(view.approval),
            evidence=evidence(view.approval, view.directory),
            session_id=view.session_id,
            session_name=view.session_name,
            requested_seq=view.requested_seq,
            requested_at=view.requested_at,
            state=view.state,
            resolution=view.resolution,
            delivered=view.delivered,
        )


class ApprovalList(Frozen):
    approvals: tuple[ApprovalBody, ...]


class AnswerWords(Body):
    choice: tuple[str, ...] = ()
    text: Words | None = None


class DecisionBody(Body):
    """`answer`: an offered option's id or free words; ids of several options; or both, as an object.

    scope: approve such calls in this session, in its directory and below, or everywhere, too; `expiry` is for how many
    seconds (for good without it), and `rule` a pattern of your own in place of the approval's `always`.
    """

    decision: Literal["approve", "reject"]
    reason: Words | None = None
    answer: Words | tuple[str, ...] | AnswerWords | None = None
    updated_input: dict[str, JsonValue] | None = None
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    scope: Literal["once", "session", "project", "everywhere"] = "once"
    expiry: Annotated[int, Field(ge=1, le=366 * 86400)] | None = None
    rule: Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")] | None = None

    @model_validator(mode="after")
    def _always_is_meant(self) -> Self:
        if self.scope == "once" and (self.expiry is not None or self.rule is not None):
            raise ValueError("expiry and rule go with a scope beyond once")
        return self

    @property
    def always(self) -> Wanted | None:
        if self.scope == "once":
            return None
        return Wanted(self.scope, None if self.expiry is None else timedelta(seconds=self.expiry), self.rule)


class PermissionAnswer(Body):
    """The short form: `request_id` is the agent's own or the approval's id."""

    request_id: AgentsId
    allow: bool
    message: Words | None = None


def request_id_of(approval: Approval) -> str:
    """The agent's own id of it, or the approval's where the agent gave none."""
    return approval.approval_id if approval.request_id.startswith(UNNAMED) else approval.request_id
