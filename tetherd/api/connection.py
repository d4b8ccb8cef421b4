"""One HTTP request between hypercorn and Quart."""

from __future__ import annotations

import re
from collections.abc import Generator
from functools import partial
from typing import Any, cast

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, HTTPScope
from quart import Request
from quart_trio.asgi import TrioASGIHTTPConnection
from werkzeug.exceptions import RequestEntityTooLarge

# What is taken from the wire before a handler asks: enough for nearly every body that we know. Without it
# nobody would see that a request has no body, nor, what comes after the body, that the client has gone.
READ_AHEAD_BYTES = 64 * 1024

# What is read and thrown away after an answer that did not wait for the body. Closing at once would reset the
# connection while the client still sends, and with many clients the answer is lost.
DRAIN_BYTES = 1024 * 1024
DRAIN_SECONDS = 1.0

# Targets that mean one thing to us and another to a proxy or a file system: not a plain path, empty or dot
# segments, slashes and NUL in disguise.
AMBIGUOUS_TARGET = re.compile(rb"^(?!/)|//|\\|%2f|%5c|%00|/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
UNROUTABLE_PATH = "/ "  # begins with a slash, else Quart parses it as an address and finds "" in it, which is /


class RequestBody:
    """What the client sends, fetched only as far as somebody asks; takes the place of Quart's Body.

    `await body` gives all of it, `async for` gives pieces and keeps at most READ_AHEAD_BYTES of it in memory.
    Raises RequestEntityTooLarge past the limit, RuntimeError when first asked for after the answer has begun.
    """

    def __init__(self, expected_bytes: int | None, limit_bytes: int | None) -> None:
        self._data = bytearray()
        self._expected_bytes = expected_bytes or 0
        self._limit_bytes = limit_bytes
        self._seen_bytes = 0
        self._dropped_bytes = 0
        self._is_complete = False
        self._is_wanted_whole = False
        self._is_closed = False
        self._failure: Exception | None = None
        self._changed = trio.Event()  # replaced and set by _ring()
        if limit_bytes is not None and self._expected_bytes > limit_bytes:
            self._failure = RequestEntityTooLarge()

    async def put(self, data: bytes, *, is_last: bool) -> None:
        """Take one piece off the wire; returns when there is room for the next."""
        self._seen_bytes += len(data)
        self._is_complete = self._is_complete or is_last
        if self._failure is None and self._limit_bytes is not None and self._seen_bytes > self._limit_bytes:
            self._data.clear()
            self._failure = RequestEntityTooLarge()
        if self._is_closed or self._failure is not None:
            self._dropped_bytes += len(data)
        else:
            self._data += data
        self._ring()
        while not self._has_room():
            await self._changed.wait()

    def close(self) -> None:
        """The answer has begun: what has not arrived by now is nobody's, and is thrown away."""
        if not self._is_complete:
            self._failure = self._failure or RuntimeError("a body must be read before the answer begins")
            self._data.clear()
        self._is_closed = True
        self._ring()

    def is_worth_draining(self) -> bool:
        """Tell whether what is still to come may fit into DRAIN_BYTES; unknown lengths get the chance."""
        return self._expected_bytes - self._seen_bytes <= DRAIN_BYTES

    async def drained(self) -> None:
        """Wait until all has arrived, or DRAIN_BYTES were thrown away."""
        while not self._is_complete and self._dropped_bytes < DRAIN_BYTES:
            await self._changed.wait()

    def clear(self) -> None:
        """Forget what was read (Quart calls it for get_data(cache=False))."""
        self._data.clear()

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._read_all().__await__()

    def __aiter__(self) -> RequestBody:
        return self

    async def __anext__(self) -> bytes:
        while not (self._data or self._is_complete or self._failure):
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure
        if not self._data:
            raise StopAsyncIteration
        data = bytes(self._data)
        self._data.clear()
        self._ring()
        return data

    async def _read_all(self) -> bytes:
        self._is_wanted_whole = True
        self._ring()
        while not (self._is_complete or self._failure):
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure
        return bytes(self._data)

    def _has_room(self) -> bool:
        if self._is_complete or self._is_closed:
            return True
        if self._failure is not None:
            return False
        return self._is_wanted_whole or len(self._data) < READ_AHEAD_BYTES

    def _ring(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class TetherHTTPConnection(TrioASGIHTTPConnection):
    """quart-trio's connection with three faults mended; `app.asgi_http_class = TetherHTTPConnection`.

    1. hypercorn queues http.disconnect while we are still inside the last send(), and quart-trio answers by
       cancelling that send: no idle timer starts, sockets stay open. Here a finished answer is left alone.
    2. Quart pulls and stores the whole body, asked for or not (0.23 even past MAX_CONTENT_LENGTH, if
       chunked). Here RequestBody holds the client back: who is refused cannot make us read its upload.
    3. The router sees the unquoted path, where %2f has become a slash. Here AMBIGUOUS_TARGET matches no rule.
    """

    _body: RequestBody
    _is_finished = False

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await super().__call__(receive, partial(self._send, send))

    async def handle_messages(  # type: ignore[override]  # as quart-trio's own is
        self, nursery: trio.Nursery, request: Request, receive: ASGIReceiveCallable
    ) -> None:
        while (message := await receive())["type"] == "http.request":
            await self._body.put(message.get("body", b""), is_last=not message.get("more_body", False))
        if not self._is_finished:
            nursery.cancel_scope.cancel()  # the client is gone

    def _create_request_from_scope(self, send: ASGISendCallable) -> Request:
        if AMBIGUOUS_TARGET.search(self.scope.get("raw_path") or self.scope["path"].encode()):
            self.scope = cast(HTTPScope, {**self.scope, "path": UNROUTABLE_PATH})
        request = super()._create_request_from_scope(send)
        longer = (limit for path, limit in self.app.config["LONGER_BODIES"].items() if path.fullmatch(request.path))
        limit = next(longer, self.app.config["MAX_CONTENT_LENGTH"])
        self._body = RequestBody(request.content_length, limit)
        request.body = self._body  # type: ignore[assignment]  # Quart needs no more of a Body than we have
        return request

    async def _send(self, send: ASGISendCallable, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            if not self._body.is_worth_draining():
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            self._body.close()
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            # The client has its answer already; this word makes hypercorn recycle or close the connection.
            with trio.move_on_after(DRAIN_SECONDS):
                await self._body.drained()
            self._is_finished = True
        await send(message)
