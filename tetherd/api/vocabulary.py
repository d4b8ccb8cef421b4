"""The words of external agents: what they push and poll.

Older and smaller than our events; `ingest.py` translates. See there for the table.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Discriminator, Field, JsonValue, Tag, model_validator
from typing_extensions import TypeAliasType

from tetherd.domain.approval import FileShown, Option
from tetherd.domain.ids import ApprovalId, Frozen
from tetherd.domain.session import SessionState
from tetherd.schema import UNNAMED, AgentsId, Body, Count, Directory, Query, Seq, Words, listed


class TextData(Body):
    """`offset` (UTF-16 code units) and `final` are for agents that send one message in parts."""

    text: str
    message_id: AgentsId | None = None
    offset: Count = 0
    final: bool = True


class ToolCallData(Body):
    tool: AgentsId
    title: str | None = None
    input: dict[str, JsonValue] = Field(default_factory=dict)
    tool_call_id: AgentsId | None = None


class ToolResultData(Body):
    tool_call_id: AgentsId
    output: str = ""
    ok: bool = True


class StatusData(Body):
    status: Literal["running", "awaiting_input", "done", "failed"]
    detail: str | None = None


class ErrorData(Body):
    message: str
    code: AgentsId = "agent_error"


class UsageData(Body):
    """Leave out what you do not know: nothing is not zero."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cost_usd: Annotated[float, Field(ge=0)] | None = None


class _Asked(Body):
    request_id: AgentsId | None = None

    @model_validator(mode="after")
    def _is_not_one_of_ours(self) -> Self:
        if self.request_id is not None and self.request_id.startswith(UNNAMED):
            raise ValueError(f"a request_id may not begin with {UNNAMED}")
        return self


class PermissionData(_Asked):
    """What a person is asked to allow. At least a `title`, a `tool` or a `command` says what it is."""

    title: Words | None = None
    tool: AgentsId | None = None
    tool_call_id: AgentsId | None = None
    command: str | None = None
    cwd: Directory | None = None
    input: dict[str, JsonValue] | None = None
    files: tuple[FileShown, ...] = ()
    options: tuple[Option, ...] = ()

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if not (self.title or self.tool or self.command):
            raise ValueError("say what is asked: give title, tool or command")
        if len({option.option_id for option in self.options}) < len(self.options):
            raise ValueError("two options share an option_id")
        return self


class ChoiceOffered(Body):
    option_id: AgentsId
    label: Words


class QuestionData(_Asked):
    """`options` are plain words, or words with an id of your own; none asks for free text."""

    text: Words
    options: tuple[AgentsId | ChoiceOffered, ...] = ()

    @model_validator(mode="after")
    def _offers_each_once(self) -> Self:
        ids = [option if isinstance(option, str) else option.option_id for option in self.options]
        if len(set(ids)) < len(ids):
            raise ValueError("two options are the same")
        return self


class PushedOutput(Body):
    type: Literal["output"]
    data: TextData


class PushedThinking(Body):
    type: Literal["thinking"]
    data: TextData


class PushedToolCall(Body):
    type: Literal["tool_call"]
    data: ToolCallData


class PushedToolResult(Body):
    type: Literal["tool_result"]
    data: ToolResultData


class PushedStatus(Body):
    type: Literal["status"]
    data: StatusData


class PushedError(Body):
    type: Literal["error"]
    data: ErrorData


class PushedUsage(Body):
    type: Literal["usage"]
    data: UsageData


class PushedPermission(Body):
    type: Literal["permission_request"]
    data: PermissionData


class PushedQuestion(Body):
    type: Literal["question"]
    data: QuestionData


PushedEvent = (
    PushedOutput
    | PushedThinking
    | PushedToolCall
    | PushedToolResult
    | PushedError
    | PushedUsage
    | PushedPermission
    | PushedQuestion
)
Pushed = TypeAliasType("Pushed", Annotated[PushedEvent | PushedStatus, Field(discriminator="type")])


class PushedBatch(Body):
    """All or nothing, in this order."""

    events: Annotated[tuple[Pushed, ...], Field(min_length=1, max_length=1000)]


def _one_or_many(given: object) -> str:
    return "many" if isinstance(given, PushedBatch) or (isinstance(given, dict) and "events" in given) else "one"


Push = TypeAliasType(
    "Push",
    Annotated[Annotated[Pushed, Tag("one")] | Annotated[PushedBatch, Tag("many")], Discriminator(_one_or_many)],
)


class PushAnswer(Frozen):
    """Stored. `request_id` names the last question of the push, `request_ids` all of them in order."""

    seq: int
    request_id: str | None
    request_ids: tuple[str, ...]
    seqs: tuple[int, ...]


PolledType = Literal["user_input", "permission_resolved", "interrupt"]


class PollQuery(Query):
    """`wait_s` waits that long for something to come; `types` chooses."""

    since_seq: Seq = 0
    wait_s: Annotated[float, Field(ge=0, le=60)] = 0.0
    types: Annotated[frozenset[PolledType], BeforeValidator(listed)] = frozenset()


class UserInputData(Frozen):
    text: str


class PermissionResolvedData(Frozen):
    """`allow` False with `closed` True: nobody refused, the question went away. `by` is for people to read."""

    request_id: str
    approval_id: ApprovalId
    allow: bool
    closed: bool
    message: str | None
    choice: tuple[str, ...]
    text: str | None
    updated_input: dict[str, JsonValue] | None
    by: str


class InterruptData(Frozen):
    pass


class PolledInput(Frozen):
    seq: int
    type: Literal["user_input"] = "user_input"
    data: UserInputData


class PolledPermission(Frozen):
    seq: int
    type: Literal["permission_resolved"] = "permission_resolved"
    data: PermissionResolvedData


class PolledInterrupt(Frozen):
    seq: int
    type: Literal["interrupt"] = "interrupt"
    data: InterruptData = InterruptData()


Polled = TypeAliasType(
    "Polled", Annotated[PolledInput | PolledPermission | PolledInterrupt, Field(discriminator="type")]
)


class PollAnswer(Frozen):
    """`next_seq` is the next poll's since_seq. Once `state` is ended nothing more will come."""

    events: tuple[Polled, ...]
    next_seq: int
    state: SessionState
