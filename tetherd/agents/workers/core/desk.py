"""The client's side of a turn: what it is told and what it is asked."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import trio

from tetherd.agents.workers.messages import OPTIONS, JsonObject, text_block


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a permission request: `option` None when the client cancelled it."""

    option: str | None
    reason: str = ""


class Wire(Protocol):
    """Where whole messages go out."""

    async def send(self, message: JsonObject) -> None: ...

    def new_request_id(self) -> int: ...


class Desk:
    """One turn's."""

    def __init__(self, wire: Wire, session_id: str) -> None:
        self._wire = wire
        self._session_id = session_id
        self._token = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self._open: dict[int, trio.Event] = {}
        self._answers: dict[int, Answer] = {}

    def new_id(self, kind: str) -> str:
        """An id that no other turn of any process has."""
        return f"{kind}_{self._token}_{next(self._numbers)}"

    async def update(self, kind: str, /, **fields: object) -> None:
        update = {"sessionUpdate": kind, **fields}
        params = {"sessionId": self._session_id, "update": update}
        await self._wire.send({"method": "session/update", "params": params})

    async def say(self, message_id: str, text: str) -> None:
        await self.update("agent_message_chunk", messageId=message_id, content=text_block(text))

    async def think(self, message_id: str, text: str) -> None:
        await self.update("agent_thought_chunk", messageId=message_id, content=text_block(text))

    async def ask(self, call: JsonObject, options: Sequence[JsonObject] = OPTIONS) -> Answer:
        """Ask a person, and wait as long as it takes."""
        request_id = self._wire.new_request_id()
        answered = self._open[request_id] = trio.Event()
        params = {"sessionId": self._session_id, "toolCall": call, "options": list(options)}
        try:
            await self._wire.send({"id": request_id, "method": "session/request_permission", "params": params})
            await answered.wait()
        finally:
            del self._open[request_id]
        return self._answers.pop(request_id)

    def deliver(self, request_id: object, answer: Answer) -> None:
        """An answer has come; one to nothing that is open means nothing."""
        if isinstance(request_id, int) and request_id in self._open:
            self._answers.setdefault(request_id, answer)
            self._open[request_id].set()
