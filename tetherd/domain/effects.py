"""Effects: what the shell must do after an append.

Only two kinds exist: bytes owed to the agent (they become outbox rows of the very same append) and things that
recovery re-derives from the state (launch, stop, timer). There is no other way to act.
"""

from __future__ import annotations

from dataclasses import dataclass

from tetherd.domain.approval import Answer, Approval
from tetherd.domain.ids import InputId
from tetherd.domain.images import Image


@dataclass(frozen=True, slots=True)
class Prompt:
    """An accepted input for the agent. `text` and `images` are looked up by the shell when decide did not hold them."""

    input_id: InputId
    text: str | None = None
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on an approval; `answer` None means that the question was cancelled."""

    approval: Approval
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class InterruptTurn:
    """Ask the agent to end its turn."""


AgentCommand = Prompt | Verdict | InterruptTurn


@dataclass(frozen=True, slots=True)
class SendToAgent:
    """One frame into the outbox, encoded by the run's codec."""

    command: AgentCommand


@dataclass(frozen=True, slots=True)
class LaunchAgent:
    """Start the session's current run."""


@dataclass(frozen=True, slots=True)
class StopAgent:
    """End the run's whole process tree: TERM, grace, KILL."""

    grace_seconds: float


@dataclass(frozen=True, slots=True)
class WatchInterrupt:
    """Report InterruptOverdue if the turn has not ended by then."""


Effect = SendToAgent | LaunchAgent | StopAgent | WatchInterrupt
