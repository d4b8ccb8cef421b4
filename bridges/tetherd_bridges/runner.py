"""The loops that all bridges share: hear, tell, deliver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import trio

from tetherd.backoff import Backoff
from tetherd.bridge import BridgePort, Change
from tetherd.errors import Misconfigured, Unavailable
from tetherd.logconfig import get_logger
from tetherd_bridges.conversation.incoming import Incoming
from tetherd_bridges.delivery import Delivery
from tetherd_bridges.desk import Desk
from tetherd_bridges.mind import Mind
from tetherd_bridges.platform import Platform
from tetherd_bridges.presence import show_typing
from tetherd_bridges.teller import Teller
from tetherd_bridges.troubles import Troubles

TRIES = 3
"""So often is a message taken up that makes us fail; then it is left, so that those behind it get their turn."""

log = get_logger(__name__)


async def run_bridge(
    port: BridgePort,
    platform: Platform,
    troubles: Troubles,
    home: str,
    allowed: Collection[str],
    failures: Counter[str],
) -> None:
    """Until cancelled. `failures` counts, over all lives of this process, how often a message made us fail."""
    mind = Mind(port.state, home)
    await mind.load()
    desk = Desk(port, mind, platform, allowed)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Teller(port, mind, platform).run)
        nursery.start_soon(Delivery(mind, platform, troubles).run)
        nursery.start_soon(show_typing, mind, platform)
        async with platform.incoming() as batches:
            async for batch in batches:
                for incoming in batch:
                    await _take(desk, mind, incoming, failures)


async def _take(desk: Desk, mind: Mind, incoming: Incoming, failures: Counter[str]) -> None:
    """Act on it; while the daemon is not ready, or the disk is full, again and again: it is not lost."""
    if failures[incoming.key] >= TRIES:
        log.error("a message cannot be dealt with and is left", key=incoming.key)
        await mind.commit(Change(heard=[incoming.key]))
        return
    backoff = Backoff(0.5, cap_seconds=10.0)
    while True:
        try:
            await desk.take(incoming)
        except Unavailable as error:
            log.info("a message has to wait", key=incoming.key, why=str(error))
            await trio.sleep(next(backoff))
        except Misconfigured:
            raise
        except Exception:
            failures[incoming.key] += 1
            raise
        else:
            failures.pop(incoming.key, None)
            return
