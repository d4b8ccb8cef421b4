"""The daemon's API from afar: HTTP/1.1 over its socket or TCP, blocking.

Standard library only, and little of it: tetherctl's start-up time is mostly this module's imports.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from tetherd.backoff import Backoff
from tetherd.client.sse import SseEvent, SseParser
from tetherd.errors import Rejected, Unavailable

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 60.0
"""Longer than the daemon itself takes before it says that it is too slow."""
RECOVERING_PAUSE_SECONDS: Final = 0.1
SILENCE_SECONDS: Final = 45.0
"""A stream sends at least a comment each 15 s (contract, 3); three missed ones mean that nobody is there."""

Address = Path | tuple[str, int]


class DaemonUnreachable(Unavailable):
    """Nobody answers where the daemon should be."""

    code = "daemon_unreachable"
    hint = "tether start"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(f"cannot reach tetherd ({why})")


class ApiError(Rejected):
    """The daemon answered with a problem. Its branch is known by `status` alone: 5xx and 429 may work later."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.problem = problem
        self.code = str(problem.get("code", "unknown"))
        self.hint = problem.get("hint")
        super().__init__(str(problem.get("detail") or problem.get("title") or f"the daemon answered {status}"))

    @property
    def is_passing(self) -> bool:
        return self.status == 429 or self.status >= 500


class Client:
    """Speaks to one daemon. Holds no connection between requests, so threads may share it."""

    def __init__(
        self,
        address: Address,
        token: str | None = None,
        *,
        surface: str | None = None,
        patience_seconds: float = 0.0,
    ) -> None:
        """`address` is the control socket, which needs no token, or a host and port, which do.

        `surface` is what the socket takes us for: cli when not given, or mcp. A daemon that has just started, perhaps
        by our own knock, is asked again for `patience_seconds`.
        """
        self._address = address
        self._token = token
        self._surface = surface
        self._patience_seconds = patience_seconds

    @classmethod
    def connect(cls, address: Address, token: str | None = None, *, surface: str | None = None) -> Client:
        """A client whose daemon was there just now. Raises DaemonUnreachable."""
        client = cls(address, token, surface=surface)
        connection = client._connection(CONNECT_SECONDS)
        connection.close()
        return client

    def request(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, key: str | None = None
    ) -> dict[str, Any]:
        """The JSON object that answers; empty for an answer without a body.

        `key` is an Idempotency-Key: the same one again is the same deed, not another. Raises ApiError for every
        answer from 400 on, DaemonUnreachable when there is none.
        """
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                return self._request_once(method, path, body, key)
            except ApiError as error:
                if error.code != "recovering" or time.monotonic() >= deadline:
                    raise
            time.sleep(RECOVERING_PAUSE_SECONDS)

    def _request_once(self, method: str, path: str, body: dict[str, Any] | None, key: str | None) -> dict[str, Any]:
        headers = {"Connection": "close"}
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Idempotency-Key"] = key
        connection = self._connection(ANSWER_SECONDS)
        try:
            return _read(self._ask(connection, method, path, headers, payload))
        finally:
            connection.close()

    def follow(
        self,
        path: str,
        after: str | None = None,
        *,
        lost: Callable[[Exception, float], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[SseEvent]:
        """The events of a stream, for ever: when it breaks off it is resumed behind the last event that had an id.

        `after` is the id to begin behind. Raises DaemonUnreachable or ApiError when the stream cannot be had at
        first; later only ApiErrors that will not pass. `lost` is told of each break, with the seconds until the
        next try.
        """
        last, begun = after, False
        backoff = Backoff(0.5, cap_seconds=15.0)
        while True:
            try:
                for event in self._stream(path, last):
                    begun, backoff = True, Backoff(0.5, cap_seconds=15.0)
                    if event is not None:
                        last = event.event_id or last
                        yield event
                trouble: Exception = DaemonUnreachable("the stream ended")
            except (DaemonUnreachable, ApiError) as error:
                if not begun or (isinstance(error, ApiError) and not error.is_passing):
                    raise
                trouble = error
            wait = next(backoff)
            if lost is not None:
                lost(trouble, wait)
            sleep(wait)

    def _stream(self, path: str, last: str | None) -> Iterator[SseEvent | None]:
        """None once when the stream is open, then its events, until it ends."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last is not None:
            headers["Last-Event-ID"] = last
        connection = self._connection(SILENCE_SECONDS)
        try:
            response = self._ask(connection, "GET", path, headers, None)
            if response.status != 200:
                _read(response)
            yield None
            parser = SseParser()
            while data := _read_some(response):
                yield from parser.feed(data)
        finally:
            connection.close()

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes | None,
    ) -> http.client.HTTPResponse:
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        if self._surface is not None:
            headers["X-Tether-Surface"] = self._surface
        try:
            connection.request(method, path, body, headers)
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise DaemonUnreachable(_why(error)) from error

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        """An open connection whose every read and write ends after `seconds`."""
        address = self._address
        host, port = ("localhost", None) if isinstance(address, Path) else address
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        connection.auto_open = 0
        try:
            if isinstance(address, Path):
                connection.sock = _open_socket(address)
            else:
                connection.sock = socket.create_connection(address, CONNECT_SECONDS)
        except OSError as error:
            raise DaemonUnreachable(_unreachable(address, error)) from error
        connection.sock.settimeout(seconds)
        return connection


def _open_socket(path: Path) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX)
    try:
        opened.settimeout(CONNECT_SECONDS)
        opened.connect(str(path))
    except OSError:
        opened.close()
        raise
    return opened


def _read(response: http.client.HTTPResponse) -> dict[str, Any]:
    try:
        data = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise DaemonUnreachable(_why(error)) from error
    try:
        answer = json.loads(data) if data else {}
    except ValueError:
        answer = None
    if response.status < 400 and isinstance(answer, dict):
        return answer
    if not isinstance(answer, dict):
        answer = {"title": f"the daemon answered {response.status} {response.reason}, and not in JSON"}
    raise ApiError(response.status, answer)


def _read_some(response: http.client.HTTPResponse) -> bytes:
    """What has come, at least one byte; empty at the end."""
    try:
        return response.read1(65536)
    except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a chunk without its size
        raise DaemonUnreachable(_why(error)) from error


def _unreachable(address: Address, error: OSError) -> str:
    where = str(address) if isinstance(address, Path) else f"{address[0]}:{address[1]}"
    match error:
        case FileNotFoundError():
            return f"no socket at {where}"
        case ConnectionRefusedError():
            return f"nobody listens at {where}"
        case _:
            return f"{where}: {_why(error)}"


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
