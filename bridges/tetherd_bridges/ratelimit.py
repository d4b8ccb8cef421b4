"""How fast a chat may be spoken to: so many in any minute, and the pauses that the platform asks for.

Sans-IO: times are seconds of any clock that only runs forward.
"""

from __future__ import annotations

from collections import deque

SCARCE = 0.7
"""When this part of what is allowed is used up, changes wait and new messages go first."""


class Window:
    """At most `limit` in any stretch of `span_seconds`, and `gap_seconds` between two of them."""

    def __init__(self, limit: int, span_seconds: float, gap_seconds: float) -> None:
        self._limit = limit
        self._span = span_seconds
        self._gap = gap_seconds
        self._taken: deque[float] = deque()
        self._paused_until = 0.0

    def wait(self, now: float) -> float:
        """Seconds until something may be sent; 0 when it may now."""
        self._forget(now)
        until = self._paused_until
        if self._taken:
            until = max(until, self._taken[-1] + self._gap)
        if len(self._taken) >= self._limit:
            until = max(until, self._taken[-self._limit] + self._span)
        return max(0.0, until - now)

    def is_scarce(self, now: float) -> bool:
        self._forget(now)
        return len(self._taken) >= self._limit * SCARCE

    def take(self, now: float) -> None:
        """Something is sent at `now`."""
        self._taken.append(now)

    def pause(self, until: float) -> None:
        """The platform said: nothing before `until`."""
        self._paused_until = max(self._paused_until, until)

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0] <= now - self._span:
            self._taken.popleft()
