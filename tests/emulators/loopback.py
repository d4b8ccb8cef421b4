"""A small HTTP/1.1 server on loopback that can hold, cut and count what it sends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import h11
import trio

LIMIT_BYTES = 256 * 1024 * 1024
READ_BYTES = 1 << 16


class Gone(Exception):
    """The client has closed the connection."""


class Cut(Exception):
    """The handler wants the connection broken, in the middle of what it was sending."""


class Exchange:
    """One request, and the answer to it."""

    def __init__(
        self, connection: h11.Connection, stream: trio.SocketStream, request: h11.Request, body: bytes
    ) -> None:
        self._connection = connection
        self._stream = stream
        self.method = request.method.decode()
        self.target = request.target.decode()
        self.headers = {name.decode().lower(): value.decode("latin-1") for name, value in request.headers}
        self.body = body

    async def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        await self.begin(status, {**headers, "content-length": str(len(body))})
        if body and self.method != "HEAD":
            await self.send(body)
        await self.end()

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        await self._write(h11.Response(status_code=status, headers=list(headers.items())))

    async def send(self, data: bytes) -> None:
        await self._write(h11.Data(data))

    async def end(self) -> None:
        await self._write(h11.EndOfMessage())

    async def _write(self, event: h11.Event) -> None:
        try:
            await self._stream.send_all(self._connection.send(event) or b"")
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise Gone from error


Handler = Callable[[Exchange], Awaitable[None]]
"""Answers one request. It is cancelled when the client hangs up; raises Cut to break the connection."""


@asynccontextmanager
async def open_loopback(handler: Handler, port: int = 0) -> AsyncIterator[str]:
    """Serve while the context is open. Yields the address, `http://127.0.0.1:PORT`."""

    async def serve(stream: trio.SocketStream) -> None:
        await _serve(stream, handler)

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, listeners)
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def _serve(stream: trio.SocketStream, handler: Handler) -> None:
    connection = h11.Connection(h11.SERVER)
    try:
        while exchange := await _receive(connection, stream):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_hang_up, connection, stream, nursery.cancel_scope)
                await handler(exchange)
                nursery.cancel_scope.cancel()
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return
            connection.start_next_cycle()
    except* (Cut, Gone, h11.RemoteProtocolError, trio.BrokenResourceError):
        pass  # nothing to tell anybody
    finally:
        await trio.aclose_forcefully(stream)


async def _receive(connection: h11.Connection, stream: trio.SocketStream) -> Exchange | None:
    """The next request, whole; None if there is none any more."""
    request: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                await stream.send_all(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            connection.receive_data(await stream.receive_some(READ_BYTES))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > LIMIT_BYTES:
                return None
        elif isinstance(event, h11.EndOfMessage) and request is not None:
            return Exchange(connection, stream, request, bytes(body))
        else:
            return None


async def _hang_up(connection: h11.Connection, stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """Cancel the handler once the client is gone: nobody reads what it would still send."""
    try:
        while data := await stream.receive_some(READ_BYTES):
            connection.receive_data(data)  # a next request that came early
    except trio.BrokenResourceError:
        pass
    scope.cancel()
