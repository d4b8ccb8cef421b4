"""HTTP for bridges: the only module that knows which library does it.

httpx leaks a place of its pool when a request is cancelled under Trio. So a client lives no longer than its bridge,
deadlines of single requests are the library's own and never cancel scopes, and a pool without places is replaced.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tetherd_bridges.platform import NotReached, Uncertain

CONNECT_SECONDS = 10.0
POOL_SECONDS = 30.0

Transport = httpx.AsyncBaseTransport


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a status, headers in lower case, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Web:
    """A client of one server. `transport` replaces the network, for tests.

    `pool_seconds`: patience for a connection to be free.
    """

    def __init__(self, transport: Transport | None = None, pool_seconds: float = POOL_SECONDS) -> None:
        self._transport = transport
        self._pool_seconds = pool_seconds
        self._client = self._fresh()

    async def post(
        self,
        url: str,
        fields: Mapping[str, Any],
        *,
        seconds: float,
        file: tuple[str, str, bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST `fields` as JSON, or as a form with a file `(field, name, data)`. `seconds`: patience for the answer.

        Raises NotReached when the server cannot have got it, Uncertain when it may have.
        """
        timeout = httpx.Timeout(CONNECT_SECONDS, read=seconds, write=max(seconds, 30.0), pool=self._pool_seconds)
        try:
            if file is None:
                answer = await self._client.post(url, json=dict(fields), timeout=timeout, headers=headers)
            else:
                field, name, data = file
                answer = await self._client.post(
                    url,
                    data=dict(fields),
                    files={field: (name, data, "application/octet-stream")},
                    timeout=timeout,
                    headers=headers,
                )
        except httpx.PoolTimeout as error:
            await self.close()
            self._client = self._fresh()
            raise NotReached("no connection was free") from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol) as error:
            raise NotReached(_why(error)) from None
        except httpx.HTTPError as error:
            raise Uncertain(_why(error)) from None
        return Answer(answer.status_code, answer.headers, answer.content)

    async def get(self, url: str, *, seconds: float, limit_bytes: int) -> Answer:
        """GET at most `limit_bytes`; a longer body is cut and has one byte more than that."""
        body = bytearray()
        try:
            async with self._client.stream("GET", url, timeout=httpx.Timeout(CONNECT_SECONDS, read=seconds)) as answer:
                # to its end, for httpcore leaves a generator behind when a body is not read to its end
                async for chunk in answer.aiter_bytes():
                    body += chunk[: limit_bytes + 1 - len(body)]
                return Answer(answer.status_code, answer.headers, bytes(body))
        except httpx.HTTPError as error:
            raise NotReached(_why(error)) from None

    async def close(self) -> None:
        await self._client.aclose()

    def _fresh(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self._transport, follow_redirects=False, trust_env=self._transport is None)


@asynccontextmanager
async def open_web(transport: Transport | None = None, pool_seconds: float = POOL_SECONDS) -> AsyncIterator[Web]:
    web = Web(transport, pool_seconds)
    try:
        yield web
    finally:
        await web.close()


def _why(error: Exception) -> str:
    """In a word: the text of such errors may hold the address, and that a token."""
    return {
        "ConnectError": "no connection",
        "ConnectTimeout": "no connection in time",
        "ReadTimeout": "no answer in time",
        "ReadError": "the connection broke off",
        "RemoteProtocolError": "the connection broke off",
        "WriteError": "the connection broke off",
    }.get(type(error).__name__, type(error).__name__)
