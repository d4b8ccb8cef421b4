"""Our stdout: whole lines, written by one task, so that nobody who is cancelled leaves half a line."""

from __future__ import annotations

import itertools
import os
import sys

import trio

from tetherd.agents.workers.messages import JsonObject, encode

WAITING_LINES = 32
"""Beyond them, whoever has something to say waits for the reader."""


def own_stdout() -> int:
    """The stdout of this process for us alone: what a library prints goes to stderr from now on."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return descriptor


class Outgoing:
    """Once nobody reads it any more, messages are dropped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._entrance, self._exit = trio.open_memory_channel[JsonObject](WAITING_LINES)
        self._request_ids = itertools.count()

    def new_request_id(self) -> int:
        return next(self._request_ids)

    async def send(self, message: JsonObject) -> None:
        await self._entrance.send(message)

    def close(self) -> None:
        """Nothing more is sent; run() ends when all is written."""
        self._entrance.close()

    async def run(self) -> None:
        is_read = True
        async with trio.lowlevel.FdStream(self._descriptor) as stream:
            async for message in self._exit:
                if is_read:
                    try:
                        await stream.send_all(encode({"jsonrpc": "2.0", **message}) + b"\n")
                    except trio.BrokenResourceError:
                        is_read = False
