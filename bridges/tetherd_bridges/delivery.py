"""Brings the outbox to the platform: in order in each chat, as fast as it may, each message once.

Before a message is posted that is noted; if this life ends before the platform's answer is noted too, the next one
posts it again and says that it may be a repeat. Changes of a message are safe to repeat.
"""

from __future__ import annotations

import trio

from tetherd.backoff import Backoff
from tetherd.bridge import Change, Owed
from tetherd.errors import Unavailable
from tetherd.logconfig import get_logger
from tetherd_bridges.conversation.messages import Shown
from tetherd_bridges.mind import Mind, Place
from tetherd_bridges.platform import (
    Barred,
    ChatMoved,
    MessageGone,
    NotReached,
    Platform,
    Refused,
    ThreadGone,
    TryLater,
)
from tetherd_bridges.richtext import shortened
from tetherd_bridges.troubles import Troubles

HEADER_CHARACTERS = 60

log = get_logger(__name__)


class Delivery:
    """One task for each chat in which something is owed."""

    def __init__(self, mind: Mind, platform: Platform, troubles: Troubles) -> None:
        self._troubles = troubles
        self._mind = mind
        self._platform = platform

    async def run(self) -> None:
        lanes: set[str] = set()
        async with trio.open_nursery() as nursery:
            while True:
                bell = self._mind.owed
                await self._close_threads()
                for lane in await self._mind.state.lanes():
                    if lane not in lanes:
                        lanes.add(lane)
                        nursery.start_soon(self._serve, lane)
                await bell.wait()

    async def _serve(self, lane: str) -> None:
        """This chat's messages, one after the other."""
        window = self._platform.window(lane)
        backoff = Backoff()
        while True:
            bell = self._mind.owed
            if await self._mind.state.next_owed(lane) is None:
                await bell.wait()
                continue
            await trio.sleep(window.wait(trio.current_time()))
            # as it shall be now, after the wait
            owed = await self._mind.state.next_owed(lane, new_first=window.is_scarce(trio.current_time()))
            if owed is None:
                continue
            window.take(trio.current_time())
            try:
                await self._deliver(owed)
            except TryLater as later:
                window.pause(trio.current_time() + later.seconds)
            except ChatMoved as moved:
                await self._move(lane, moved.lane)
            except Unavailable as error:
                self._troubles.tell(lane, str(error))
                await trio.sleep(next(backoff))
            else:
                self._troubles.tell(lane, None)
                backoff = Backoff()

    async def _deliver(self, owed: Owed) -> None:
        shown = Shown.model_validate_json(owed.body)
        try:
            place = await self._place(owed, shown)
        except Refused as error:
            raise Barred(f"no thread can be made: {error}") from error
        state = self._mind.state
        if owed.ref is None:
            await state.begin(owed.key)
        try:
            header = self._header(owed, place)
            ref = await self._platform.show(owed.lane, place, header, shown, owed.file, owed.ref, owed.is_doubtful)
        except MessageGone:
            await state.lost(owed.key)
            return
        except ThreadGone:
            await state.not_posted(owed.key)
            await self._forget_place(owed)
            return
        except Refused as error:
            log.error("a message was refused", bridge=self._platform.name, key=owed.key, why=str(error))
            await state.delivered(owed.key, owed.version, None)
            return
        except (TryLater, NotReached, Barred, ChatMoved):
            await state.not_posted(owed.key)
            raise
        await state.delivered(owed.key, owed.version, ref)

    async def _place(self, owed: Owed, shown: Shown) -> str | None:
        """The thread to show it in; made when the session has none yet."""
        if shown.place is not None or owed.session_id is None or not self._platform.has_threads:
            return shown.place
        session_id = owed.session_id
        thread = self._mind.thread(session_id)
        name = thread.name if thread else session_id
        known = self._mind.place(session_id)
        if known is not None and known.lane == owed.lane and known.place is not None:
            if known.name != name:
                await self._platform.rename_thread(known.lane, known.place, name)
                await self._remember(session_id, Place(lane=known.lane, place=known.place, name=name))
            return known.place
        made = await self._platform.open_thread(owed.lane, name)
        await self._remember(session_id, Place(lane=owed.lane, place=made, name=name))
        return made

    def _header(self, owed: Owed, place: str | None) -> str:
        if place is not None or owed.session_id is None:
            return ""
        thread = self._mind.thread(owed.session_id)
        return shortened(thread.name, HEADER_CHARACTERS) if thread else ""

    async def _forget_place(self, owed: Owed) -> None:
        """Somebody deleted the thread: the next delivery makes another. An answer in a foreign thread is dropped."""
        if owed.session_id is not None and self._mind.place(owed.session_id) is not None:
            log.info("a thread is gone and is made anew", bridge=self._platform.name, session=owed.session_id)
            await self._mind.commit(Change(remember={f"place/{owed.session_id}": None}))
        else:
            await self._mind.state.delivered(owed.key, owed.version, None)

    async def _close_threads(self) -> None:
        """Those of deleted sessions; once, for nothing depends on it."""
        for session_id, place in self._mind.closing():
            await self._mind.commit(Change(remember={f"closing/{session_id}": None}))
            try:
                await self._platform.close_thread(place.lane, place.place or "")
            except (Unavailable, Refused) as error:
                log.info("a thread stays open", session=session_id, why=str(error))

    async def _remember(self, session_id: str, place: Place) -> None:
        await self._mind.commit(Change(remember={f"place/{session_id}": place.model_dump(mode="json")}))

    async def _move(self, lane: str, new: str) -> None:
        change = Change()
        await self._mind.move(lane, new, change)
        await self._mind.commit(change)
        self._mind.ring()
