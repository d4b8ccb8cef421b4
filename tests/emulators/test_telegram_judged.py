"""The emulated Telegram, judged by the two best-known clients of the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import aiogram
import pytest
import telegram as ptb
import trio
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramBadRequest, TelegramMigrateToChat, TelegramRetryAfter
from telegram.error import BadRequest, ChatMigrated, InvalidToken, RetryAfter

from tests.emulators.telegram import Telegram
from tests.emulators.telegram_http import serve_telegram
from tests.emulators.telegram_people import Person

TOKEN = "123456789:" + "A" * 35
HTML = "<blockquote><b>bold</b> 🙂 <code>x &lt; y</code></blockquote>"


async def judged(scenario: Callable[[str], Coroutine[Any, Any, None]], telegram: Telegram) -> None:
    """Run an asyncio scenario against the emulator, in a thread of its own."""
    async with serve_telegram(telegram) as base:
        await trio.to_thread.run_sync(lambda: asyncio.run(scenario(base)))
    assert telegram.violations == []


@pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")
async def test_python_telegram_bot_is_content() -> None:
    server = Telegram(TOKEN)
    group, ada = server.forum(), Person(server, 11, "Ada", "ada")
    ada.say("/list@tether_test_bot", group)
    old = server.forum(-1009, "Old")
    old.moved_to = group.chat_id
    seen: dict[str, Any] = {}

    async def scenario(base: str) -> None:
        async with ptb.Bot(TOKEN, base_url=f"{base}/bot", base_file_url=f"{base}/file/bot") as bot:
            seen["me"] = bot.username
            await bot.set_my_commands([("list", "sessions")])
            updates = await bot.get_updates(timeout=1)
            seen["said"] = [update.effective_message.text for update in updates if update.effective_message]
            await bot.get_updates(offset=updates[-1].update_id + 1, timeout=0)
            topic = await bot.create_forum_topic(group.chat_id, "one")
            button = ptb.InlineKeyboardButton("Yes", callback_data="token")
            sent = await bot.send_message(
                group.chat_id,
                HTML,
                parse_mode="HTML",
                message_thread_id=topic.message_thread_id,
                reply_markup=ptb.InlineKeyboardMarkup([[button]]),
            )
            seen["text"], seen["entities"] = sent.text, [(e.type, e.offset, e.length) for e in sent.entities]
            trio.from_thread.run_sync(ada.tap, group.messages[sent.message_id], "Yes")
            (tapped,) = await bot.get_updates(timeout=5)
            assert tapped.callback_query is not None
            seen["data"] = tapped.callback_query.data
            await tapped.callback_query.answer("seen")
            edited = await bot.edit_message_text("done", group.chat_id, sent.message_id)
            assert isinstance(edited, ptb.Message)
            seen["edited"] = (edited.text, edited.reply_markup, edited.edit_date is not None)
            file = await bot.send_document(group.chat_id, document=b"x" * 1000, filename="a.md", caption="a file")
            assert file.document is not None
            seen["file"] = (file.document.file_name, file.document.file_size)
            await bot.edit_forum_topic(group.chat_id, topic.message_thread_id, name="two")
            await bot.close_forum_topic(group.chat_id, topic.message_thread_id)
            seen["forum"] = (await bot.get_chat(group.chat_id)).is_forum
            member = await bot.get_chat_member(group.chat_id, bot.id)
            seen["rights"] = isinstance(member, ptb.ChatMemberAdministrator) and member.can_manage_topics
            for name, call in {
                "long": lambda: bot.send_message(group.chat_id, "🙂" * 2049),
                "empty": lambda: bot.send_message(group.chat_id, " "),
                "tags": lambda: bot.send_message(group.chat_id, "<b>open", parse_mode="HTML"),
                "button": lambda: bot.send_message(
                    group.chat_id,
                    "x",
                    reply_markup=ptb.InlineKeyboardMarkup([[ptb.InlineKeyboardButton("x", callback_data="x" * 65)]]),
                ),
                "thread": lambda: bot.send_message(group.chat_id, "x", message_thread_id=1),
                "chat": lambda: bot.send_message(-5, "x"),
                "same": lambda: bot.edit_message_text("done", group.chat_id, sent.message_id),
            }.items():
                try:
                    await call()
                except BadRequest as error:
                    seen[name] = str(error)
            try:
                await bot.send_message(old.chat_id, "x")
            except ChatMigrated as error:
                seen["moved"] = error.new_chat_id
            try:
                for n in range(30):
                    await bot.send_message(group.chat_id, f"n{n}")
            except RetryAfter as error:
                seen["wait"] = error.retry_after
            server.is_revoked = True
            try:
                await bot.get_me()
            except InvalidToken:
                seen["revoked"] = True

    await judged(scenario, server)
    assert seen["me"] == "tether_test_bot" and seen["said"] == ["/list@tether_test_bot"]
    assert seen["text"] == "bold 🙂 x < y"
    assert seen["entities"] == [("bold", 0, 4), ("code", 8, 5), ("blockquote", 0, 13)]
    assert seen["data"] == "token" and seen["edited"] == ("done", None, True)
    assert seen["file"] == ("a.md", 1000) and seen["forum"] is True and seen["rights"] is True
    assert "too long" in seen["long"] and "empty" in seen["empty"] and "parse entities" in seen["tags"]
    assert "invalid" in seen["button"].casefold() and "thread not found" in seen["thread"]
    assert "chat not found" in seen["chat"].casefold() and "not modified" in seen["same"]
    assert seen["moved"] == group.chat_id and seen["revoked"] is True
    assert 0 < float(getattr(seen["wait"], "total_seconds", lambda: seen["wait"])()) <= 61


async def test_aiogram_is_content() -> None:
    server = Telegram(TOKEN)
    group, ada = server.forum(), Person(server, 11, "Ada", "ada")
    ada.say("hello", group)
    ada.photo(b"jpeg", "look", group)
    ada.forward("/stop", group)
    old = server.forum(-1009, "Old")
    old.moved_to = group.chat_id
    seen: dict[str, Any] = {}

    async def scenario(base: str) -> None:
        session = AiohttpSession(api=TelegramAPIServer.from_base(base))
        async with aiogram.Bot(TOKEN, session=session) as bot:
            seen["me"] = (await bot.me()).username
            updates = await bot.get_updates(timeout=1, allowed_updates=["message", "callback_query"])
            messages = [update.message for update in updates if update.message]
            seen["said"] = [message.text or message.caption for message in messages]
            seen["forwarded"] = messages[2].forward_origin is not None
            assert messages[1].photo is not None
            found = await bot.get_file(messages[1].photo[-1].file_id)
            data = await bot.download(found)
            seen["photo"] = data.read() if data else b""
            await bot.get_updates(offset=updates[-1].update_id + 1, timeout=0)
            topic = await bot.create_forum_topic(group.chat_id, "one")
            button = aiogram.types.InlineKeyboardButton(text="Yes", callback_data="token", style="success")
            sent = await bot.send_message(
                group.chat_id,
                HTML,
                parse_mode="HTML",
                message_thread_id=topic.message_thread_id,
                reply_markup=aiogram.types.InlineKeyboardMarkup(inline_keyboard=[[button]]),
            )
            seen["text"] = sent.text
            query = trio.from_thread.run_sync(ada.tap, group.messages[sent.message_id], "Yes")
            (tapped,) = await bot.get_updates(timeout=5)
            assert tapped.callback_query is not None
            await bot.answer_callback_query(tapped.callback_query.id, "seen")
            seen["answered"] = server.answered(query)
            document = aiogram.types.BufferedInputFile(b"x" * 1000, "a.md")
            file = await bot.send_document(group.chat_id, document)
            assert file.document is not None
            seen["file"] = (file.document.file_name, file.document.file_size)
            try:
                await bot.answer_callback_query(tapped.callback_query.id)
            except TelegramBadRequest as error:
                seen["late"] = error.message
            try:
                await bot.send_message(old.chat_id, "x")
            except TelegramMigrateToChat as error:
                seen["moved"] = error.migrate_to_chat_id
            try:
                for n in range(30):
                    await bot.send_message(group.chat_id, f"n{n}")
            except TelegramRetryAfter as error:
                seen["wait"] = error.retry_after

    await judged(scenario, server)
    assert seen["me"] == "tether_test_bot" and seen["said"] == ["hello", "look", "/stop"]
    assert seen["forwarded"] is True and seen["photo"] == b"jpeg"
    assert seen["text"] == "bold 🙂 x < y" and seen["answered"] is True and seen["file"] == ("a.md", 1000)
    assert "query is too old" in seen["late"] and seen["moved"] == group.chat_id and 0 < seen["wait"] <= 61
