"""Delays between retries: a pure iterator.

    backoff = Backoff()
    while True:
        ...                                 # try; leave the loop when it works
        await trio.sleep(next(backoff))

It never sleeps and never ends. What succeeded for a while starts again with a new one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

BASE_SECONDS = 1.0
CAP_SECONDS = 60.0
FACTOR = 2.0


class Backoff(Iterator[float]):
    """Seconds to wait before the next try: `base`, then each time `factor` as much, up to `cap`.

    Each delay is drawn from the upper half of its step, so that many clients of one server that was away do not
    come back at the same instant, and none comes back at once. `draw` gives numbers in [0, 1).
    """

    def __init__(
        self,
        base_seconds: float = BASE_SECONDS,
        factor: float = FACTOR,
        cap_seconds: float = CAP_SECONDS,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if not 0 < base_seconds <= cap_seconds or factor < 1:
            raise ValueError("a backoff needs 0 < base <= cap and a factor of at least 1")
        self._step = base_seconds
        self._factor = factor
        self._cap = cap_seconds
        self._draw = draw

    def __next__(self) -> float:
        step = self._step
        self._step = min(step * self._factor, self._cap)
        return step * (0.5 + 0.5 * self._draw())
