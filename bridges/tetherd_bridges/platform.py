"""What the shared loops need of a chat platform, and what may go wrong there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from tetherd.errors import Rejected, Unavailable
from tetherd_bridges.conversation.incoming import Incoming, Said
from tetherd_bridges.conversation.messages import Shown
from tetherd_bridges.ratelimit import Window


class TryLater(Unavailable):
    """The platform wants to be left alone for a while. It did nothing."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"asked to wait {seconds:.0f} s")


class NotReached(Unavailable):
    """The platform cannot have got it."""


class Uncertain(Unavailable):
    """Nobody knows whether the platform did it."""


class ThreadGone(Unavailable):
    """The thread was deleted."""


class MessageGone(Rejected):
    """The message was deleted, or can no longer be changed."""


class ChatMoved(Unavailable):
    """The chat has another name now."""

    def __init__(self, lane: str) -> None:
        self.lane = lane
        super().__init__(f"the chat moved to {lane}")


class Refused(Rejected):
    """The platform will never take this message."""


class Barred(Unavailable):
    """The platform takes nothing from us in this chat until a person gives us a right. `str()` says which."""


class Platform(Protocol):
    """A platform, connected. All calls raise what stands above, or Misconfigured when we are not let in any more."""

    name: str
    has_threads: bool

    def incoming(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Incoming]]]:
        """Batches, in order. Asking for the next one says that all of the last was dealt with."""

    def window(self, lane: str) -> Window:
        """How fast this chat may be spoken to."""

    async def show(
        self,
        lane: str,
        place: str | None,
        header: str,
        shown: Shown,
        file: bytes | None,
        ref: str | None,
        is_doubtful: bool,
    ) -> str:
        """Post the message, or change the one that is called `ref`. Returns what it is called.

        `header`: whose message it is, where that is not plain from its thread. `is_doubtful`: it may be there
        already; the platform's way to say so goes with it.
        """

    async def open_thread(self, lane: str, name: str) -> str:
        """Make a thread; what it is called."""

    async def rename_thread(self, lane: str, place: str, name: str) -> None: ...

    async def close_thread(self, lane: str, place: str) -> None: ...

    async def typing(self, lane: str, place: str | None) -> None:
        """Show for a few seconds that something is being written."""

    async def toast(self, query: str, text: str) -> None: ...

    def link(self, lane: str, place: str) -> str | None: ...

    async def fetch(self, said: Said, folder: Path) -> list[Path]: ...
