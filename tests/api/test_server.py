"""The accept loop and the connection class, over real sockets."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.fakes.http_api import Api
from tetherd.api.listeners import Listener, open_socket, open_tcp
from tetherd.api.server import serve

HANG_SECONDS = 20.0


class Served:
    """An API on loopback and on a unix socket. `stop` begins an orderly stop."""

    def __init__(self, api: Api, listeners: list[Listener]) -> None:
        self.api = api
        self.port = listeners[0].stream.socket.getsockname()[1]
        self.socket_path = listeners[-1].path
        self.stop = trio.Event()
        self.stopped = trio.Event()

    async def tcp(self, receive_buffer: int | None = None) -> trio.SocketStream:
        client = trio.socket.socket()
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await client.connect(("127.0.0.1", self.port))
        return trio.SocketStream(client)

    async def unix(self) -> trio.SocketStream:
        return await trio.open_unix_socket(str(self.socket_path))

    def head(self, method: str, target: str, *more: str, token: str | None = "") -> bytes:
        lines = [f"{method} {target} HTTP/1.1", "Host: localhost:8787", *more]
        if token is not None:
            lines.append(f"Authorization: Bearer {token or self.api.owner}")
        return "\r\n".join([*lines, "", ""]).encode()


@asynccontextmanager
async def served(tmp_path: Path, app: Any = None, **options: Any) -> AsyncIterator[Served]:
    api = Api()
    listeners = [*await open_tcp(["127.0.0.1"], 0), await open_socket(tmp_path / "s" / "control.sock")]
    it = Served(api, listeners)

    async def run(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        await serve(app or api.app, listeners, stop=it.stop, task_status=task_status, **options)
        it.stopped.set()

    with trio.fail_after(HANG_SECONDS * 2):
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            yield it
            it.stop.set()


async def to_end(stream: trio.SocketStream) -> bytes:
    """All until the server closes."""
    data = b""
    with trio.fail_after(HANG_SECONDS):
        while piece := await stream.receive_some():
            data += piece
    return data


async def answer(stream: trio.SocketStream) -> tuple[int, bytes]:
    """Status and body of one answer with a Content-Length."""
    data = b""
    with trio.fail_after(HANG_SECONDS):
        while b"\r\n\r\n" not in data:
            data += (piece := await stream.receive_some())
            assert piece, data
        head, _, body = data.partition(b"\r\n\r\n")
        lengths = [
            int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
        ]
        while len(body) < lengths[0]:
            body += await stream.receive_some()
    return int(head.split()[1]), body


async def test_a_client_that_says_close_sees_the_end(tmp_path: Path) -> None:
    async with served(tmp_path) as it, await it.tcp() as stream:
        await stream.send_all(it.head("GET", "/api/health", "Connection: close"))
        assert b" 200 " in await to_end(stream)


async def test_an_idle_connection_is_closed(tmp_path: Path) -> None:
    async with served(tmp_path, keep_alive_seconds=0.2) as it, await it.tcp() as stream:
        for _ in range(2):
            await stream.send_all(it.head("GET", "/api/health"))
            assert (await answer(stream))[0] == 200
        assert await to_end(stream) == b""


async def test_half_a_header_is_not_waited_for(tmp_path: Path) -> None:
    async with served(tmp_path, keep_alive_seconds=0.2) as it, await it.tcp() as stream:
        await stream.send_all(b"GET /api/health HTTP/1.1\r\nHo")
        await to_end(stream)


async def test_a_stalled_reader_does_not_hold_the_stop(tmp_path: Path) -> None:
    async with served(tmp_path, grace_seconds=0.2) as it:
        made = await it.api.session()
        text = {"type": "output", "data": {"text": "x" * 500_000}}
        for _ in range(20):
            await it.api.call("POST", f"/api/sessions/{made['session_id']}/events", text)
        readers = [await it.tcp(receive_buffer=4096) for _ in range(5)]
        for stream in readers:
            await stream.send_all(it.head("GET", "/api/events"))
            await stream.receive_some(100)
        await trio.testing.wait_all_tasks_blocked(0.2)
        it.stop.set()
        with trio.fail_after(HANG_SECONDS):
            await it.stopped.wait()
        for stream in readers:
            await stream.aclose()


async def test_a_reader_that_takes_nothing_is_dropped(tmp_path: Path) -> None:
    async with served(tmp_path, send_limit_seconds=0.2) as it:
        made = await it.api.session()
        text = {"type": "output", "data": {"text": "x" * 500_000}}
        for _ in range(40):
            await it.api.call("POST", f"/api/sessions/{made['session_id']}/events", text)
        async with await it.tcp(receive_buffer=4096) as stream:
            await stream.send_all(it.head("GET", "/api/events"))
            with trio.fail_after(HANG_SECONDS):
                for is_followed in (True, False):
                    while bool(it.api.control.followers) is not is_followed:  # noqa: ASYNC110 - the fake has no bell
                        await trio.sleep(0.01)


async def test_the_socket_tells_who_connects_and_tcp_does_not(tmp_path: Path) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                kind = (await receive())["type"]
                await send({"type": f"{kind}.complete"})
                if kind == "lifespan.shutdown":
                    return
        scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    async with served(tmp_path, app=app) as it:
        for stream in (await it.tcp(), await it.unix()):
            async with stream:
                await stream.send_all(it.head("GET", "/", "Connection: close"))
                await to_end(stream)
    tcp, unix = scopes
    assert (tcp["tether.listener"], tcp["tether.peer"]) == ("tcp", None)
    assert (unix["tether.listener"], unix["tether.peer"].pid, unix["tether.peer"].uid) == (
        "socket",
        os.getpid(),
        os.getuid(),
    )


async def test_a_chunked_upload_past_the_limit_is_stopped(tmp_path: Path) -> None:
    async with served(tmp_path) as it, await it.tcp() as stream:
        head = it.head("POST", "/api/tokens", "Content-Type: application/json", "Transfer-Encoding: chunked")
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        sent = 0
        got = b""

        async def upload() -> None:
            nonlocal sent
            try:
                await stream.send_all(head)
                for _ in range(800):  # 50 MB
                    await stream.send_all(chunk)
                    sent += len(chunk)
            except trio.BrokenResourceError:
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(upload)
            with trio.fail_after(HANG_SECONDS):
                while b"\r\n\r\n" not in got:
                    piece = await stream.receive_some()
                    if not piece:
                        break
                    got += piece
            nursery.cancel_scope.cancel()
        assert b" 413 " in got.split(b"\r\n")[0]
        assert sent < 20_000_000


async def test_nothing_of_a_body_is_read_before_its_sender_is_known(tmp_path: Path) -> None:
    async with served(tmp_path) as it, await it.tcp() as stream:
        length = f"Content-Length: {50_000_000}"
        await stream.send_all(it.head("POST", "/api/sessions", "Content-Type: application/json", length, token=None))
        status, body = await answer(stream)
        assert (status, json.loads(body)["code"]) == (401, "unauthenticated")


async def test_a_declared_length_past_the_limit_is_refused_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as it, await it.tcp() as stream:
        length = f"Content-Length: {50_000_000}"
        await stream.send_all(it.head("POST", "/api/sessions", "Content-Type: application/json", length))
        status, body = await answer(stream)
        assert (status, json.loads(body)["status"]) == (413, 413)


@pytest.mark.parametrize(
    "target",
    [
        "//etc/passwd",
        "/%2fetc/passwd",
        "/../etc/passwd",
        "/%2e%2e/etc/passwd",
        "/api/..%2f..%2fetc/passwd",
        "/api\\..\\x",
        "/%00",
        "/api/sessions/s-1/../x",
    ],
)
async def test_no_trick_with_the_path_leads_out(tmp_path: Path, target: str) -> None:
    async with served(tmp_path) as it, await it.tcp() as stream:
        await stream.send_all(it.head("GET", target))
        status, body = await answer(stream)
        assert (status, json.loads(body)["status"]) == (404, 404), body
        assert b"root:" not in body


async def test_strangers_on_tcp_do_not_shut_the_owner_out_of_the_socket(tmp_path: Path) -> None:
    async with served(tmp_path, connection_limit=2, keep_alive_seconds=HANG_SECONDS) as it:
        idle = [await it.tcp() for _ in range(4)]
        async with await it.unix() as stream:
            await stream.send_all(it.head("GET", "/api/health"))
            assert (await answer(stream))[0] == 200
        for one in idle:
            await one.aclose()


async def test_the_socket_is_for_its_owner_alone_and_its_file_goes_at_the_end(tmp_path: Path) -> None:
    async with served(tmp_path) as it:
        assert it.socket_path is not None
        assert it.socket_path.stat().st_mode & 0o777 == 0o600
        assert it.socket_path.parent.stat().st_mode & 0o777 == 0o700
    assert not it.socket_path.exists()
