"""An actor's inbox: people's commands and the agent's reports."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import trio

from tetherd.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")


class ActorGone(Unavailable):
    """The session's task ended before it could answer; what it had committed stands."""

    code = "actor_gone"
    hint = "look at the session, then try again"


@dataclass(slots=True)
class Slot(Generic[T, R]):
    """One item with the place for its answer. Whoever put it in may stop waiting: the item is handled all the same."""

    item: T
    _done: trio.Event = field(default_factory=trio.Event)
    _answer: R | None = None
    _error: BaseException | None = None

    def answer(self, value: R) -> None:
        self._answer = value
        self._done.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._done.set()

    async def wait(self) -> R:
        await self._done.wait()
        if self._error is not None:
            raise self._error
        return self._answer  # type: ignore[return-value]  # answer() was called: it is an R, which may be None


class Inbox(Generic[T, R]):
    """Two lanes, each in order of arrival, nothing dropped.

    Both lanes are bounded by their senders: each waits for its answer before it sends the next.
    """

    def __init__(self) -> None:
        self._commands: deque[Slot[T, R]] = deque()
        self._reports: deque[Slot[T, R]] = deque()
        self._bell = trio.Event()
        self._closed = False

    def command(self, item: T) -> Slot[T, R]:
        return self._put(self._commands, item)

    def report(self, item: T) -> Slot[T, R]:
        return self._put(self._reports, item)

    def is_empty(self) -> bool:
        return not self._commands and not self._reports

    async def take(self, *, commands: bool = True, reports: bool = True) -> Slot[T, R]:
        """The next item of the wanted lanes, commands first."""
        while True:
            bell = self._bell
            if commands and self._commands:
                return self._commands.popleft()
            if reports and self._reports:
                return self._reports.popleft()
            await bell.wait()

    def close(self, error: BaseException) -> None:
        """Fail all that waits and all that comes."""
        self._closed = True
        for slot in (*self._commands, *self._reports):
            slot.fail(error)
        self._commands.clear()
        self._reports.clear()

    def _put(self, lane: deque[Slot[T, R]], item: T) -> Slot[T, R]:
        slot: Slot[T, R] = Slot(item)
        if self._closed:
            slot.fail(ActorGone("the session's task has ended"))
            return slot
        lane.append(slot)
        bell, self._bell = self._bell, trio.Event()
        bell.set()
        return slot
