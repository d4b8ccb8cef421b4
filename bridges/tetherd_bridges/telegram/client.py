"""The Telegram Bot API: one call, and what its errors mean.

Errors are told apart by their code and the texts that the server's source has; the address of every call holds the
token, so no error of the library is passed on and nothing here is logged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tetherd.errors import Misconfigured
from tetherd_bridges.platform import (
    Barred,
    ChatMoved,
    MessageGone,
    Refused,
    ThreadGone,
    TryLater,
    Uncertain,
)
from tetherd_bridges.web import Web

CALL_SECONDS = 30.0
UPLOAD_SECONDS = 120.0
POLL_SECONDS = 50
"""The most that getUpdates takes (docs, getUpdates)."""
FALLBACK_WAIT_SECONDS = 5.0
DOWNLOAD_BYTES = 20 * 1024 * 1024
"""The most that getFile gives (docs, getFile)."""

_FILE_PATH = re.compile(r"(?!/)(?:(?!\.\.)[A-Za-z0-9_./-])+")


class NotModified(Refused):
    """The message is like that already."""


class Unparsable(Refused):
    """The formatting was not understood; without it the text would be taken."""


class Conflict(Refused):
    """Somebody else polls with this token."""


class TelegramClient:
    """Calls with one bot's token. Raises what tetherd_bridges.platform lists."""

    def __init__(self, web: Web, base: str, token: str) -> None:
        self._web = web
        self._base = f"{base.rstrip('/')}/bot{token}/"
        self._files = f"{base.rstrip('/')}/file/bot{token}/"

    async def call(
        self,
        method: str,
        fields: Mapping[str, Any] | None = None,
        *,
        file: tuple[str, str, bytes] | None = None,
        seconds: float = CALL_SECONDS,
    ) -> Any:
        """The result. Fields that are None are left out. `file`: the field that it is for, its name, its bytes."""
        given = {key: value for key, value in (fields or {}).items() if value is not None}
        if file is not None:
            given = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
            seconds = UPLOAD_SECONDS
        answer = await self._web.post(self._base + method, given, file=file, seconds=seconds)
        try:
            body = json.loads(answer.body)  # orjson refuses half a surrogate pair, which people can send
        except ValueError:
            body = None
        if not isinstance(body, dict) or "ok" not in body:
            # a proxy or a gateway before the server: it may have passed the call on
            raise Uncertain(f"answered {answer.status}, and not in its own words")
        if body["ok"] is True:
            return body.get("result")
        raise _error(method, answer.status, body)

    async def download(self, file_id: str) -> bytes:
        """A file that somebody sent. Raises Refused when it is too large or its path is odd."""
        found = await self.call("getFile", {"file_id": file_id})
        path = found.get("file_path") if isinstance(found, dict) else None
        if not isinstance(path, str) or not _FILE_PATH.fullmatch(path):
            raise Refused("Telegram does not give this file")
        answer = await self._web.get(self._files + path, seconds=UPLOAD_SECONDS, limit_bytes=DOWNLOAD_BYTES)
        if answer.status != 200 or len(answer.body) > DOWNLOAD_BYTES:
            raise Refused("the file cannot be had, or is larger than 20 MB")
        return answer.body


def _error(method: str, status: int, body: Mapping[str, Any]) -> Exception:
    code = body.get("error_code", status)
    said = str(body.get("description", ""))[:300]
    text = said.casefold()
    more = body.get("parameters") if isinstance(body.get("parameters"), dict) else {}
    assert isinstance(more, dict)
    if code == 401 or (code == 404 and text in ("not found", "unauthorized")):
        return Misconfigured("Telegram does not know this token: it was revoked or is mistyped; @BotFather has it")
    if code == 429:
        seconds = more.get("retry_after")
        return TryLater(float(seconds) if isinstance(seconds, int | float) else FALLBACK_WAIT_SECONDS)
    if isinstance(more.get("migrate_to_chat_id"), int):
        return ChatMoved(str(more["migrate_to_chat_id"]))
    if code == 409:
        return Conflict(said)
    if isinstance(code, int) and code >= 500:
        return Uncertain(f"Telegram answered {code}")
    return _refusal(method, code, said, text)


def _refusal(method: str, code: object, said: str, text: str) -> Exception:
    if "message is not modified" in text or "topic_not_modified" in text:
        return NotModified(said)
    if "can't parse entities" in text or "can't parse message text" in text:
        return Unparsable(said)
    if "message thread not found" in text or "topic_deleted" in text or "topic_id_invalid" in text:
        return ThreadGone(said)
    if "message to edit not found" in text or "message can't be edited" in text or "message_id_invalid" in text:
        return MessageGone(said)
    if code == 403 or any(one in text for one in ("not enough rights", "chat_write_forbidden", "chat not found")):
        return Barred(f"Telegram refuses {method}: {said}")
    return Refused(f"{method}: {said}")
