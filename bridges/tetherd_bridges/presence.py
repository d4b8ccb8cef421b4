"""Shows in the threads of running sessions that something is going on."""

from __future__ import annotations

import trio

from tetherd_bridges.mind import Mind
from tetherd_bridges.platform import Platform

EVERY_SECONDS = 4.5
"""Telegram shows it for 5 s, Discord for 10."""
SESSIONS = 5
"""More of them at once would be many calls for little."""


async def show_typing(mind: Mind, platform: Platform) -> None:
    """Until cancelled."""
    while True:
        await trio.sleep(EVERY_SECONDS)
        for session_id in mind.running()[-SESSIONS:]:
            place = mind.place(session_id)
            if place is not None or not platform.has_threads:
                await platform.typing(place.lane if place else mind.home, place.place if place else None)
