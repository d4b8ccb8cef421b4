"""HTTP for bridges: what certainly did not arrive, what may have, and a pool that survives being left."""

from __future__ import annotations

import contextlib
import socket

import pytest
import trio

from tests.emulators.loopback import Cut, Exchange, open_loopback
from tetherd_bridges.platform import NotReached, Uncertain
from tetherd_bridges.web import open_web


async def answer(exchange: Exchange) -> None:
    if exchange.target == "/cut":
        raise Cut
    if exchange.target == "/slow":
        await trio.sleep_forever()
    await exchange.answer(200, exchange.body, {"content-type": "application/json"})


async def test_requests_that_are_left_do_not_use_up_the_pool() -> None:
    async with open_loopback(answer) as base, open_web(pool_seconds=0.5) as web:
        for _ in range(10):
            async with trio.open_nursery() as nursery:
                for _ in range(60):
                    nursery.start_soon(lambda: _swallow(web.post(f"{base}/slow", {}, seconds=60)))
                await trio.testing.wait_all_tasks_blocked(0.01)
                nursery.cancel_scope.cancel()
        for _ in range(3):  # a pool without places is replaced, and whoever met it tries again
            try:
                found = await web.post(f"{base}/", {"a": 1}, seconds=10)
                break
            except NotReached:
                continue
        assert found.body == b'{"a":1}'


async def _swallow(request: object) -> None:
    with contextlib.suppress(NotReached, Uncertain):
        await request  # type: ignore[misc]


async def test_a_connection_that_breaks_leaves_doubt() -> None:
    async with open_loopback(answer) as base, open_web() as web:
        with pytest.raises(Uncertain):
            await web.post(f"{base}/cut", {}, seconds=10)
        with pytest.raises(Uncertain, match="no answer in time"):
            await web.post(f"{base}/slow", {}, seconds=0.05)


async def test_where_nobody_listens_nothing_arrived_and_no_address_is_told() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with open_web() as web:
        with pytest.raises(NotReached) as error:
            await web.post(f"http://127.0.0.1:{port}/botSECRET/getMe", {}, seconds=10)
        assert "SECRET" not in repr(error.value) and error.value.__cause__ is None


async def test_a_download_is_cut_at_its_limit() -> None:
    async def big(exchange: Exchange) -> None:
        await exchange.answer(200, b"x" * 100_000, {})

    async with open_loopback(big) as base, open_web() as web:
        assert len((await web.get(f"{base}/", seconds=10, limit_bytes=1000)).body) == 1001
