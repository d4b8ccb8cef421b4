"""An approval: what is asked, what was answered, and by whom."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, assert_never

from pydantic import Field, JsonValue
from typing_extensions import TypeAliasType

from tetherd.domain.ids import Actor, ApprovalId, Frozen, RunId
from tetherd.errors import Rejected


class ApprovalKind(StrEnum):
    """What an approval is about; decides which fields of it are filled."""

    COMMAND = "command"
    EDIT = "edit"
    QUESTION = "question"
    PLAN = "plan"
    TOOL = "tool"


class Option(Frozen):
    """One way to answer that the agent offers. `option_id` is the agent's own word for it."""

    option_id: str
    label: str
    description: str = ""
    decision: Literal["approve", "reject"]
    lasting: bool = False
    """True when the agent itself would remember the answer; such options are never chosen for a person."""


class FileShown(Frozen):
    """A file that an edit touches: absolute path and the unified diff that people see."""

    path: str
    diff: str


class Approval(Frozen):
    """A request for a person's decision. `request_id` is the agent's own id of it, unique within its run."""

    approval_id: ApprovalId
    run_id: RunId
    request_id: str
    kind: ApprovalKind
    title: str
    tool: str | None = None
    tool_call_id: str | None = None
    command: str | None = None
    cwd: str | None = None
    files: tuple[FileShown, ...] = ()
    options: tuple[Option, ...] = ()
    input: dict[str, JsonValue] = Field(default_factory=dict)
    """What the tool is given, where command and files do not say it already."""
    outlives_turn: bool = False
    """True when who asks works beside the turns (a sub-agent in the background): it stays open when a turn ends."""

    def digest(self) -> str:
        """SHA-256 over what a person is shown; an answer that carries another digest answers another question."""
        shown = {
            "kind": self.kind.value,
            "title": self.title,
            "command": self.command,
            "cwd": self.cwd,
            "files": [{"path": file.path, "diff": file.diff} for file in self.files],
            "options": [
                {"option_id": option.option_id, "label": option.label, "description": option.description}
                for option in self.options
            ],
            "input": self.input,
        }
        canonical = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def options_for(self, decision: Literal["approve", "reject"]) -> tuple[Option, ...]:
        """The offered ways to say so, without those that the agent would remember."""
        return tuple(option for option in self.options if option.decision == decision and not option.lasting)


class Answer(Frozen):
    """What was decided. `choice` holds option ids of a question; `text` is an answer in the person's own words."""

    decision: Literal["approve", "reject"]
    reason: str | None = None
    choice: tuple[str, ...] = ()
    text: str | None = None
    updated_input: dict[str, JsonValue] | None = None


class ByActor(Frozen):
    """A person, or a program with a person's token, answered."""

    kind: Literal["actor"] = "actor"
    actor: Actor


class ByPolicy(Frozen):
    """A rule or the session's mode answered."""

    kind: Literal["policy"] = "policy"
    rule: str


class ByCircumstance(Frozen):
    """Nobody answered: the question went away. `actor` is who interrupted or stopped, where somebody did."""

    kind: Literal["circumstance"] = "circumstance"
    cause: Literal["interrupt", "stop", "turn_end", "run_end"]
    actor: Actor | None = None


By = TypeAliasType("By", Annotated[ByActor | ByPolicy | ByCircumstance, Field(discriminator="kind")])


class Resolution(Frozen):
    """How an approval ended. `answer` is None when the question went away unanswered."""

    answer: Answer | None
    by: By
    at: datetime

    def __str__(self) -> str:
        match self.by:
            case ByActor(actor=actor):
                who = str(actor)
            case ByPolicy(rule=rule):
                who = f"rule {rule}"
            case ByCircumstance(cause=cause):
                who = cause.replace("_", " ")
            case _:
                assert_never(self.by)
        verb = {"approve": "approved", "reject": "rejected"}[self.answer.decision] if self.answer else "closed"
        return f"{verb} by {who} at {self.at:%H:%M:%S} UTC"


class AlreadyResolved(Rejected):
    """Somebody was first; `resolution` says who, where and when."""

    code = "already_resolved"

    def __init__(self, approval_id: ApprovalId, resolution: Resolution | None) -> None:
        self.approval_id = approval_id
        self.resolution = resolution
        super().__init__(f"approval {approval_id} was already {resolution or 'withdrawn by the agent'}")

    def facts(self) -> dict[str, object]:
        return {"resolution": self.resolution.model_dump(mode="json") if self.resolution else None}


class NotWhatWasShown(Rejected):
    """The answer is about something else than what stands to be decided now."""

    code = "digest_mismatch"
    hint = "look at the approval again, then answer what it says now"

    def __init__(self, approval_id: ApprovalId, digest: str) -> None:
        self.digest = digest
        super().__init__(f"approval {approval_id} is not what you were shown")

    def facts(self) -> dict[str, object]:
        return {"digest": self.digest}


class NoSuchApproval(Rejected):
    """The session never asked this."""

    code = "not_found"
    status = 404

    def __init__(self, approval_id: ApprovalId) -> None:
        super().__init__(f"no approval {approval_id}")


class NotAChoice(Rejected):
    """The answer names an option that was not offered, or rejects with an approving one."""

    code = "not_a_choice"
    status = 422
