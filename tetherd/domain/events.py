"""Events: all that can ever have happened in a session.

A closed union, discriminated on `type` (the snake_case name on the wire). Consume it with `match` and end with
`assert_never`: a new event then breaks the type check and not the users. Bodies in the log are never rewritten;
an event that must change its shape gets `VERSION` + 1 and an upcaster beside it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue, TypeAdapter
from pydantic_core import from_json
from typing_extensions import TypeAliasType

from tetherd.domain.approval import Answer, Approval, By
from tetherd.domain.ids import Actor, ApprovalId, Frozen, InputId, RunId, SessionId
from tetherd.domain.images import ImageRef
from tetherd.domain.limits import NO_LIMITS, Limits
from tetherd.domain.modes import Mode


class Fact(Frozen):
    """Base of all events. `blobs` names the text fields whose whole content is stored beside the log."""

    VERSION: ClassVar[int] = 1
    BULKY: ClassVar[tuple[str, ...]] = ()
    """Fields that the log may cut to head and tail, keeping the whole as a blob."""
    blobs: dict[str, BlobRef] = Field(default_factory=dict)


class BlobRef(Frozen):
    """A text too long for the log: `size` in bytes of UTF-8, `sha256` in hex. The field holds its head and tail."""

    sha256: str
    size: int


class SessionCreated(Fact):
    type: Literal["session_created"] = "session_created"
    name: str
    adapter: str
    external: bool
    """True for a program that joins by REST or MCP: it has no process of ours and no shim."""
    directory: str | None
    mode: Mode
    by: Actor
    parent: SessionId | None = None
    agent_type: str | None = None
    vendor_session_id: str | None = None
    """A conversation that the agent has already, to be continued."""
    fork_of: str | None = None
    """A conversation of the agent of which this one begins as a copy."""
    limits: Limits = NO_LIMITS


class SessionStarted(Fact):
    type: Literal["session_started"] = "session_started"
    run_id: RunId
    by: Actor


class SessionResumed(Fact):
    """A new run of an ended session; `vendor_session_id` is the agent's own memory of it, where it has one."""

    type: Literal["session_resumed"] = "session_resumed"
    run_id: RunId
    by: Actor
    vendor_session_id: str | None


class InputAccepted(Fact):
    BULKY = ("text",)
    type: Literal["input_accepted"] = "input_accepted"
    input_id: InputId
    text: str
    by: Actor
    images: tuple[ImageRef, ...] = ()


class InputDelivered(Fact):
    type: Literal["input_delivered"] = "input_delivered"
    input_id: InputId


class InputUndelivered(Fact):
    """The run ended before the agent had it; it is shown and offered, never sent by itself."""

    type: Literal["input_undelivered"] = "input_undelivered"
    input_id: InputId


class InterruptRequested(Fact):
    type: Literal["interrupt_requested"] = "interrupt_requested"
    by: Actor


class StopRequested(Fact):
    type: Literal["stop_requested"] = "stop_requested"
    by: Actor
    grace_seconds: float


class ApprovalResolved(Fact):
    type: Literal["approval_resolved"] = "approval_resolved"
    approval_id: ApprovalId
    answer: Answer | None
    by: By


class VerdictDelivered(Fact):
    """The agent has the verdict, or (moot) no longer needed it."""

    type: Literal["verdict_delivered"] = "verdict_delivered"
    approval_id: ApprovalId
    outcome: Literal["delivered", "moot"]


class ModeChanged(Fact):
    type: Literal["mode_changed"] = "mode_changed"
    mode: Mode
    by: Actor


class AgentFrozen(Fact):
    """The agent and all that it started stand still, without knowing it, until AgentThawed or a stop."""

    type: Literal["agent_frozen"] = "agent_frozen"
    by: Actor


class AgentThawed(Fact):
    type: Literal["agent_thawed"] = "agent_thawed"
    by: Actor


class SessionRenamed(Fact):
    type: Literal["session_renamed"] = "session_renamed"
    name: str
    by: Actor


EndReason = Literal["finished", "stopped", "failed", "lost"]


class RunEnded(Fact):
    """The agent is gone. `code` or `signal` as the kernel told the shim; neither when nobody saw it (lost)."""

    type: Literal["run_ended"] = "run_ended"
    run_id: RunId | None
    reason: EndReason
    code: int | None = None
    signal: int | None = None
    detail: str | None = None


