"""What the runtime needs of the machine: agents held by shims.

`agents/host.py` offers it with real processes; the crash tests offer it with fakes.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

from tetherd.agents.cgroup import Usage
from tetherd.agents.process import HeldAgent
from tetherd.domain.ids import RunId
from tetherd.plugin import Launch

Fate = Literal["held", "ended", "unborn", "lost"]
"""held: its shim lives; ended: it left a status; unborn: it was never started and never will be by somebody else;
lost: it ran, and nobody saw how it ended (whatever it left running has been killed)."""


class AgentHost(Protocol):
    """Launches and holds agents, by run."""

    async def launch(self, run_id: RunId, launch: Launch) -> None:
        """Start the agent behind a shim; returns once the shim holds it. Raises Unavailable with the reason."""

    def attach(self, run_id: RunId, cursor: int) -> AbstractAsyncContextManager[HeldAgent]:
        """The run's journal from `cursor` on, and its stdin. Raises ShimLost when there is nothing to attach to."""

    async def settle(self, run_id: RunId) -> Fate:
        """What became of a run, decided for good: unborn and lost runs are revoked, so that none starts late."""

    async def kill(self, run_id: RunId) -> None:
        """End the run by force, its shim included; settle() then finds it lost."""

    async def usage(self, run_id: RunId) -> Usage | None:
        """What the run uses of the machine; None when it does not run."""

    def can_freeze(self, run_id: RunId) -> bool:
        """Can its agent be made to stand still?"""

    def set_frozen(self, run_id: RunId, is_frozen: bool) -> None:
        """Have the run's agent stand still or go on, if it runs and can be frozen. Does not wait."""

    async def release(self, run_id: RunId, cursor: int) -> None:
        """Give back the journal's space below `cursor`, where the file system can."""

    async def forget(self, run_id: RunId) -> None:
        """Remove the directory of a run that is over."""

    async def stderr(self, run_id: RunId, limit_bytes: int) -> bytes:
        """The newest of what the agent wrote to stderr; empty when there is nothing."""
