"""Restart policy: who is started again, when, and when not.

Policies carry OTP's names; the figures of the intensity are suture's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum

import trio

from tetherd.backoff import Backoff
from tetherd.errors import Fatal, Misconfigured
from tetherd.logconfig import get_logger

FAILURE_DECAY_SECONDS = 30.0
FAILURE_THRESHOLD = 5.0
PAUSE_SECONDS = 15.0

log = get_logger(__name__)


class Restart(Enum):
    """PERMANENT: whenever it ends. TRANSIENT: when it failed. TEMPORARY: never."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Intensity:
    """A count of failures that halves every FAILURE_DECAY_SECONDS; past the threshold it is time to pause."""

    def __init__(self) -> None:
        self._count = 0.0
        self._at = 0.0

    def failed(self, now: float) -> bool:
        """Count a failure at `now` (seconds, monotonic). True when there were too many lately."""
        self._count = self._count * 0.5 ** ((now - self._at) / FAILURE_DECAY_SECONDS) + 1.0
        self._at = now
        return self._count > FAILURE_THRESHOLD


async def run_with_restarts(
    name: str,
    start: Callable[[], Awaitable[None]],
    policy: Restart,
    on_failure: Callable[[BaseException], None] | None = None,
) -> None:
    """Run `start` again and again, as `policy` says. Returns when it shall not run any more.

    Misconfigured parks it: a person must act first. Fatal climbs.
    """
    backoff, intensity = Backoff(), Intensity()
    while True:
        began = trio.current_time()
        failure: BaseException | None = None
        try:
            await start()
        except* Fatal:
            raise
        except* Exception as group:  # noqa: BLE001 - the restart loop is one of the three boundaries
            failure = _first(group)
        if failure is not None and on_failure is not None:
            on_failure(failure)
        if isinstance(failure, Misconfigured):
            log.error("parked: a person must act", part=name, why=str(failure))
            return
        if failure is not None:
            log.error("failed", part=name, policy=policy.value, exc_info=failure)
        if policy is Restart.TEMPORARY or (policy is Restart.TRANSIENT and failure is None):
            return
        now = trio.current_time()
        if now - began > FAILURE_DECAY_SECONDS:
            backoff = Backoff()
        wait = PAUSE_SECONDS if failure is not None and intensity.failed(now) else next(backoff)
        log.info("restarting", part=name, wait_seconds=round(wait, 2))
        await trio.sleep(wait)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to report of several; one that a person must mend before all others."""
    configured, _ = group.split(Misconfigured)
    error: BaseException = configured or group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
