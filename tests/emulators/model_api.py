"""A scripted model API on loopback: the vendors' clients talk to it, the prompt says what it answers.

It speaks Anthropic Messages (base URL: the address), OpenAI Responses and Chat Completions (the address and /v1), and
Gemini (the address). `python -m tests.emulators.model_api --port 8900` for hand use.
Beside the vendors' paths it has its own, for tests in another process: POST /_release/NAME opens a gate,
GET /_holding/NAME answers once a stream waits there, GET /_requests is what was received.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import trio

from tests.emulators.anthropic_messages import AnthropicMessages
from tests.emulators.chat_completions import ChatCompletions
from tests.emulators.conversation import Answer, Entry, Human, ToolResult, place
from tests.emulators.dialect import Dialect, Json, Mark
from tests.emulators.gemini import Gemini
from tests.emulators.loopback import Cut, Exchange, open_loopback
from tests.emulators.responses import Responses
from tests.emulators.script import Step, Unreadable

DIALECTS: Sequence[Dialect] = (AnthropicMessages(), Responses(), ChatCompletions(), Gemini())

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream", "cache-control": "no-cache"}


@dataclass
class Received:
    """One request. `outcome` is None while it is being answered, then what became of the answer."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any
    key: str | None = None
    dialect: str | None = None
    aside: bool = False
    entries: list[Entry] = field(default_factory=list)
    step: Step | None = None
    outcome: str | None = None

    @property
    def prompts(self) -> list[str]:
        """What the person has written so far."""
        return [entry.text for entry in self.entries if isinstance(entry, Human)]

    @property
    def answers(self) -> list[str]:
        """What the model has said so far, according to the program."""
        return [entry.text for entry in self.entries if isinstance(entry, Answer)]

    @property
    def results(self) -> list[ToolResult]:
        return [entry for entry in self.entries if isinstance(entry, ToolResult)]

    def has(self, text: str) -> bool:
        """Is this text anywhere in the request?"""
        return json.dumps(text)[1:-1] in json.dumps(self.body)


class Gate:
    """A place in mid-stream. Once it is released nobody waits at it any more."""

    def __init__(self) -> None:
        self.reached = trio.Event()
        self.released = trio.Event()


