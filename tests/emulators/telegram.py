"""A Telegram of one's own: bots, people, groups with topics, updates.

It keeps what it is told, refuses what the real one refuses in the same words, and judges every request and every
answer of its own by the published schema (telegram_schema). It shares no code with the bridge. Sources of limits and
texts: Telegram's Bot API documentation and the Bot API server's source.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import trio

from tests.emulators import telegram_html as markup
from tests.emulators.telegram_schema import Invalid, Json, Upload, check, check_answer, read_request, spec

DAY_SECONDS = 86_400.0
BEGUN = 1_764_000_000
"""Unix time at which its clock stands at the start."""
GROUP_LIMIT = 20
MINUTE = 60.0
QUERY_SECONDS = 900.0
ADMIN_RIGHTS = (
    "can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages", "can_manage_video_chats",
    "can_restrict_members", "can_promote_members", "can_change_info", "can_invite_users", "can_post_stories",
    "can_edit_stories", "can_delete_stories", "can_pin_messages", "can_manage_topics",
)  # fmt: skip


class Refusal(Exception):
    """An answer that is not ok."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


@dataclass
class Message:
    """A message as the chat shows it now."""

    message_id: int
    chat: Chat
    sender: Json
    text: str
    thread: int | None = None
    entities: list[Json] = field(default_factory=list)
    keyboard: list[list[Json]] = field(default_factory=list)
    file: Upload | None = None
    is_silent: bool = False
    asks: bool = False
    date: int = 0
    edits: int = 0
    more: Json = field(default_factory=dict)

    def labels(self) -> list[str]:
        return [button["text"] for row in self.keyboard for button in row]

    def quoted(self) -> str:
        """What stands in blockquotes: an agent's words."""
        data = self.text.encode("utf-16-le")
        spans = [one for one in self.entities if one["type"] == "blockquote"]
        return "\n".join(data[s["offset"] * 2 : (s["offset"] + s["length"]) * 2].decode("utf-16-le") for s in spans)

    def as_json(self, *, with_chat: bool = True) -> Json:
        body: Json = {
            "message_id": self.message_id,
            "date": self.date,
            "chat": self.chat.as_json(),
            "from": self.sender,
        }
        if self.thread is not None:
            body |= {"message_thread_id": self.thread, "is_topic_message": True}
        words = "caption" if self.file is not None else "text"
        if self.text:
            body[words] = self.text
        if self.entities:
            body["caption_entities" if self.file is not None else "entities"] = self.entities
        if self.keyboard:
            body["reply_markup"] = {"inline_keyboard": self.keyboard}
        if self.file is not None:
            name, size = self.file.name, len(self.file.data)
            body["document"] = {
                "file_id": f"f{self.message_id}",
                "file_unique_id": "u",
                "file_name": name,
                "file_size": size,
            }
        if self.edits:
            body["edit_date"] = self.date
        return body | self.more


@dataclass
class Topic:
    name: str
    is_closed: bool = False
    is_deleted: bool = False


@dataclass
class Chat:
    chat_id: int
    type: Literal["private", "group", "supergroup"]
    title: str
    is_forum: bool = False
    topics: dict[int, Topic] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    bot_status: Literal["administrator", "member", "kicked"] = "administrator"
    bot_rights: set[str] = field(
        default_factory=lambda: {"can_manage_topics", "can_delete_messages", "can_pin_messages"}
    )
    moved_to: int | None = None
    sent_at: deque[float] = field(default_factory=deque)

    def as_json(self) -> Json:
        if self.type == "private":
            return {"id": self.chat_id, "type": "private", "first_name": self.title}
        body: Json = {"id": self.chat_id, "type": self.type, "title": self.title}
        return body | ({"is_forum": True} if self.is_forum else {})

    def in_topic(self, name: str) -> list[Message]:
        """The messages of the newest topic of that name."""
        thread = max((n for n, topic in self.topics.items() if topic.name == name), default=0)
        return [one for one in self.messages.values() if one.thread == thread]


