"""Long polling: updates in order, confirmed only once all of them were dealt with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import trio

from tetherd.backoff import Backoff
from tetherd.errors import Unavailable
from tetherd.logconfig import get_logger
from tetherd_bridges.conversation.incoming import Ignored, Incoming, Said
from tetherd_bridges.platform import TryLater
from tetherd_bridges.telegram.client import POLL_SECONDS, Conflict, TelegramClient
from tetherd_bridges.telegram.updates import ALLOWED, read_update
from tetherd_bridges.troubles import Troubles

BATCH = 100
READ_SECONDS = POLL_SECONDS + 15.0
ALBUM_SECONDS = 0.8
"""The pictures of an album come as messages of their own, within a second of each other."""
CONFLICT = (
    "Another program asks Telegram for this bot's messages (409). Only one may: stop the other one, or give it a "
    "token of its own"
)

log = get_logger(__name__)


class Polling:
    """Iterate over it: batches of what came in. The next batch is asked for when the last one was dealt with.

    No offset is kept from life to life, and none while nothing comes: after a quiet week Telegram numbers its updates
    anew, and an old offset would swallow them. What comes again is known by its id.
    """

    def __init__(self, client: TelegramClient, bot_name: str, troubles: Troubles) -> None:
        self._client = client
        self._bot_name = bot_name
        self._troubles = troubles
        self._offset: int | None = None

    def __aiter__(self) -> Polling:
        return self

    async def __anext__(self) -> Sequence[Incoming]:
        while True:
            updates = await self._poll(POLL_SECONDS)
            if not updates:
                self._offset = None
                continue
            read = [read_update(update, self._bot_name) for update in updates]
            if isinstance(read[-1], Said) and read[-1].album is not None and len(updates) < BATCH:
                await trio.sleep(ALBUM_SECONDS)
                updates = await self._poll(0) or updates  # not confirmed yet: all of them, and what came meanwhile
                read = [read_update(update, self._bot_name) for update in updates]
            ids = [update.get("update_id") for update in updates if isinstance(update, dict)]
            self._offset = max((one for one in ids if isinstance(one, int)), default=0) + 1
            return together(read)

    async def _poll(self, wait_seconds: int) -> list[Any]:
        """Updates, or none. Trouble is waited out here and told to whoever asks."""
        backoff, conflicts = Backoff(), Backoff(5.0, cap_seconds=30.0)
        while True:
            try:
                updates = await self._client.call(
                    "getUpdates",
                    {"offset": self._offset, "timeout": wait_seconds, "limit": BATCH, "allowed_updates": list(ALLOWED)},
                    seconds=READ_SECONDS,
                )
            except TryLater as later:
                await trio.sleep(later.seconds)
            except Conflict as error:
                if "webhook" in str(error):
                    await self._client.call("deleteWebhook")
                    continue
                self._troubles.tell("polling", CONFLICT)
                log.warning("somebody else polls with this token", bridge="telegram")
                await trio.sleep(next(conflicts))
            except Unavailable as error:
                self._troubles.tell("polling", f"Telegram cannot be reached: {error}")
                await trio.sleep(next(backoff))
            else:
                self._troubles.tell("polling", None)
                return updates if isinstance(updates, list) else []


def together(read: Sequence[Incoming]) -> list[Incoming]:
    """The pictures of an album as one message; the others of it are noted and need nothing more."""
    found: list[Incoming] = []
    albums: dict[str, int] = {}
    for one in read:
        if isinstance(one, Said) and one.album is not None and one.album in albums:
            at = albums[one.album]
            first = found[at]
            assert isinstance(first, Said)
            text = "\n".join(part for part in (first.text, one.text) if part)
            found[at] = replace(first, files=(*first.files, *one.files), text=text)
            found.append(Ignored(key=one.key, why="part of an album"))
            continue
        if isinstance(one, Said) and one.album is not None:
            albums[one.album] = len(found)
        found.append(one)
    return found
