"""Commands: what anybody may ask of a session, and what the agent's side reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tetherd.domain.approval import Answer
from tetherd.domain.events import AgentEvent
from tetherd.domain.ids import Actor, ApprovalId, InputId, RunId, SessionId
from tetherd.domain.images import Image
from tetherd.domain.limits import NO_LIMITS, Limits
from tetherd.domain.modes import Mode

STOP_GRACE_SECONDS = 1.5
"""Who says stop wants to see it stopped: with the killing it takes less than two seconds, whatever the agent does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSession:
    """A new session.

    `vendor_session_id` is a conversation of its agent that it continues, `fork_of` one that it begins as a copy of.
    """

    session_id: SessionId
    by: Actor
    name: str
    adapter: str
    external: bool
    directory: str | None
    mode: Mode = Mode.ASK
    parent: SessionId | None = None
    agent_type: str | None = None
    vendor_session_id: str | None = None
    fork_of: str | None = None
    note: str | None = None
    """What a person should know of how it came about."""
    limits: Limits = NO_LIMITS
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ToSession:
    """`key` is the caller's Idempotency-Key: the same key again is the same outcome, never done twice."""

    session_id: SessionId
    by: Actor
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSession(_ToSession):
    """Launch the agent of a created session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendInput(_ToSession):
    """A prompt or a follow-up; starts a session that is only created, queues behind a running turn."""

    input_id: InputId
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerApproval(_ToSession):
    """`digest` is that of what the person saw, where the surface knows it."""

    approval_id: ApprovalId
    answer: Answer
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt(_ToSession):
    """End the running turn; open approvals are closed first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSession(_ToSession):
    """End the agent and every process that it started; TERM, `grace_seconds`, KILL."""

    grace_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeSession(_ToSession):
    """A new run of an ended session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameSession(_ToSession):
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetFrozen(_ToSession):
    """Have the agent and all that it started stand still where they are, or go on."""

    frozen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMode(_ToSession):
    mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSession(_ToSession):
    """Forget a session that has ended or was never started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushEvents(_ToSession):
    """What an external agent did. `status` closes the batch: its turn runs on, waits for input, or all is done."""

    events: tuple[AgentEvent, ...]
    status: Literal["running", "awaiting_input", "done", "failed"] | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPolled(_ToSession):
    """An external agent has seen what lies at or below `upto_seq`: its poll asked for what comes after it.

    A surface gives `upto_seq` alone; which inputs and verdicts that means is filled in by who holds the log.
    """

    upto_seq: int = 0
    input_ids: tuple[InputId, ...] = ()
    approval_ids: tuple[ApprovalId, ...] = ()


Command = (
    StartSession
    | SendInput
    | AnswerApproval
    | Interrupt
    | StopSession
    | ResumeSession
    | RenameSession
    | SetMode
    | SetFrozen
    | DeleteSession
    | PushEvents
    | ConfirmPolled
)


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """Events that a codec read from the agent, in the order in which they happened."""

    events: tuple[AgentEvent, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The shim has these frames whole: inputs and verdicts are with the agent."""

    input_ids: tuple[InputId, ...] = ()
    approval_ids: tuple[ApprovalId, ...] = ()


@dataclass(frozen=True, slots=True)
class RunStopped:
    """The agent of this run is gone. `lost` when nobody saw how; `error` when it could not be started."""

    run_id: RunId
    code: int | None = None
    signal: int | None = None
    lost: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class InterruptOverdue:
    """The agent has not ended its turn some time after it was asked to."""


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """Other rules hold from now on. `fault` is why the policy file could not be read, if it could not."""

    fault: str | None = None


Report = AgentSaid | Acknowledged | RunStopped | InterruptOverdue | PolicyChanged
Input = Command | Report