class SessionDeleted(Fact):
    """The tombstone: what remains in the log of a deleted session."""

    type: Literal["session_deleted"] = "session_deleted"
    by: Actor


class AgentReady(Fact):
    type: Literal["agent_ready"] = "agent_ready"
    vendor_session_id: str | None = None
    agent_name: str | None = None
    agent_version: str | None = None


class TurnStarted(Fact):
    """cause=input carries the input that began it; an agent may also begin a turn by itself."""

    type: Literal["turn_started"] = "turn_started"
    cause: Literal["input", "agent", "schedule"]
    input_id: InputId | None = None


class TextPart(Fact):
    """A part of a message: it continues (or corrects) the text from `offset`, in UTF-16 code units.

    `parent_tool_call_id` is the call of the sub-agent that wrote it; None for the agent itself.
    """

    BULKY = ("text",)
    message_id: str
    offset: int
    text: str
    final: bool
    parent_tool_call_id: str | None = None


class MessageWritten(TextPart):
    type: Literal["message_written"] = "message_written"


class ThinkingWritten(TextPart):
    type: Literal["thinking_written"] = "thinking_written"


class ToolCallStarted(Fact):
    """`tool` in our vocabulary (Bash, Edit, Write, Read, WebFetch, mcp__server__tool) or the agent's own word.

    `parent_tool_call_id` is the call of the sub-agent that makes it; None for the agent itself.
    """

    type: Literal["tool_call_started"] = "tool_call_started"
    tool_call_id: str
    tool: str
    title: str
    input: dict[str, JsonValue] = Field(default_factory=dict)
    parent_tool_call_id: str | None = None


class ToolCallFinished(Fact):
    BULKY = ("output",)
    type: Literal["tool_call_finished"] = "tool_call_finished"
    tool_call_id: str
    ok: bool
    output: str


class ApprovalRequested(Fact):
    type: Literal["approval_requested"] = "approval_requested"
    approval: Approval


class ApprovalWithdrawn(Fact):
    """The agent no longer asks."""

    type: Literal["approval_withdrawn"] = "approval_withdrawn"
    approval_id: ApprovalId


class TurnCompleted(Fact):
    type: Literal["turn_completed"] = "turn_completed"
    outcome: Literal["completed", "interrupted", "failed"]
    detail: str | None = None


class UsageReported(Fact):
    """What the agent says it used in this turn; None means that it did not say, never zero."""

    type: Literal["usage_reported"] = "usage_reported"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


class NoticeRaised(Fact):
    """Something a person should know; `code` is stable, `text` is for people."""

    type: Literal["notice_raised"] = "notice_raised"
    level: Literal["info", "warning", "error"]
    code: str
    text: str


class OutputUnrecognised(Fact):
    """A line that no adapter understands: kept (its first 4 KiB), shown in debug, never fatal."""

    type: Literal["output_unrecognised"] = "output_unrecognised"
    head: str
    size: int
    why: str


_AgentEvent = (
    AgentReady
    | TurnStarted
    | MessageWritten
    | ThinkingWritten
    | ToolCallStarted
    | ToolCallFinished
    | ApprovalRequested
    | ApprovalWithdrawn
    | TurnCompleted
    | UsageReported
    | NoticeRaised
    | OutputUnrecognised
)
AgentEvent = TypeAliasType("AgentEvent", Annotated[_AgentEvent, Field(discriminator="type")])
"""What an adapter may originate."""

Event = TypeAliasType(
    "Event",
    Annotated[
        SessionCreated
        | SessionStarted
        | SessionResumed
        | InputAccepted
        | InputDelivered
        | InputUndelivered
        | InterruptRequested
        | StopRequested
        | ApprovalResolved
        | VerdictDelivered
        | ModeChanged
        | AgentFrozen
        | AgentThawed
        | SessionRenamed
        | RunEnded
        | SessionDeleted
        | _AgentEvent,
        Field(discriminator="type"),
    ],
)

EVENT: TypeAdapter[Event] = TypeAdapter(Event)


def read_event(kind: str, version: int, body: bytes) -> Event:
    """The event that was written as `body` (JSON, without its type) by this or an older version."""
    del version  # every event is at version 1 so far
    return EVENT.validate_python({"type": kind, **from_json(body)}, strict=False)
