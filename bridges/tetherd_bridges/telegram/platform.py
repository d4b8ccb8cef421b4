"""Telegram as the shared loops want it: topics, messages, taps, files."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from tetherd.errors import Unavailable
from tetherd.logconfig import get_logger
from tetherd_bridges.conversation.incoming import Incoming, Said
from tetherd_bridges.conversation.messages import Shown
from tetherd_bridges.platform import Refused
from tetherd_bridges.ratelimit import Window
from tetherd_bridges.richtext import plain
from tetherd_bridges.telegram.client import NotModified, TelegramClient, Unparsable
from tetherd_bridges.telegram.polling import Polling
from tetherd_bridges.telegram.render import CAPTION_UNITS, as_html, fitting, keyboard, text_of, topic_name
from tetherd_bridges.troubles import Troubles

# About 20 a minute in a group and 1 a second in private; edits and new topics count as well (docs, FAQ; TDLib, issue
# 2592).
GROUP_A_MINUTE = 18
GROUP_GAP_SECONDS = 0.5
PRIVATE_A_MINUTE = 55
PRIVATE_GAP_SECONDS = 1.0
TOAST_CHARACTERS = 200
FILES = 10

log = get_logger(__name__)


class TelegramPlatform:
    """See platform.Platform. `has_threads`: the home chat has topics."""

    name = "telegram"

    def __init__(
        self,
        client: TelegramClient,
        bot_name: str,
        has_threads: bool,
        troubles: Troubles,
        group_a_minute: int = GROUP_A_MINUTE,
    ) -> None:
        self.has_threads = has_threads
        self._client = client
        self._bot_name = bot_name
        self._troubles = troubles
        self._group_a_minute = group_a_minute
        self._windows: dict[str, Window] = {}

    @asynccontextmanager
    async def incoming(self) -> AsyncIterator[AsyncIterator[Sequence[Incoming]]]:
        yield Polling(self._client, self._bot_name, self._troubles)

    def window(self, lane: str) -> Window:
        if lane not in self._windows:
            allowed, gap = PRIVATE_A_MINUTE, PRIVATE_GAP_SECONDS
            if lane.startswith("-"):
                allowed, gap = self._group_a_minute, min(GROUP_GAP_SECONDS, 60.0 / self._group_a_minute)
            self._windows[lane] = Window(allowed, 60.0, gap)
        return self._windows[lane]

    # -- messages ------------------------------------------------------------------------------------------------

    async def show(
        self,
        lane: str,
        place: str | None,
        header: str,
        shown: Shown,
        file: bytes | None,
        ref: str | None,
        is_doubtful: bool,
    ) -> str:
        runs = text_of(shown, header, is_doubtful)
        fields: dict[str, Any] = {"chat_id": int(lane)}
        document: tuple[str, str, bytes] | None = None
        method, words = "sendMessage", "text"
        if ref is not None:
            method = "editMessageText"
            fields |= {"message_id": int(ref), "reply_markup": keyboard(shown) or {"inline_keyboard": []}}
        else:
            fields |= {"disable_notification": not shown.loud, "reply_markup": keyboard(shown)}
            fields |= {"message_thread_id": int(place)} if place else {}
            if file is not None:
                method, words = "sendDocument", "caption"
                document = ("document", shown.file_name or "file.txt", file)
                runs = fitting(runs, CAPTION_UNITS)
        if document is None:
            fields["link_preview_options"] = {"is_disabled": True}
        try:
            sent = await self._client.call(
                method, {**fields, words: as_html(runs), "parse_mode": "HTML"}, file=document
            )
        except NotModified:
            return ref or ""
        except Unparsable as error:
            # our HTML is made to be understood: if it is not, the words still matter more than their looks
            log.error("Telegram does not understand our formatting", why=str(error))
            sent = await self._client.call(method, {**fields, words: plain(runs)}, file=document)
        return _message_id(sent) or ref or ""

    async def typing(self, lane: str, place: str | None) -> None:
        try:
            thread = int(place) if place else None
            fields = {"chat_id": int(lane), "message_thread_id": thread, "action": "typing"}
            await self._client.call("sendChatAction", fields)
        except (Refused, Unavailable) as error:
            log.debug("typing was not shown", why=str(error))

    async def toast(self, query: str, text: str) -> None:
        """Stops the little clock on the button. Too late is no matter: the decision stands."""
        try:
            await self._client.call(
                "answerCallbackQuery", {"callback_query_id": query, "text": text[:TOAST_CHARACTERS] or None}
            )
        except (Refused, Unavailable) as error:
            log.debug("a tap was not answered", why=str(error))

    # -- topics --------------------------------------------------------------------------------------------------

    async def open_thread(self, lane: str, name: str) -> str:
        window = self.window(lane)
        made = await self._client.call("createForumTopic", {"chat_id": int(lane), "name": topic_name(name)})
        window.take(trio.current_time())  # it counts like a message
        thread = made.get("message_thread_id") if isinstance(made, dict) else None
        if not isinstance(thread, int):
            raise Refused("Telegram made a topic and did not say which")
        return str(thread)

    async def rename_thread(self, lane: str, place: str, name: str) -> None:
        await self._quietly("editForumTopic", lane, place, name=topic_name(name))

    async def close_thread(self, lane: str, place: str) -> None:
        await self._quietly("closeForumTopic", lane, place)

    async def _quietly(self, method: str, lane: str, place: str, **fields: Any) -> None:
        """What is like that already is as good as done."""
        try:
            await self._client.call(method, {"chat_id": int(lane), "message_thread_id": int(place), **fields})
        except Refused as error:
            log.debug("a topic was not changed", why=str(error))

    def link(self, lane: str, place: str) -> str | None:
        return f"https://t.me/c/{lane.removeprefix('-100')}/{place}" if lane.startswith("-100") else None

    # -- files ---------------------------------------------------------------------------------------------------

    async def fetch(self, said: Said, folder: Path) -> list[Path]:
        found = []
        await trio.Path(folder).mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(said.files[:FILES], 1):
            name = re.sub(r"[^A-Za-z0-9._-]+", "_", file.name).lstrip(".")[-80:] or "file"
            path = folder / f"{said.key}-{number}-{name}"
            await trio.Path(path).write_bytes(await self._client.download(file.file_id))
            found.append(path)
        return found


def _message_id(sent: Any) -> str | None:
    message_id = sent.get("message_id") if isinstance(sent, dict) else None
    return str(message_id) if isinstance(message_id, int) else None