class ModelApi:
    """What the API received and holds.

    accept_key: the only key it takes; None takes all, also none. keep: how many requests are kept (every request holds
    its whole conversation); None: all.
    """

    def __init__(self, accept_key: str | None = None, keep: int | None = None) -> None:
        self.url = ""
        self.accept_key = accept_key
        self.requests: deque[Received] = deque(maxlen=keep)
        self._gates: defaultdict[str, Gate] = defaultdict(Gate)
        self._failures: dict[str, int] = {}
        self._news = trio.Event()

    @property
    def turns(self) -> list[Received]:
        """The requests that belong to a conversation, without what programs ask for themselves."""
        return [request for request in self.requests if request.dialect and not request.aside]

    def release(self, gate: str) -> None:
        self._gates[gate].released.set()

    async def held(self, gate: str) -> None:
        """Returns once a stream waits at this gate (or has waited)."""
        await self._gates[gate].reached.wait()

    async def turn(self, wanted: Callable[[Received], bool], after: int = 0) -> Received:
        """The first turn that is wanted, from the `after`-th on; waits for it."""
        while True:
            news = self._news
            if found := next((turn for turn in self.turns[after:] if wanted(turn)), None):
                return found
            await news.wait()

    async def turn_with(self, text: str, after: int = 0) -> Received:
        """The first turn whose request has this text anywhere in it."""
        return await self.turn(lambda turn: turn.has(text), after)

    async def handle(self, exchange: Exchange) -> None:
        path = exchange.target.partition("?")[0]
        if path.startswith("/_"):
            await self._own(exchange, path)
            return
        received = self._note(exchange)
        try:
            await self._answer(exchange, path, received)
            received.outcome = "answered"
        except Cut:
            received.outcome = "cut"
            raise
        finally:
            received.outcome = received.outcome or "abandoned"
            self._ring()

    def _note(self, exchange: Exchange) -> Received:
        try:
            body = json.loads(exchange.body) if exchange.body else None
        except ValueError:
            body = exchange.body.decode(errors="replace")
        received = Received(exchange.method, exchange.target, exchange.headers, body)
        self.requests.append(received)
        return received

    async def _answer(self, exchange: Exchange, path: str, received: Received) -> None:
        dialect = next((one for one in DIALECTS if exchange.method == "POST" and one.takes(path)), None)
        if dialect is None:
            self._ring()
            await _reply(exchange, *_elsewhere(exchange.method, path))
            return
        received.key = dialect.key(exchange.headers)
        if self.accept_key is not None and received.key != self.accept_key:
            self._ring()
            await _reply(exchange, 401, dialect.error(401, "invalid x-api-key"))
            return
        try:
            step = self._step(dialect, received)
        except (KeyError, TypeError, AttributeError, Unreadable) as error:
            await _reply(exchange, 400, dialect.error(400, f"{type(error).__name__}: {error}"))
            return
        finally:
            self._ring()
        await trio.sleep(step.delay_seconds)
        if step.status is not None:
            await _reply(exchange, step.status, dialect.error(step.status, step.message), step.headers)
        elif dialect.streams(path, received.body):
            await self._stream(exchange, dialect, step, received)
        elif step.cut is not None or step.stream_error is not None:
            raise Cut
        else:
            await self._wait(step, step.hold_after)
            await _reply(exchange, 200, dialect.whole(step, received.body))

    def _step(self, dialect: Dialect, received: Received) -> Step:
        received.dialect = dialect.name
        received.aside = dialect.is_aside(received.body)
        received.entries = dialect.read(received.body)
        if received.aside:
            received.step = dialect.aside(received.body)
            return received.step
        here = place(received.entries)
        told = json.dumps([received.prompts, received.answers, here.said])
        place_id = hashlib.sha256(told.encode()).hexdigest()
        received.step = here.step(self._failures.get(place_id, 0)).filled(received.body)
        if received.step.fails:
            self._failures[place_id] = self._failures.get(place_id, 0) + 1
        return received.step

    async def _stream(self, exchange: Exchange, dialect: Dialect, step: Step, received: Received) -> None:
        await exchange.begin(200, EVENTS)
        pieces = 0
        for frame in dialect.frames(step, received.body):
            if isinstance(frame, bytes):
                await exchange.send(frame)
                continue
            pieces += frame is Mark.PIECE
            if step.cut == pieces:
                await exchange.send(b'event: content_block_delta\ndata: {"type":"content_bl')
                raise Cut
            await self._wait(step, pieces)
            await trio.sleep(step.pause_seconds)
        received.outcome = "answered"  # some clients hang up after the last event, before the stream's end
        await exchange.end()

    async def _wait(self, step: Step, pieces: int) -> None:
        if step.hold is not None and pieces == step.hold_after:
            self._gates[step.hold].reached.set()
            await self._gates[step.hold].released.wait()

    async def _own(self, exchange: Exchange, path: str) -> None:
        match path.split("/")[1:]:
            case ["_release", name]:
                self.release(name)
                await _reply(exchange, 200, {"released": name})
            case ["_holding", name]:
                await self.held(name)
                await _reply(exchange, 200, {"holding": name})
            case ["_requests"]:
                rows = [{"target": one.target, "body": one.body, "outcome": one.outcome} for one in self.requests]
                await _reply(exchange, 200, {"requests": rows})
            case _:
                await _reply(exchange, 404, {"error": path})

    def _ring(self) -> None:
        self._news.set()
        self._news = trio.Event()


@asynccontextmanager
async def open_model_api(
    accept_key: str | None = None, port: int = 0, keep: int | None = None
) -> AsyncIterator[ModelApi]:
    """The API while the context is open; its address is in `url`, without a path."""
    api = ModelApi(accept_key, keep)
    async with open_loopback(api.handle, port) as api.url:
        yield api


def _elsewhere(method: str, path: str) -> tuple[int, Json]:
    """What agents ask for at start: harmless answers."""
    if path == "/v1/messages/count_tokens":
        return 200, {"input_tokens": 1000}
    if path.endswith(":countTokens"):
        return 200, {"totalTokens": 1000}
    if method == "HEAD":
        return 200, {}
    if path.endswith("/models"):
        return 200, {"data": [], "has_more": False, "first_id": None, "last_id": None, "object": "list", "models": []}
    return 404, {"type": "error", "error": {"type": "not_found_error", "message": path}}


async def _reply(exchange: Exchange, status: int, body: Json, headers: dict[str, str] | None = None) -> None:
    await exchange.answer(status, json.dumps(body).encode(), {**JSON, **(headers or {})})


async def _serve(port: int, accept_key: str | None, keep: int | None) -> None:
    async with open_model_api(accept_key, port, keep) as api:
        print(api.url, flush=True)
        await trio.sleep_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--accept-key")
    parser.add_argument("--keep", type=int)
    given = parser.parse_args()
    trio.run(_serve, given.port, given.accept_key, given.keep)


if __name__ == "__main__":
    main()
