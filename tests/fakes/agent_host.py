"""An AgentHost without processes: shims as bytes in memory, which outlive the daemon that uses them.

Behind each shim a scripted ACP agent that reacts at once and numbers its questions from 0 in every run, as Codex does.
"""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import trio

from tetherd.agents.process import Chunk, HeldAgent, RunStatus, ShimLost
from tetherd.domain.ids import RunId
from tetherd.errors import Unavailable
from tetherd.framing import MAX_LINE, LineSplitter
from tetherd.plugin import Launch
from tetherd.runtime.agent_host import Fate

Step = tuple[str, Any]
"""text: a chunk; ask: a permission; wait: until go_on(); end: the turn, with a stop reason; exit: the agent; raw: bytes."""
Script = Mapping[str, Sequence[Step]]
Point = Callable[[str], Awaitable[None]]
"""A place where the daemon may die."""
OPTIONS = [
    {"optionId": "yes", "name": "Allow", "kind": "allow_once"},
    {"optionId": "no", "name": "Reject", "kind": "reject_once"},
]


async def nowhere(name: str) -> None:
    """No crash here."""


@dataclass
class ScriptedAgent:
    """What a prompt makes the agent do stands in the script. `heard` is all that reached it, in order."""

    script: Script
    say: Callable[[dict[str, Any]], None]
    raw: Callable[[bytes], None]
    leave: Callable[[int], None]
    heard: list[tuple[str, Any]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    asked: dict[int, str] = field(default_factory=dict)
    is_stubborn: bool = False
    """True: an interrupt does not end the turn."""
    _todo: deque[Step] = field(default_factory=deque)
    _prompt: Any = None
    _next_id: int = 0
    _is_waiting: bool = False

    def hear(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "initialize":
                self._answer(message, {"protocolVersion": 1, "agentCapabilities": {"loadSession": True}})
            case "session/new":
                self._answer(message, {"sessionId": "v-1"})
            case "session/load":
                self._chunk("what was said before: the log has it")
                self._answer(message, {})
            case "session/prompt":
                text = message["params"]["prompt"][0]["text"]
                self.heard.append(("prompt", text))
                if self._prompt is not None:
                    self.wrong.append(f"a prompt into a running turn: {text}")
                self._prompt = message
                self._todo = deque(self.script.get(text, [("end", "end_turn")]))
                self._play()
            case "session/cancel":
                self.heard.append(("cancel", None))
                if self.asked:
                    self.wrong.append("cancelled while a question is open: OpenCode and Gemini hang")
                elif self._prompt is not None and not self.is_stubborn:
                    self._end("cancelled")
            case None:
                self._answered(message)

    def go_on(self) -> None:
        """The waiting is over."""
        self._is_waiting = False
        self._play()

    def ask(self, title: str) -> int:
        """Ask now, whatever the script does."""
        number, self._next_id = self._next_id, self._next_id + 1
        self.asked[number] = title
        call = {"toolCallId": f"t{number}", "title": title, "kind": "execute", "rawInput": {"command": title}}
        params = {"sessionId": "v-1", "toolCall": call, "options": OPTIONS}
        self.say({"id": number, "method": "session/request_permission", "params": params})
        return number

    def write(self, text: str) -> None:
        """A chunk of text now, whatever the script does."""
        self._chunk(text)

    def withdraw(self, number: int) -> None:
        """No longer ask; the protocol's $/cancel_request."""
        self.asked.pop(number)
        self.say({"method": "$/cancel_request", "params": {"requestId": number}})

    def _answered(self, message: dict[str, Any]) -> None:
        number = message["id"]
        if number not in self.asked:
            if "error" not in message:
                self.wrong.append(f"an answer to what is not asked: {message}")
            return
        title = self.asked.pop(number)
        self.heard.append(("verdict", (title, message["result"]["outcome"].get("optionId"))))
        self._play()

    def _play(self) -> None:
        while self._todo and not self.asked and not self._is_waiting:
            kind, value = self._todo.popleft()
            match kind:
                case "text":
                    self.said.append(value)
                    self._chunk(value)
                case "raw":
                    self.raw(value)
                case "ask":
                    self.ask(value)
                case "wait":
                    self._is_waiting = True
                case "end":
                    self._end(value)
                case "exit":
                    self.leave(value)

    def _end(self, reason: str) -> None:
        # what the script still had to say in this turn is never said; leaving comes after it
        while self._todo and self._todo[0][0] != "exit":
            self._todo.popleft()
        self._is_waiting = False
        prompt, self._prompt = self._prompt, None
        self._answer(prompt, {"stopReason": reason})

    def _chunk(self, text: str) -> None:
        update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
        self.say({"method": "session/update", "params": {"sessionId": "v-1", "update": update}})

    def _answer(self, request: dict[str, Any], result: dict[str, Any]) -> None:
        self.say({"id": request["id"], "result": result})


class FakeShim:
    """One run as it is on the machine: journal, stdin by seq, status."""

    def __init__(self, script: Script) -> None:
        self.journal = bytearray()
        self.frames: dict[int, bytes] = {}
        self.wrong: list[str] = []
        self.status: RunStatus | None = None
        self.is_gone = False
        self.is_deaf = False
        self.is_mute = False
        """True: what is in the journal is not read yet."""
        self.frozen = False
        self.obeys = True
        """False: it hears that it shall stop, and does not."""
        self.repeats = 0
        self.connection = 0
        self.bell = trio.Event()
        self.agent = ScriptedAgent(script, self._say, self.write, self._left)

    @property
    def last_seq(self) -> int:
        return max(self.frames, default=0)

    def write(self, data: bytes) -> None:
        """The agent's stdout."""
        self.journal += data
        self.ring()

    def stdin(self, seq: int, data: bytes) -> None:
        """At most once by seq, as the real one."""
        if self.status is not None or self.is_gone:
            return
        if seq in self.frames:
            if self.frames[seq] != data:
                self.wrong.append(f"another frame under seq {seq}")
            self.repeats += 1
            return
        if seq != self.last_seq + 1:
            self.wrong.append(f"seq {seq} after {self.last_seq}")
        self.frames[seq] = data
        for line in data.splitlines():
            self.agent.hear(json.loads(line))
        self.ring()

    def stop(self) -> None:
        if self.status is None and self.obeys:
            self.status = RunStatus(signal=15)
        self.ring()

    def vanish(self) -> None:
        """The machine's kill -9 at the shim and all below it: nobody sees how it ended."""
        self.is_gone = True
        self.cut()

    def cut(self) -> None:
        """Break the connection; the agent lives on."""
        self.connection += 1
        self.ring()

    def listen(self) -> None:
        """Take input and be read again."""
        self.is_deaf = self.is_mute = False
        self.ring()

    def ring(self) -> None:
        bell, self.bell = self.bell, trio.Event()
        bell.set()

    def _say(self, message: dict[str, Any]) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode() + b"\n")

    def _left(self, code: int) -> None:
        self.status = RunStatus(code=code)
        self.ring()


class FakeHeld:
    """One connection; the same face as HeldAgent."""

    paused: str | None = None

    def __init__(self, shim: FakeShim, cursor: int, point: Point, pieces: random.Random, limit: int) -> None:
        self.last_seq = shim.last_seq
        self._shim = shim
        self._point = point
        self._pieces = pieces
        self._lines = LineSplitter(cursor, limit)
        self._held_at_attach = shim.journal.rfind(b"\n") + 1
        self._connection = shim.connection
        self._sent: deque[int] = deque()

    @property
    def backlog(self) -> int:
        return max(0, self._held_at_attach - self._lines.cursor)

    async def read(self) -> Chunk | RunStatus:
        while True:
            await trio.lowlevel.checkpoint()
            while self._shim.is_mute:
                await self._shim.bell.wait()
            data = bytes(self._shim.journal[self._lines.position :])
            if data:
                lines = self._lines.feed(data[: self._pieces.choice((40, 300, 3000, len(data)))])
                if lines:
                    await self._point("before a read is told")
                    return Chunk(lines, self._lines.cursor)
            elif self._shim.status is not None:
                await self._point("before the end is told")
                return self._shim.status
            elif self._is_over:
                raise ShimLost("cut")
            else:
                await self._shim.bell.wait()

    async def next_ack(self) -> int:
        while True:
            await trio.lowlevel.checkpoint()
            if self._sent and self._sent[0] <= self._shim.last_seq:
                await self._point("before an ack is told")
                return self._sent.popleft()
            if self._is_over or self._shim.status is not None:
                raise ShimLost("cut")
            await self._shim.bell.wait()

    async def send(self, seq: int, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        await self._point("before a frame is sent")
        self._sent.append(seq)
        while self._shim.is_deaf and not self._is_over:
            await self._shim.bell.wait()
        if not self._is_over:
            self._shim.stdin(seq, data)
        await self._point("after a frame is sent")

    async def stop(self, grace_seconds: float) -> None:
        await trio.lowlevel.checkpoint()
        await self._point("before a stop is sent")
        if self._is_over:
            raise ShimLost("cut")
        self._shim.stop()
        await self._point("after a stop is sent")

    @property
    def _is_over(self) -> bool:
        return self._shim.is_gone or self._connection != self._shim.connection


@dataclass
class Machine:
    """All runs, by name. Outlives every daemon."""

    script: Script
    shims: dict[RunId, FakeShim] = field(default_factory=dict)
    forgotten: list[RunId] = field(default_factory=list)
    longest_line: int = MAX_LINE
    gate: trio.Event | None = None
    """While there is one, no daemon finds out what became of its runs."""
    vanishes_once_found: bool = False
    """True: the next shim that is found to live is killed before anybody attaches to it."""


class FakeHost:
    """The machine as one life of the daemon sees it. `pieces` decides how much a read brings."""

    def __init__(self, machine: Machine, point: Point = nowhere, pieces: random.Random | None = None) -> None:
        self._machine = machine
        self._point = point
        self._pieces = pieces or random.Random(0)

    async def launch(self, run_id: RunId, launch: Launch) -> None:
        await self._point("before the launch")
        if run_id in self._machine.shims:
            raise Unavailable("launched twice")
        self._machine.shims[run_id] = FakeShim(self._machine.script)
        await self._point("after the launch")

    @asynccontextmanager
    async def attach(self, run_id: RunId, cursor: int) -> AsyncIterator[HeldAgent]:
        await trio.lowlevel.checkpoint()
        shim = self._machine.shims.get(run_id)
        if shim is None or (shim.is_gone and shim.status is None):
            raise ShimLost("no shim holds the run")
        yield cast(HeldAgent, FakeHeld(shim, cursor, self._point, self._pieces, self._machine.longest_line))

    async def settle(self, run_id: RunId) -> Fate:
        await self._point("before a run is settled")
        if self._machine.gate is not None:
            await self._machine.gate.wait()
        shim = self._machine.shims.get(run_id)
        if shim is None:
            return "unborn"
        if shim.is_gone:
            shim.status = shim.status or RunStatus(lost=True)
            return "lost"
        if shim.status is not None:
            return "lost" if shim.status.lost else "ended"
        if self._machine.vanishes_once_found:
            self._machine.vanishes_once_found = False
            shim.vanish()
        return "held"

    async def kill(self, run_id: RunId) -> None:
        if run_id in self._machine.shims:
            self._machine.shims[run_id].vanish()

    async def usage(self, run_id: RunId) -> None:
        return None

    def can_freeze(self, run_id: RunId) -> bool:
        return run_id in self._machine.shims

    def set_frozen(self, run_id: RunId, is_frozen: bool) -> None:
        if run_id in self._machine.shims:
            self._machine.shims[run_id].frozen = is_frozen

    async def release(self, run_id: RunId, cursor: int) -> None:
        await trio.lowlevel.checkpoint()

    async def forget(self, run_id: RunId) -> None:
        await self._point("before a directory is removed")
        self._machine.shims.pop(run_id, None)
        self._machine.forgotten.append(run_id)

    async def stderr(self, run_id: RunId, limit_bytes: int) -> bytes:
        return b""
