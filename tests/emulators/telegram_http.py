"""The emulated Telegram over HTTP: on loopback for real clients, and within one process for virtual time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message as Mail
from urllib.parse import parse_qsl

import httpx
import orjson

from tests.emulators.loopback import Cut, Exchange, open_loopback
from tests.emulators.telegram import Telegram
from tests.emulators.telegram_schema import Json, Upload


@asynccontextmanager
async def serve_telegram(telegram: Telegram, port: int = 0) -> AsyncIterator[str]:
    """Yields the base address, as TELEGRAM_API_BASE takes it."""

    async def handle(exchange: Exchange) -> None:
        answer = await respond(telegram, exchange.target, exchange.headers, exchange.body)
        if answer is None:
            raise Cut
        status, body, kind = answer
        await exchange.answer(status, body, {"content-type": kind})

    async with open_loopback(handle, port) as base:
        yield base


class InProcess(httpx.AsyncBaseTransport):
    """A network of memory. Nothing in it takes time but what the server waits for."""

    def __init__(self, telegram: Telegram) -> None:
        self._telegram = telegram

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = await respond(self._telegram, request.url.raw_path.decode(), headers, body)
        if answer is None:
            raise httpx.ReadError("the connection broke off")
        status, content, kind = answer
        return httpx.Response(status, content=content, headers={"content-type": kind})


async def respond(
    telegram: Telegram, target: str, headers: dict[str, str], body: bytes
) -> tuple[int, bytes, str] | None:
    """Status, body and type of the answer; None when the connection breaks instead."""
    path, _, query = target.partition("?")
    parts = path.strip("/").split("/")
    if parts[0] == "file" and parts[1] == f"bot{telegram.token}":
        file_id = parts[-1].removesuffix(".bin")
        return 200, telegram.files[file_id], "application/octet-stream"
    kind = headers.get("content-type", "").partition(";")[0].strip()
    given: Json = dict(parse_qsl(query))
    if kind == "application/json":
        given |= orjson.loads(body)
    elif kind == "application/x-www-form-urlencoded":
        given |= dict(parse_qsl(body.decode(), keep_blank_values=True))
    elif kind == "multipart/form-data":
        given |= _multipart(headers["content-type"], body)
    answer = await telegram.call(parts[0].removeprefix("bot"), parts[1], given, is_form=kind != "application/json")
    return None if answer is None else (answer[0], json.dumps(answer[1]).encode(), "application/json")


def _multipart(content_type: str, body: bytes) -> Json:
    mail = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found: Json = {}
    for part in mail.get_payload():
        assert isinstance(part, Mail)
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        file_name = part.get_filename()
        found[name] = Upload(file_name, data) if file_name else data.decode()
    # `attach://NAME` stands for the part of that name
    for name, value in list(found.items()):
        if isinstance(value, str) and value.startswith("attach://"):
            found[name] = found.pop(value.removeprefix("attach://"))
    return found
