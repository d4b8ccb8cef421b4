"""What one agent may use of the machine, and see of it."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from tetherd.domain.ids import Frozen
from tetherd.errors import Rejected

Bytes = Annotated[int, Field(ge=1024 * 1024, le=2**53 - 1)]


class NoAgentToLimit(Rejected):
    """Limits for a session without an agent of ours."""

    code = "no_agent_to_limit"
    status = 422


class Limits(Frozen):
    """None: no limit of ours. systemd.resource-control(5) says what each of them does."""

    model_config = ConfigDict(strict=True)

    memory_max_bytes: Bytes | None = None
    """Above it the kernel ends processes of the agent."""
    memory_high_bytes: Bytes | None = None
    """Above it the agent is slowed down."""
    cpu_weight: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Its share beside others, of whom each has 100."""
    tasks_max: Annotated[int, Field(ge=4, le=1_000_000)] | None = None
    """Processes and threads, the shim's included."""
    sandbox: bool | None = None
    """True: it does not see tetherd's own directories, the user's runtime directory and bus, and other processes."""

    def over(self, below: Limits) -> Limits:
        """These, and where they say nothing those `below`."""
        mine = {name: value for name, value in self if value is not None}
        return below.model_copy(update=mine)

    def require_none(self) -> None:
        """Raises NoAgentToLimit where something is asked for."""
        if self != NO_LIMITS:
            raise NoAgentToLimit("a program that joins by itself has no process that could be limited")


NO_LIMITS = Limits()
