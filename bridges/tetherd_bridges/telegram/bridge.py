"""The Telegram bridge: its settings, its life, its check."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import trio
from pydantic import SecretStr

from tetherd.backoff import Backoff
from tetherd.bridge import BridgeFinding, BridgePort, Setting
from tetherd.errors import Misconfigured, Rejected, Unavailable
from tetherd.logconfig import get_logger
from tetherd_bridges.conversation.words import COMMANDS
from tetherd_bridges.runner import run_bridge
from tetherd_bridges.telegram.client import TelegramClient
from tetherd_bridges.telegram.platform import GROUP_A_MINUTE, TelegramPlatform
from tetherd_bridges.troubles import Troubles
from tetherd_bridges.web import Web, open_web

API_BASE = "https://api.telegram.org"
RIGHTS = {"can_manage_topics": "Manage topics"}
"""What a bot must be allowed in its group, and what Telegram's apps call it."""

HAS_TOPICS = "the group has topics"

log = get_logger(__name__)


def _token(value: str) -> SecretStr:
    if not re.fullmatch(r"[0-9]{5,15}:[A-Za-z0-9_-]{30,60}", value):
        raise ValueError("a bot's token as @BotFather gives it: digits, a colon, letters and digits")
    return SecretStr(value)


def _group(value: str) -> str:
    if not re.fullmatch(r"-[0-9]{5,20}", value):
        raise ValueError("the id of a group, such as -1001234567890")
    return value


def _users(value: str) -> tuple[str, ...]:
    users = tuple(part for part in re.split(r"[,\s]+", value.strip(", \t")) if part)
    if not users or not all(re.fullmatch(r"[0-9]{1,20}", user) for user in users):
        raise ValueError("ids of people, which are numbers, separated by commas")
    return users


def _count(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", value) or not 1 <= int(value) <= 1800:
        raise ValueError("a number from 1 to 1800")
    return int(value)


def _base(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s?#]+", value):
        raise ValueError("an address that begins with https:// or http://")
    return value.rstrip("/")


SETTINGS = (
    Setting(
        "TELEGRAM_BOT_TOKEN",
        "token",
        "secret",
        "",
        "The token of your Telegram bot, from @BotFather. With it the Telegram bridge is on.",
        _token,
        guarded=True,
        secret=True,
    ),
    Setting(
        "TELEGRAM_FORUM_GROUP_ID",
        "group",
        "group id",
        "",
        "The group whose topics are the sessions. Without it the bot talks to one person in private.",
        _group,
        guarded=True,
    ),
    Setting(
        "TELEGRAM_ALLOWED_USER_IDS",
        "users",
        "user ids",
        "",
        "Who may give commands, by their numbers. Others come in by `tetherctl bridges pair telegram` alone.",
        _users,
        guarded=True,
    ),
    Setting(
        "TELEGRAM_GROUP_MESSAGES_PER_MINUTE",
        "group_a_minute",
        "number",
        str(GROUP_A_MINUTE),
        "How many messages and changes of messages the group gets in a minute at most. Telegram takes about 20.",
        _count,
    ),
    Setting(
        "TELEGRAM_API_BASE",
        "base",
        "address",
        API_BASE,
        "Where the Bot API is: for a server of your own, or a proxy.",
        _base,
        guarded=True,
    ),
)

Connect = Callable[[], AbstractAsyncContextManager[Web]]


class TelegramBridge:
    """See bridge.Bridge. `connect` opens the network; tests give another one."""

    name = "telegram"
    settings: Sequence[Setting] = SETTINGS
    required: Sequence[str] = ("token",)

    def __init__(self, connect: Connect = open_web) -> None:
        self._connect = connect
        self._failures: Counter[str] = Counter()

    async def run(self, port: BridgePort) -> None:
        settings = port.settings
        users: tuple[str, ...] = settings.get("users", ())
        async with self._connect() as web:
            client, troubles = _client(web, settings), Troubles(port.report)
            me = await _greet(client, troubles)
            home = settings.get("group") or (users[0] if users else "")
            has_threads = me.get("has_topics_enabled") is True
            if settings.get("group"):
                missing = [one for one in await _look_at_group(client, home, me["id"]) if not one.ok]
                for finding in missing:
                    log.warning("something is missing", bridge=self.name, what=finding.what, advice=finding.advice)
                has_threads = HAS_TOPICS not in [finding.what for finding in missing]
            pace = settings.get("group_a_minute", GROUP_A_MINUTE)
            platform = TelegramPlatform(client, str(me.get("username", "")).lower(), has_threads, troubles, pace)
            await run_bridge(port, platform, troubles, home, users, self._failures)

    async def check(self, port: BridgePort) -> Sequence[BridgeFinding]:
        settings = port.settings
        findings = []
        async with self._connect() as web:
            client = _client(web, settings)
            try:
                me = await client.call("getMe")
            except (Misconfigured, Unavailable, Rejected) as error:
                return [BridgeFinding("Telegram knows the token", ok=False, advice=str(error))]
            findings.append(BridgeFinding(f"Telegram knows the token: it is @{me.get('username')}", ok=True))
            if group := settings.get("group"):
                findings += await _look_at_group(client, group, me["id"])
            people = (*settings.get("users", ()), *_paired(await port.state.recall()))
            advice = "set TELEGRAM_ALLOWED_USER_IDS, or: tetherctl bridges pair telegram"
            findings.append(BridgeFinding(f"{len(people)} people may give commands", bool(people), advice))
            where = "set TETHER_CHAT_DIRECTORIES"
            findings.append(BridgeFinding("/new has directories to start in", bool(port.directories), where))
        return findings


async def _greet(client: TelegramClient, troubles: Troubles) -> dict[str, Any]:
    """Say hello until Telegram answers: who we are. Raises Misconfigured when it does not know us."""
    backoff = Backoff()
    while True:
        try:
            me: dict[str, Any] = await client.call("getMe")
            await client.call("deleteWebhook")
            await client.call("setMyCommands", {"commands": _menu()})
        except Unavailable as error:
            troubles.tell("start", f"Telegram cannot be reached: {error}")
            await trio.sleep(next(backoff))
        else:
            troubles.tell("start", None)
            return me


async def _look_at_group(client: TelegramClient, group: str, bot_id: int) -> list[BridgeFinding]:
    """Is the group there, has it topics, and may we make some?"""
    try:
        chat = await client.call("getChat", {"chat_id": int(group)})
        member = await client.call("getChatMember", {"chat_id": int(group), "user_id": bot_id})
    except (Unavailable, Rejected) as error:
        advice = f"add the bot to the group, and look at TELEGRAM_FORUM_GROUP_ID ({error})"
        return [BridgeFinding("the group is there", ok=False, advice=advice)]
    is_admin = member.get("status") == "administrator"
    rights = [
        BridgeFinding(
            f"the bot may: {words}", is_admin and member.get(right) is True, f"make it an admin with: {words}"
        )
        for right, words in RIGHTS.items()
    ]
    forum = BridgeFinding(HAS_TOPICS, chat.get("is_forum") is True, "turn on Topics in its settings")
    return [BridgeFinding("the group is there", ok=True), forum, *rights]


def _client(web: Web, settings: Mapping[str, Any]) -> TelegramClient:
    return TelegramClient(web, settings.get("base", API_BASE), settings["token"].get_secret_value())


def _menu() -> list[dict[str, str]]:
    return [{"command": name, "description": about} for name, about in COMMANDS.items()]


def _paired(memory: Mapping[str, Any]) -> tuple[str, ...]:
    paired = memory.get("paired")
    return tuple(paired) if isinstance(paired, dict) else ()