@dataclass
class Call:
    """One request, as the journal keeps it. `error` is what it was refused with."""

    at: float
    method: str
    given: Json
    error: str | None = None


class Telegram:
    """One server with one bot. `now` in seconds; `limits` False lets everybody send as fast as they like."""

    def __init__(self, token: str, now: Callable[[], float] = trio.current_time, *, limits: bool = True) -> None:
        self.token = token
        self.limits = limits
        self.journal: list[Call] = []
        self.violations: list[str] = []
        self.judges_itself = True
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, bytes] = {}
        self.commands: list[Json] = []
        self.is_revoked = False
        self.private_topics = False
        self.faults: dict[str, deque[Refusal | str]] = {}
        """By method: what happens to its next calls. "lost": done, but the answer never arrives; "unreached"."""
        self.bot: Json = {"id": 4711, "is_bot": True, "first_name": "Tether", "username": "tether_test_bot"}
        self._now = now
        self._begun = now()
        self._numbers = itertools.count(1000)
        self._updates: deque[tuple[float, Json]] = deque()
        self._update_ids = itertools.count(77_000_000)
        self._queries: dict[str, tuple[float, bool]] = {}
        self._allowed: list[str] | None = None
        self._grown = trio.Event()
        self._poller: trio.Event | None = None
        self.webhook = ""

    # -- the world ---------------------------------------------------------------------------------------------------

    def forum(self, chat_id: int = -1001234567890, title: str = "Agents") -> Chat:
        return self.chats.setdefault(chat_id, Chat(chat_id, "supergroup", title, is_forum=True))

    def private(self, user_id: int, name: str = "Ada") -> Chat:
        return self.chats.setdefault(user_id, Chat(user_id, "private", name))

    def put(self, **update: Any) -> int:
        """Something for the bot to hear of; its update id."""
        number = next(self._update_ids)
        body: Json = {"update_id": number, **update}
        try:
            check(body, ["Update"], "update")
        except Invalid as error:
            self.violations.append(str(error))
        self._updates.append((self._now(), body))
        self._ring()
        return number

    def put_odd(self, update: Json) -> None:
        """An update that is not what the schema says."""
        self._updates.append((self._now(), {"update_id": next(self._update_ids), **update}))
        self._ring()

    def repeat(self, update: Json) -> None:
        """Deliver an update again, as it happens when a confirmation is lost."""
        self._updates.append((self._now(), update))
        self._ring()

    @property
    def unconfirmed(self) -> list[Json]:
        return [update for _, update in self._updates]

    def query(self, person: Json, message: Message | None, data: str) -> str:
        """A tap on a button."""
        query_id = str(next(self._numbers))
        self._queries[query_id] = (self._now(), False)
        body: Json = {"id": query_id, "from": person, "chat_instance": "c", "data": data}
        if message is not None:
            body["message"] = message.as_json()
        self.put(callback_query=body)
        return query_id

    def message_in(self, chat: Chat, sender: Json, text: str, thread: int | None = None, **more: Any) -> Message:
        """A message of a person, as the bot would get it."""
        message = Message(next(self._numbers), chat, sender, text, thread, date=self.time, more=more)
        chat.messages[message.message_id] = message
        return message

    def answered(self, query_id: str) -> bool:
        return self._queries[query_id][1]

    def calls(self, *methods: str) -> list[Call]:
        return [call for call in self.journal if call.method in methods and call.error is None]

    @property
    def time(self) -> int:
        return BEGUN + int(self._now() - self._begun)

    def _ring(self) -> None:
        grown, self._grown = self._grown, trio.Event()
        grown.set()

    # -- requests ----------------------------------------------------------------------------------------------------

    async def call(self, token: str, method: str, given: Json, *, is_form: bool) -> tuple[int, Json] | None:
        """The answer and its status; None when it gets lost on its way."""
        entry = Call(self._now(), method, given)
        self.journal.append(entry)
        try:
            if token != self.token or self.is_revoked:
                raise Refusal(401, "Unauthorized")
            if method not in spec()["methods"]:
                raise Refusal(404, "Not Found: method not found")
            fault = self._fault(method)
            if isinstance(fault, Refusal):
                raise fault
            if fault == "unreached":
                entry.error = fault
                return None
            result = await self._result(method, given, is_form)
            if fault == "lost":
                return None
        except Refusal as error:
            entry.error = error.description
            body: Json = {"ok": False, "error_code": error.code, "description": error.description}
            return error.code, body | ({"parameters": error.parameters} if error.parameters else {})
        return 200, {"ok": True, "result": result}

    def _fault(self, method: str) -> Refusal | str | None:
        waiting = self.faults.get(method)
        return waiting.popleft() if waiting else None

    async def _result(self, method: str, given: Json, is_form: bool) -> Any:
        try:
            fields = read_request(method, given, is_form=is_form)
        except Invalid as error:
            raise Refusal(400, f"Bad Request: {error}") from None
        act = getattr(self, f"_{method}", None)
        if act is None:
            raise Refusal(501, f"the emulator does not know {method} yet")
        result = await act(fields) if method == "getUpdates" else act(fields)
        try:
            if self.judges_itself:
                check_answer(method, result)
        except Invalid as error:
            self.violations.append(f"our own answer: {error}")
        return result

    # -- updates -----------------------------------------------------------------------------------------------------

    async def _getUpdates(self, fields: Json) -> list[Json]:
        if self.webhook:
            raise Refusal(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook first")
        if self._poller is not None:
            self._poller.set()  # the older request is the one that is turned away
        mine = self._poller = trio.Event()
        offset = fields.get("offset")
        if "allowed_updates" in fields:
            self._allowed = fields["allowed_updates"]
        limit = max(1, min(100, fields.get("limit", 100)))
        deadline = self._now() + max(0, min(50, fields.get("timeout", 0)))
        if offset is not None and offset > 0:
            while self._updates and self._updates[0][1]["update_id"] < offset:
                self._updates.popleft()
        while True:
            grown = self._grown
            while self._updates and self._updates[0][0] < self._now() - DAY_SECONDS:
                self._updates.popleft()
            found = [one for _, one in self._updates if self._allowed is None or set(self._allowed) & set(one)]
            left = deadline - self._now()
            if found or left <= 0:
                if self._poller is mine:
                    self._poller = None
                return found[:limit]
            with trio.move_on_after(left):
                async with trio.open_nursery() as nursery:
                    for event in (grown, mine):
                        nursery.start_soon(_wait_then_cancel, event, nursery.cancel_scope)
            if mine.is_set():
                text = "terminated by other getUpdates request; make sure that only one bot instance is running"
                raise Refusal(409, f"Conflict: {text}")

    def _deleteWebhook(self, fields: Json) -> bool:
        self.webhook = ""
        return True

    # -- messages ----------------------------------------------------------------------------------------------------

    def _sendMessage(self, fields: Json) -> Json:
        text, entities = self._text(fields, "text", 4096)
        if not text.strip():
            raise Refusal(400, "Bad Request: message text is empty")
        message = self._post(fields, text, entities)
        return message.as_json()

    def _sendDocument(self, fields: Json) -> Json:
        text, entities = self._text(fields, "caption", 1024)
        upload = fields["document"]
        if not isinstance(upload, Upload) or not upload.data:
            raise Refusal(400, "Bad Request: file must be non-empty")
        message = self._post(fields, text, entities)
        message.file = upload
        return message.as_json()

    def _post(self, fields: Json, text: str, entities: list[Json]) -> Message:
        chat = self._chat(fields["chat_id"])
        thread = self._thread(chat, fields.get("message_thread_id"))
        reply = fields.get("reply_markup", {})
        keyboard = self._keyboard(reply)
        self._spend(chat)
        message = Message(next(self._numbers), chat, self.bot, text, thread, entities, keyboard, date=self.time)
        message.is_silent = fields.get("disable_notification", False)
        message.asks = reply.get("force_reply", False)
        chat.messages[message.message_id] = message
        return message

    def _editMessageText(self, fields: Json) -> Json:
        chat = self._chat(fields.get("chat_id", 0))
        text, entities = self._text(fields, "text", 4096)
        keyboard = self._keyboard(fields.get("reply_markup", {}))
        message = chat.messages.get(fields.get("message_id", 0))
        if message is None:
            raise Refusal(400, "Bad Request: message to edit not found")
        if message.sender is not self.bot or message.file is not None:
            raise Refusal(400, "Bad Request: message can't be edited")
        if (message.text, message.entities, message.keyboard) == (text, entities, keyboard):
            same = "specified new message content and reply markup are exactly the same as a current content and reply markup"
            raise Refusal(400, f"Bad Request: message is not modified: {same} of the message")
        self._spend(chat)
        message.text, message.entities, message.keyboard = text, entities, keyboard
        message.edits += 1
        return message.as_json()

    def _text(self, fields: Json, name: str, limit: int) -> tuple[str, list[Json]]:
        text, entities = fields.get(name, ""), fields.get("entities", [])
        if "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
            raise Refusal(400, "Bad Request: strings must be encoded in UTF-8")
        if fields.get("parse_mode") == "HTML":
            try:
                text, entities = markup.parse(text)
            except markup.Unparsable as error:
                raise Refusal(400, f"Bad Request: {error}") from None
        elif "parse_mode" in fields:
            raise Refusal(400, "Bad Request: unsupported parse_mode")
        if markup.units(text) > limit:
            raise Refusal(400, f"Bad Request: message {'caption ' if limit < 4096 else ''}is too long")
        if len(entities) > markup.ENTITIES:
            self.violations.append(f"{len(entities)} entities: some would be dropped")
        return text, entities

    def _keyboard(self, reply_markup: Json) -> list[list[Json]]:
        rows: list[list[Json]] = reply_markup.get("inline_keyboard", [])
        for button in itertools.chain.from_iterable(rows):
            if not button["text"].strip():
                raise Refusal(400, "Bad Request: text buttons are unallowed in the inline keyboard")
            if not 1 <= len(button.get("callback_data", "").encode()) <= 64:
                raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
        return rows

    def _deleteMessage(self, fields: Json) -> bool:
        if self._chat(fields["chat_id"]).messages.pop(fields["message_id"], None) is None:
            raise Refusal(400, "Bad Request: message to delete not found")
        return True

    def _answerCallbackQuery(self, fields: Json) -> bool:
        if len(fields.get("text", "")) > 200:
            raise Refusal(400, "Bad Request: MESSAGE_TOO_LONG")
        asked = self._queries.get(fields["callback_query_id"])
        if asked is None or asked[1] or asked[0] < self._now() - QUERY_SECONDS:
            raise Refusal(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self._queries[fields["callback_query_id"]] = (asked[0], True)
        return True

    def _sendChatAction(self, fields: Json) -> bool:
        self._thread(self._chat(fields["chat_id"]), fields.get("message_thread_id"))
        return True

    # -- chats -------------------------------------------------------------------------------------------------------

    def _chat(self, chat_id: int | str) -> Chat:
        chat = self.chats.get(int(chat_id))
        if chat is None:
            raise Refusal(400, "Bad Request: chat not found")
        if chat.moved_to is not None:
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            raise Refusal(400, text, migrate_to_chat_id=chat.moved_to)
        if chat.bot_status == "kicked":
            raise Refusal(403, "Forbidden: bot was kicked from the supergroup chat")
        return chat

    def _thread(self, chat: Chat, thread: int | None) -> int | None:
        if thread is None:
            return None
        topic = chat.topics.get(thread)
        if topic is None or topic.is_deleted:
            raise Refusal(400, "Bad Request: message thread not found")
        if topic.is_closed and "can_manage_topics" not in chat.bot_rights:
            raise Refusal(400, "Bad Request: TOPIC_CLOSED")
        return thread

    def _spend(self, chat: Chat) -> None:
        """One of the sends, edits and topics that the chat may have in a minute."""
        limit = GROUP_LIMIT if chat.type != "private" else 60
        while chat.sent_at and chat.sent_at[0] <= self._now() - MINUTE:
            chat.sent_at.popleft()
        if self.limits and len(chat.sent_at) >= limit:
            wait = int(chat.sent_at[0] + MINUTE - self._now()) + 1
            raise Refusal(429, f"Too Many Requests: retry after {wait}", retry_after=wait)
        chat.sent_at.append(self._now())

    def _createForumTopic(self, fields: Json) -> Json:
        chat = self._chat(fields["chat_id"])
        if not chat.is_forum and not (chat.type == "private" and self.private_topics):
            raise Refusal(400, "Bad Request: the chat is not a forum")
        if chat.is_forum and (chat.bot_status != "administrator" or "can_manage_topics" not in chat.bot_rights):
            raise Refusal(400, "Bad Request: not enough rights to create a topic")
        if not 1 <= len(fields["name"]) <= 128:
            raise Refusal(400, "Bad Request: topic name is invalid")
        self._spend(chat)
        thread = next(self._numbers)
        chat.topics[thread] = Topic(fields["name"])
        return {"message_thread_id": thread, "name": fields["name"], "icon_color": 7322096}

    def _editForumTopic(self, fields: Json) -> bool:
        topic = self._topic(fields)
        if topic.name == fields.get("name"):
            raise Refusal(400, "Bad Request: TOPIC_NOT_MODIFIED")
        topic.name = fields.get("name", topic.name)
        return True

    def _closeForumTopic(self, fields: Json) -> bool:
        return self._set_closed(fields, True)

    def _reopenForumTopic(self, fields: Json) -> bool:
        return self._set_closed(fields, False)

    def _set_closed(self, fields: Json, closed: bool) -> bool:
        topic = self._topic(fields)
        if topic.is_closed is closed:
            raise Refusal(400, "Bad Request: TOPIC_NOT_MODIFIED")
        topic.is_closed = closed
        return True

    def _deleteForumTopic(self, fields: Json) -> bool:
        self._topic(fields).is_deleted = True
        return True

    def _topic(self, fields: Json) -> Topic:
        topic = self._chat(fields["chat_id"]).topics.get(fields["message_thread_id"])
        if topic is None or topic.is_deleted:
            raise Refusal(400, "Bad Request: message thread not found")
        return topic

    def _getChat(self, fields: Json) -> Json:
        chat = self._chat(fields["chat_id"])
        gifts = dict.fromkeys(
            ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"), True
        )
        return {**chat.as_json(), "accent_color_id": 1, "max_reaction_count": 11, "accepted_gift_types": gifts}

    def _getChatMember(self, fields: Json) -> Json:
        chat = self._chat(fields["chat_id"])
        if fields["user_id"] != self.bot["id"] or chat.bot_status != "administrator":
            return {"status": "member", "user": self.bot}
        rights = {right: right in chat.bot_rights for right in ADMIN_RIGHTS}
        return {"status": "administrator", "user": self.bot, **rights}

    # -- the bot itself ----------------------------------------------------------------------------------------------

    def _getMe(self, fields: Json) -> Json:
        abilities = {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}
        return {**self.bot, **abilities, "has_topics_enabled": self.private_topics}

    def _setMyCommands(self, fields: Json) -> bool:
        for command in fields["commands"]:
            name = command["command"]
            if not (1 <= len(name) <= 32 and name.replace("_", "").isalnum() and name == name.lower()):
                raise Refusal(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(command["description"]) <= 256:
                raise Refusal(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        self.commands = fields["commands"]
        return True

    def _getMyCommands(self, fields: Json) -> list[Json]:
        return self.commands

    def _getFile(self, fields: Json) -> Json:
        data = self.files.get(fields["file_id"])
        if data is None:
            raise Refusal(400, "Bad Request: invalid file_id")
        if len(data) > 20 * 1024 * 1024:
            raise Refusal(400, "Bad Request: file is too big")
        path = f"documents/{fields['file_id']}.bin"
        return {"file_id": fields["file_id"], "file_unique_id": "u", "file_size": len(data), "file_path": path}


async def _wait_then_cancel(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
