"""People in the emulated Telegram: they write, tap, forward and send files."""

from __future__ import annotations

from typing import Any

from tests.emulators.telegram import Chat, Message, Telegram
from tests.emulators.telegram_schema import Json


class Person:
    """Somebody with an account. `user_id` is what authority hangs on; the names are theirs to choose."""

    def __init__(self, telegram: Telegram, user_id: int, first_name: str = "Ada", username: str | None = None) -> None:
        self._telegram = telegram
        self.user_id = user_id
        self.account: Json = {"id": user_id, "is_bot": False, "first_name": first_name}
        if username:
            self.account["username"] = username
        self.private = telegram.private(user_id, first_name)

    def say(self, text: str, chat: Chat | None = None, thread: int | None = None, **more: Any) -> Message:
        message = self._telegram.message_in(chat or self.private, self.account, text, thread, **more)
        self._telegram.put(message=message.as_json())
        return message

    def reply(self, to: Message, text: str) -> Message:
        return self.say(text, to.chat, to.thread, reply_to_message=to.as_json())

    def forward(self, text: str, chat: Chat | None = None, thread: int | None = None) -> Message:
        origin = {"type": "hidden_user", "date": self._telegram.time, "sender_user_name": "Somebody"}
        return self.say(text, chat, thread, forward_origin=origin)

    def edit(self, message: Message, text: str) -> None:
        message.text = text
        self._telegram.put(edited_message=message.as_json() | {"edit_date": self._telegram.time})

    def tap(self, message: Message, label: str) -> str:
        """Press the button with that label. Returns the query's id."""
        data = next(one["callback_data"] for row in message.keyboard for one in row if label in one["text"])
        return self._telegram.query(self.account, message, data)

    def tap_with(self, data: str, message: Message | None) -> str:
        """Press a button that was never shown."""
        return self._telegram.query(self.account, message, data)

    def photo(
        self, data: bytes, caption: str = "", chat: Chat | None = None, thread: int | None = None, **more: Any
    ) -> Message:
        file_id = f"p{len(self._telegram.files)}"
        self._telegram.files[file_id] = data
        sizes = [
            {"file_id": f"{file_id}s", "file_unique_id": "s", "width": 90, "height": 90},
            {"file_id": file_id, "file_unique_id": "b", "width": 900, "height": 900, "file_size": len(data)},
        ]
        words = {"caption": caption} if caption else {}
        return self.say("", chat, thread, photo=sizes, **words, **more)

    def document(self, name: str, data: bytes, chat: Chat | None = None, thread: int | None = None) -> Message:
        file_id = f"d{len(self._telegram.files)}"
        self._telegram.files[file_id] = data
        file = {"file_id": file_id, "file_unique_id": "u", "file_name": name, "file_size": len(data)}
        return self.say("", chat, thread, document=file)
