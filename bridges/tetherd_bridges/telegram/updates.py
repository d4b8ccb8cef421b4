"""Reads a Telegram Update. Pure; never fails, whatever an update holds."""

from __future__ import annotations

import re
from typing import Any

from tetherd_bridges.conversation.incoming import Attached, Ignored, Incoming, Moved, Said, Tapped, Where, Who

ANONYMOUS_ADMIN = 1087968824
"""GroupAnonymousBot: an admin who hides; nobody knows who it is."""
ALLOWED = ("message", "callback_query", "my_chat_member")
NAME_CHARACTERS = 128

Json = dict[str, Any]


def read_update(update: Any, bot_name: str) -> Incoming:
    """What an update means. `bot_name`: ours, in lower case; commands to other bots are not for us."""
    if not isinstance(update, dict) or not isinstance(update.get("update_id"), int):
        return Ignored(key="u?", why="not an update")
    key = f"u{update['update_id']}"
    message, query = update.get("message"), update.get("callback_query")
    if isinstance(message, dict):
        return _message(key, message, bot_name)
    if isinstance(query, dict):
        return _query(key, query)
    return Ignored(key=key)


def _message(key: str, message: Json, bot_name: str) -> Incoming:
    chat = _dict(message, "chat")
    if isinstance(chat.get("id"), int) and isinstance(message.get("migrate_to_chat_id"), int):
        return Moved(key=key, old=str(chat["id"]), new=str(message["migrate_to_chat_id"]))
    who, where = _who(message.get("from")), _where(message)
    if who is None or where is None or "sender_chat" in message or "via_bot" in message:
        return Ignored(key=key, why="not from a person who can be known")
    text = message.get("text") or message.get("caption") or ""
    files = tuple(_files(message))
    if not isinstance(text, str) or not (text or files) or not isinstance(message.get("message_id"), int):
        return Ignored(key=key, why="nothing that we read")
    word = text.split(None, 1)[0] if text.split() else ""
    if word.startswith("/") and "@" in word and word.partition("@")[2].lower() != bot_name:
        return Ignored(key=key, why="for another bot")
    return Said(
        key=key,
        who=who,
        where=where,
        text=_clean(text),
        ref=str(message["message_id"]),
        replies_to=_reply(message),
        is_passed_on="forward_origin" in message or "forward_date" in message,
        files=files,
        album=_text(message, "media_group_id"),
    )


def _query(key: str, query: Json) -> Incoming:
    who = _who(query.get("from"))
    message = _dict(query, "message")
    where = _where(message)
    query_id, data = query.get("id"), query.get("data")
    if who is None or where is None or not isinstance(query_id, str) or not isinstance(data, str):
        return Ignored(key=key, why="a button that says nothing")
    ref = message.get("message_id")
    return Tapped(
        key=key,
        who=who,
        where=where,
        token=data[:64],
        query=query_id,
        ref=str(ref) if isinstance(ref, int) and ref else None,
    )


def _who(sender: Any) -> Who | None:
    if not isinstance(sender, dict) or not isinstance(sender.get("id"), int):
        return None
    if sender.get("is_bot") is not False or sender["id"] == ANONYMOUS_ADMIN:
        return None
    username = _text(sender, "username")
    full = " ".join(part for part in (_text(sender, "first_name"), _text(sender, "last_name")) if part)
    return Who(str(sender["id"]), _clean(f"@{username}" if username else full)[:NAME_CHARACTERS])


def _where(message: Json) -> Where | None:
    chat = _dict(message, "chat")
    if not isinstance(chat.get("id"), int) or chat.get("type") not in ("private", "group", "supergroup"):
        return None
    thread = message.get("message_thread_id")
    # plain replies set a thread id as well; only topics say that they are (docs, Message)
    place = str(thread) if message.get("is_topic_message") is True and isinstance(thread, int) else None
    return Where(str(chat["id"]), place, chat["type"] == "private")


def _reply(message: Json) -> str | None:
    """The message that a person replied to. In a topic every message hangs on the topic's first one: that is none."""
    reply = _dict(message, "reply_to_message")
    ref = reply.get("message_id")
    if not isinstance(ref, int) or ref == message.get("message_thread_id") or "forum_topic_created" in reply:
        return None
    return str(ref)


def _files(message: Json) -> list[Attached]:
    photos = message.get("photo")
    found = []
    if isinstance(photos, list) and photos and isinstance(photos[-1], dict):
        found.append((photos[-1], "photo.jpg"))  # sizes ascend
    for kind, name in (("document", "file"), ("voice", "voice.ogg"), ("audio", "audio"), ("video", "video.mp4")):
        if isinstance(message.get(kind), dict):
            found.append((message[kind], name))
    return [
        Attached(
            file["file_id"],
            _text(file, "file_name") or name,
            file["file_size"] if isinstance(file.get("file_size"), int) else None,
        )
        for file, name in found
        if isinstance(file.get("file_id"), str)
    ]


def _clean(text: str) -> str:
    """Without what no log and no argument vector can carry: NUL and halves of surrogate pairs."""
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", text)


def _dict(holder: Json, key: str) -> Json:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _text(holder: Json, key: str) -> str | None:
    value = holder.get(key)
    return value if isinstance(value, str) else None
