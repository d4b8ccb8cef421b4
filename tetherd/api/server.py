"""The accept loop: an ASGI app on our listeners."""

from __future__ import annotations

import errno
import logging
import socket
import struct
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Literal, cast

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, Scope
from hypercorn.utils import LifespanTimeoutError

from tetherd.api.listeners import Listener

log = logging.getLogger(__name__)

# Out of descriptors or memory (accept(2)): the backlog keeps the client, and asking again at once would spin.
STARVED_ERRNOS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
STARVED_PAUSE_SECONDS = 0.2

# One deadline per slice, so that it judges progress and not the size of an answer.
SEND_SLICE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Peer:
    """Who connected to the socket, as of its connect(); the pid may be gone or somebody else's by now."""

    pid: int
    uid: int
    gid: int


async def serve(
    app: ASGIFramework,
    listeners: Sequence[Listener],
    *,
    stop: trio.Event,
    grace_seconds: float = 1.0,
    send_limit_seconds: float = 30.0,
    keep_alive_seconds: float = 15.0,
    connection_limit: int = 1024,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer HTTP/1.1 on all listeners until `stop` is set; then return within about grace_seconds + 0.5 s.

    Owns the listeners and closes them, whatever happens. `started()` says that the app has started and that
    requests are answered. Each scope carries "tether.listener" (its kind), "tether.peer" (Peer, or None on
    TCP) and "tether.address" ((host, port), or None on a unix socket).

    connection_limit counts per listener, so that strangers on TCP cannot shut the owner out of the socket;
    who comes later waits in the backlog. A client is dropped that takes less than SEND_SLICE_BYTES in
    send_limit_seconds, or has not sent a whole header in keep_alive_seconds. Cancelling stops without grace.
    """
    config = _hypercorn_config(keep_alive_seconds)
    state: dict[str, Any] = {}
    lifespan = Lifespan(ASGIWrapper(app), config, state)
    with ExitStack() as listening:
        for listener in listeners:
            listening.callback(listener.close)
        async with trio.open_nursery() as lifetime:
            await lifetime.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            server = _Server(app, config, state, send_limit_seconds, connection_limit)
            async with trio.open_nursery() as connections:
                try:
                    async with trio.open_nursery() as accepting:
                        for listener in listeners:
                            accepting.start_soon(server.accept_forever, listener, connections)
                        task_status.started()
                        await stop.wait()
                        accepting.cancel_scope.cancel()
                    listening.close()
                    await server.finish(grace_seconds)
                finally:
                    server.kill_connections()
                    connections.cancel_scope.cancel()
            try:
                await lifespan.wait_for_shutdown()
            except LifespanTimeoutError:
                log.warning("app did not shut down in time", extra={"seconds": config.shutdown_timeout})
            lifetime.cancel_scope.cancel()


class _Server:
    """The connections of one serve(), and what they share."""

    def __init__(
        self,
        app: ASGIFramework,
        config: Config,
        state: dict[str, Any],
        send_limit_seconds: float,
        connection_limit: int,
    ) -> None:
        self._app = app
        self._config = config
        self._state = state
        self._send_limit_seconds = send_limit_seconds
        self._connection_limit = connection_limit
        self._context = WorkerContext(None)
        self._live: set[_GuardedStream] = set()
        self._one_left = trio.Event()  # replaced and set whenever a connection ends

    async def accept_forever(self, listener: Listener, connections: trio.Nursery) -> None:
        # Not trio.serve_listeners: it knows no limit, and writes a traceback at every starved accept().
        room = trio.Semaphore(self._connection_limit)
        is_starved = False
        while True:
            await room.acquire()
            try:
                stream = await listener.stream.accept()
            except OSError as exc:
                if exc.errno not in STARVED_ERRNOS:
                    raise
                if not is_starved:
                    log.error("accepting paused", extra={"reason": exc.strerror, "listener": listener.kind})
                is_starved = True
                room.release()
                await trio.sleep(STARVED_PAUSE_SECONDS)
            else:
                is_starved = False
                connections.start_soon(self._converse, stream, listener.kind, room.release)

    async def finish(self, grace_seconds: float) -> None:
        """Close idle connections now and the others after their answer; return when all are, or grace is over."""
        await self._context.terminated.set()
        with trio.move_on_after(grace_seconds):
            while self._live:
                await self._one_left.wait()

    def kill_connections(self) -> None:
        """Wake all sends, shielded as they are, so that a cancelled nursery can end."""
        for stream in self._live:
            stream.kill()

    async def _converse(
        self, stream: trio.SocketStream, kind: Literal["tcp", "socket"], release: Callable[[], None]
    ) -> None:
        """Serve one connection to its end. The boundary that an error of one connection does not cross."""
        guarded = _GuardedStream(stream, self._send_limit_seconds)
        self._live.add(guarded)
        try:
            async with trio.open_nursery() as nursery:
                app = _ConnectionApp(self._app, kind, _peer(stream.socket), nursery)
                await TCPServer(app, self._config, self._context, dict(self._state), cast(Any, guarded))
                nursery.cancel_scope.cancel()
        except* Exception:
            log.exception("connection failed and was closed", extra={"listener": kind})
        finally:
            stream.socket.close()
            release()
            self._live.discard(guarded)
            self._one_left.set()
            self._one_left = trio.Event()


class _ConnectionApp:
    """The app as one connection sees it: hypercorn's AppWrapper."""

    def __init__(
        self, app: ASGIFramework, kind: Literal["tcp", "socket"], peer: Peer | None, nursery: trio.Nursery
    ) -> None:
        self._app = app
        self._additions = {"tether.listener": kind, "tether.peer": peer}
        self._nursery = nursery

    async def __call__(
        self,
        scope: Scope,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
        sync_spawn: Callable[..., Any],
        call_soon: Callable[..., Any],
    ) -> None:
        is_over = False

        async def receive_and_note() -> ASGIReceiveEvent:
            nonlocal is_over
            message = await receive()
            is_over = message["type"] == "http.disconnect"
            return message

        additions = {**self._additions, "tether.address": scope.get("client")}
        try:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000, "reason": None})
            elif scope["type"] == "http" and scope["http_version"] not in ("1.0", "1.1"):
                await send({"type": "http.response.start", "status": 505, "headers": []})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            else:
                await self._app(cast(Scope, {**scope, **additions}), receive_and_note, send)
        finally:
            # hypercorn has the disconnect still to put into a queue that may be full: without a reader it
            # would wait for ever, and the connection with it.
            if not is_over:
                self._nursery.start_soon(_discard_rest, receive)


