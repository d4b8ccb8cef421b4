"""What one agent may use of the machine; systemd holds it to that where the kernel can."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tetherd.domain.ids import Frozen

Bytes = Annotated[int, Field(ge=1024 * 1024, le=2**53 - 1)]


class Limits(Frozen):
    """None: no limit of ours. systemd.resource-control(5) says what each of them does."""

    memory_max_bytes: Bytes | None = None
    """Above it the kernel ends processes of the agent."""
    memory_high_bytes: Bytes | None = None
    """Above it the agent is slowed down."""
    cpu_weight: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Its share beside others, of whom each has 100."""
    tasks_max: Annotated[int, Field(ge=4, le=1_000_000)] | None = None
    """Processes and threads, the shim's included."""

    def over(self, below: Limits) -> Limits:
        """These, and where they say nothing those `below`."""
        mine = {name: value for name, value in self if value is not None}
        return below.model_copy(update=mine)


NO_LIMITS = Limits()
