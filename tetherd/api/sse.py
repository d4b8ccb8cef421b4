"""Server-sent events: the log, followed."""

from __future__ import annotations

import json
import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

import trio
from quart import Response
from quart.wrappers.response import ResponseBody

from tetherd.control import Control, Cursor, Delta, Entry, ForeignCursor, GetStatus
from tetherd.domain.ids import SessionId
from tetherd.errors import Rejected, Unavailable
from tetherd.logconfig import get_logger

HEARTBEAT_SECONDS = 15.0
HEARTBEAT = b": still here\n\n"
# Sent at once: it opens the way through proxies that wait for a first byte.
GREETING = b": tetherd\n\n"

log = get_logger(__name__)


class TooManyStreams(Rejected):
    code = "too_many_streams"
    status = 429

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"{limit} streams are open already")

    def facts(self) -> dict[str, object]:
        return {"limit": self.limit}


class Streams:
    """All streams of one app."""

    def __init__(self, control: Control, limit: int) -> None:
        self._control = control
        self._limit = limit
        self._epoch: str | None = None
        # Weak, so that a stream whose client left before its first byte is not counted for ever.
        self._open: weakref.WeakSet[EventStream] = weakref.WeakSet()

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    async def open(
        self, after: str | None, session_id: SessionId | None, live: bool, is_valid: Callable[[], bool]
    ) -> Response:
        """A response that follows from `after` (SEQ or EPOCH.SEQ) until the client, its token or the daemon ends.

        Raises TooManyStreams, ForeignCursor or Unavailable before anything is sent.
        """
        if self._epoch is None:
            self._epoch = (await self._control.ask(GetStatus())).epoch
        cursor = _cursor(after)
        if cursor.epoch not in (None, self._epoch):
            raise ForeignCursor(f"the log has begun anew since {after}")
        if len(self._open) >= self._limit:
            raise TooManyStreams(self._limit)
        frames = _frames(self._control, cursor, session_id, live, self._epoch)
        stream = EventStream(frames, is_valid, self._open.discard)
        self._open.add(stream)
        response = Response(content_type="text/event-stream; charset=utf-8")
        response.response = stream
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"
        response.timeout = None
        return response

    def recheck(self) -> None:
        """Somebody was shut out: streams of those who may no longer listen end now."""
        for stream in list(self._open):
            stream.recheck()


class EventStream(ResponseBody):
    """A response's body: frames as they come, and a heartbeat where nothing comes."""

    def __init__(
        self,
        frames: AbstractAsyncContextManager[trio.abc.ReceiveChannel[bytes]],
        is_valid: Callable[[], bool],
        ended: Callable[[EventStream], None],
    ) -> None:
        self._frames = frames
        self._is_valid = is_valid
        self._ended = ended
        self._channel: trio.abc.ReceiveChannel[bytes] | None = None
        self._has_greeted = False
        self._waiting: trio.CancelScope | None = None

    def recheck(self) -> None:
        """End it, also while it waits, if it may no longer be told."""
        if self._waiting is not None and not self._is_valid():
            self._waiting.cancel()

    async def __aenter__(self) -> EventStream:
        self._channel = await self._frames.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended(self)
        await self._frames.__aexit__(exc_type, exc_value, traceback)

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> bytes:
        if not self._has_greeted:
            self._has_greeted = True
            return GREETING
        assert self._channel is not None
        chunk = HEARTBEAT
        with trio.move_on_after(HEARTBEAT_SECONDS) as self._waiting:
            try:
                chunk = await self._channel.receive()
            except trio.EndOfChannel:
                raise StopAsyncIteration from None
        if not self._is_valid():  # revoked meanwhile: nothing more is told
            raise StopAsyncIteration
        return chunk


@trio.as_safe_channel
async def _frames(
    control: Control, cursor: Cursor, session_id: SessionId | None, live: bool, epoch: str
) -> AsyncGenerator[bytes, None]:
    """All that is ready, as one piece: sending costs far more than joining."""
    try:
        async with control.follow(cursor, session_id, live) as batches:
            async for batch in batches:
                yield b"".join(encode(one, epoch) for one in batch)
    except (Rejected, Unavailable) as error:  # too late for a status: the client comes again and is told
        log.warning("stream ended", why=str(error))


def encode(one: Entry | Delta, epoch: str) -> bytes:
    """One frame. Only log entries have an id: a client that comes again must not ask for what was never logged."""
    if isinstance(one, Entry):
        return f"id: {epoch}.{one.seq}\nevent: {one.kind}\ndata: ".encode() + one.wire() + b"\n\n"
    members = {
        "session_id": one.session_id,
        "message_id": one.message_id,
        "kind": one.kind,
        "offset": one.offset,
        "text": one.text,
    }
    return b"event: delta\ndata: " + json.dumps(members).encode() + b"\n\n"


def _cursor(after: str | None) -> Cursor:
    epoch, _, seq = (after or "0").rpartition(".")
    return Cursor(int(seq), epoch or None)
