"""A client of a real worker process: checks all that it hears against the schema."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import tetherd
from tests.agents.demo_client import ANSWERS, CALLS, validator
from tests.agents.driving import Driven, Json, driven

ROOT = Path(tetherd.__file__).parents[1]

Choose = Callable[[Json], "str | None"]


@dataclass
class Told:
    """What came between a prompt and its answer."""

    answer: Json = field(default_factory=dict)
    updates: list[Json] = field(default_factory=list)
    asked: list[Json] = field(default_factory=list)

    def of(self, kind: str) -> list[Json]:
        return [update for update in self.updates if update["sessionUpdate"] == kind]

    @property
    def text(self) -> str:
        return "".join(update["content"]["text"] for update in self.of("agent_message_chunk"))

    @property
    def thoughts(self) -> str:
        return "".join(update["content"]["text"] for update in self.of("agent_thought_chunk"))

    @property
    def stop_reason(self) -> str:
        return str(self.answer["result"]["stopReason"])

    @property
    def failure(self) -> str:
        return str(self.answer["error"]["message"])

    @property
    def ends(self) -> list[tuple[str, str]]:
        """Status and text of each tool call's end, in order."""
        ended = [update for update in self.of("tool_call_update") if update["status"] in ("completed", "failed")]
        return [(update["status"], _shown(update.get("content", []))) for update in ended]


def _shown(content: Sequence[Json]) -> str:
    return "\n".join(part["content"]["text"] if part["type"] == "content" else part["newText"] for part in content)


class Worker:
    """`session_id` is that of the newest session."""

    def __init__(self, program: Driven, directory: Path) -> None:
        self.program = program
        self.directory = directory
        self.session_id = ""
        self.pid = program.process.pid
        self._numbers = itertools.count(100)
        self._methods: dict[int, str] = {}

    async def send(self, method: str, **params: object) -> int:
        number = next(self._numbers)
        self._methods[number] = method
        await self.program.say({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    async def cancel(self) -> None:
        params = {"sessionId": self.session_id}
        await self.program.say({"jsonrpc": "2.0", "method": "session/cancel", "params": params})

    async def decide(self, request: Json, option: str | None, reason: str = "") -> None:
        outcome = {"outcome": "selected", "optionId": option} if option else {"outcome": "cancelled"}
        result = {"outcome": outcome, **({"_meta": {"reason": reason}} if reason else {})}
        await self.program.say({"jsonrpc": "2.0", "id": request["id"], "result": result})

    async def until(self, number: int, told: Told, choose: Choose | None = None) -> Told:
        """Reads up to the answer of request `number`; without `choose`, up to a permission request too."""
        while True:
            message = await self.program.until(lambda message: True)
            self._check(message)
            if message.get("method") == "session/update":
                told.updates.append(message["params"]["update"])
            elif message.get("method") == "session/request_permission":
                told.asked.append(message)
                if choose is None:
                    return told
                await self.decide(message, choose(message["params"]["toolCall"]))
            elif message.get("id") == number:
                told.answer = message
                return told

    async def hear(self, told: Told, text: str) -> None:
        """Reads updates until the agent's messages hold the text."""
        while text not in told.text:
            message = await self.program.until(lambda message: message.get("method") == "session/update")
            self._check(message)
            told.updates.append(message["params"]["update"])

    async def ask(self, method: str, **params: object) -> Json:
        return (await self.until(await self.send(method, **params), Told())).answer

    async def start(self, session_id: str | None = None) -> Worker:
        """Shake hands and begin a session, or load one."""
        await self.ask("initialize", protocolVersion=1, clientCapabilities={})
        place = {"cwd": str(self.directory), "mcpServers": []}
        if session_id is None:
            self.session_id = (await self.ask("session/new", **place))["result"]["sessionId"]
        else:
            answer = await self.ask("session/load", sessionId=session_id, **place)
            assert "result" in answer, answer
            self.session_id = session_id
        return self

    async def begin(self, text: str, *blocks: Json) -> int:
        prompt = [{"type": "text", "text": text}, *blocks]
        return await self.send("session/prompt", sessionId=self.session_id, prompt=prompt)

    async def prompt(self, text: str, choose: Choose = lambda call: "allow") -> Told:
        return await self.until(await self.begin(text), Told(), choose)

    def _check(self, message: Json) -> None:
        assert message["jsonrpc"] == "2.0"
        if "method" in message:
            validator(CALLS[message["method"]]).validate(message["params"])
        elif "error" in message:
            validator("Error").validate(message["error"])
        else:
            validator(ANSWERS[self._methods[message["id"]]]).validate(message["result"])


@asynccontextmanager
async def open_worker(
    argv: Sequence[str], directory: Path, environment: Mapping[str, str], session_id: str | None = None
) -> AsyncIterator[Worker]:
    """A worker that runs while the context is open, with a session begun or loaded."""
    async with driven(argv, directory, environment) as program:
        yield await Worker(program, directory).start(session_id)
