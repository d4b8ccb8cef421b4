"""The emulated Telegram in a thread of its own, for daemons that are real."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio

from tests.e2e.daemon import Daemon, until
from tests.emulators.telegram import Chat, Message, Telegram
from tests.emulators.telegram_http import serve_telegram
from tests.emulators.telegram_people import Person

TOKEN = "123456789:" + "A" * 35
ADA, BOB = 11, 12

T = TypeVar("T")


class LiveTelegram:
    """Ada and Bob in a group with topics. All looks and deeds happen in the server's thread, one after the other."""

    def __init__(self, server: Telegram, base: str, token: trio.lowlevel.TrioToken) -> None:
        self.server = server
        self.base = base
        self.group: Chat = server.forum()
        self.ada = Person(server, ADA, "Ada", "ada")
        self.bob = Person(server, BOB, "Bob")
        self._token = token

    def do(self, deed: Callable[[], T]) -> T:
        return trio.from_thread.run_sync(deed, trio_token=self._token)

    def set_up(self, daemon: Daemon) -> None:
        """The settings of a daemon that shall use it."""
        daemon.environ |= {
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_FORUM_GROUP_ID": str(self.group.chat_id),
            "TELEGRAM_ALLOWED_USER_IDS": f"{ADA},{BOB}",
            "TELEGRAM_API_BASE": self.base,
            "TELEGRAM_GROUP_MESSAGES_PER_MINUTE": "1800",
            "TETHER_CHAT_DIRECTORIES": str(daemon.home / "work"),
        }
        (daemon.home / "work").mkdir(exist_ok=True)

    def texts(self) -> list[str]:
        """What the bot shows, in the order in which it was posted."""
        return self.do(lambda: [one.text for one in self.group.messages.values() if one.sender["is_bot"]])

    def wait_for(self, look: Callable[[Message], bool], what: str) -> Message:
        """The newest message of the bot that looks so."""

        def find() -> Message | None:
            found = [one for one in self.group.messages.values() if one.sender["is_bot"] and look(one)]
            return found[-1] if found else None

        return until(lambda: self.do(find), what)

    def wait_for_text(self, text: str) -> Message:
        return self.wait_for(lambda one: text in one.text, f"{text!r}")

    def wait_for_question(self, text: str = "") -> Message:
        return self.wait_for(lambda one: bool(one.keyboard) and text in one.text, f"a question about {text!r}")


@contextmanager
def live_telegram() -> Iterator[LiveTelegram]:
    """Serves until the context ends."""
    ready, made = threading.Event(), list[LiveTelegram]()
    stop: list[Callable[[], None]] = []

    async def serve() -> None:
        server = Telegram(TOKEN, limits=False)
        async with serve_telegram(server) as base:
            with trio.CancelScope() as scope:
                stop.append(scope.cancel)
                made.append(LiveTelegram(server, base, trio.lowlevel.current_trio_token()))
                ready.set()
                await trio.sleep_forever()

    thread = threading.Thread(target=trio.run, args=(serve,), daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield made[0]
    finally:
        made[0].do(stop[0])
        thread.join(30)
        assert made[0].server.violations == []