class _GuardedStream:
    """A SocketStream for hypercorn, whose shield around send_all would let a stalled client hold us."""

    def __init__(self, stream: trio.SocketStream, send_limit_seconds: float) -> None:
        self._stream = stream
        self._send_limit_seconds = send_limit_seconds
        self.socket = stream.socket
        self.receive_some = stream.receive_some
        self.send_eof = stream.send_eof
        self.aclose = stream.aclose

    async def send_all(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            with trio.move_on_after(self._send_limit_seconds) as deadline:
                await self._stream.send_all(rest[:SEND_SLICE_BYTES])
            if deadline.cancelled_caught:
                self.kill()
                raise trio.BrokenResourceError("the client takes nothing")
            rest = rest[SEND_SLICE_BYTES:]

    def kill(self) -> None:
        """End both directions now: a send under way fails, a read returns EOF."""
        with suppress(OSError):  # the client was faster
            self.socket.shutdown(socket.SHUT_RDWR)


async def _discard_rest(receive: ASGIReceiveCallable) -> None:
    while not (await receive())["type"].endswith(".disconnect"):
        pass


def _peer(sock: trio.socket.SocketType) -> Peer | None:
    if sock.family != socket.AF_UNIX:
        return None
    return Peer(*struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))


def _hypercorn_config(keep_alive_seconds: float) -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = logging.getLogger("tetherd.api.hypercorn")  # tracebacks of requests that failed
    config.include_server_header = False
    config.keep_alive_timeout = keep_alive_seconds  # from accept, or the last answer, to a whole header
    config.h11_max_incomplete_size = 16 * 1024  # a longer header is answered with 431
    config.max_app_queue_size = 2  # pieces of a body, 64 KiB each, that wait for the app
    config.startup_timeout = 10.0
    config.shutdown_timeout = 0.5
    return config
