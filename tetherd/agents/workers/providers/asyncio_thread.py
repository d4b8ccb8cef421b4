"""A thread with an asyncio loop, for libraries that do not run under Trio.

One loop for the whole process: such libraries keep connections that belong to a loop. Cancelling on our side cancels
on theirs, so that a request ends with the turn that made it.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Generic, TypeVar

import trio

CLOSING_SECONDS = 5.0

T = TypeVar("T")


class _End(Generic[T]):
    """The source is exhausted, or failed."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error


class AsyncioThread:
    """The thread ends with the process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    @asynccontextmanager
    async def iterate(self, source: Callable[[], AsyncIterator[T]]) -> AsyncIterator[AsyncIterator[T]]:
        """What an asyncio iterator gives, and its error; it is ended when the context is left.

        Nothing holds it back: what is gathered here is one answer of a model.
        """
        token = trio.lowlevel.current_trio_token()
        entrance, out = trio.open_memory_channel[T | _End[T]](math.inf)

        def tell(item: T | _End[T]) -> None:
            _soon(token, lambda: entrance.send_nowait(item))

        async def pump() -> None:
            error: Exception | None = None
            try:
                async for item in source():
                    tell(item)
            except Exception as raised:  # noqa: BLE001 - handed over whole, and raised on the other side
                error = raised
            finally:
                tell(_End(error))

        async def items() -> AsyncGenerator[T, None]:
            async for item in out:
                if not isinstance(item, _End):
                    yield item
                elif item.error is not None:
                    raise item.error
                else:
                    return

        future = asyncio.run_coroutine_threadsafe(pump(), self._loop)
        ended = trio.Event()
        future.add_done_callback(lambda _: _soon(token, ended.set))
        try:
            async with aclosing(items()) as received:
                yield received
        finally:
            future.cancel()
            with trio.CancelScope(shield=True), trio.move_on_after(CLOSING_SECONDS):
                await ended.wait()


def _soon(token: trio.lowlevel.TrioToken, then: Callable[[], None]) -> None:
    with suppress(trio.RunFinishedError):  # the process is about to end
        token.run_sync_soon(then)
