"""One turn of the demo agent, its wire and its history."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tetherd.agents.workers.messages import JsonObject, encode, text_block, text_content

# A client that cancels owes an answer to every open permission request (ACP, "Cancellation"); we do not wait for ever.
OWED_ANSWERS_SECONDS = 5.0
OUTPUT_LIMIT_BYTES = 262_144
PIPE_BYTES = 65_536
LOOK_SECONDS = 0.02
CONTEXT_TOKENS = 32_000


class TurnCancelled(Exception):
    """The client cancelled the turn or closed our stdin."""


class Wire:
    """Our stdout: whole lines, from either thread. Once nobody reads it any more, lines are dropped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._broken = False
        self.request_ids = itertools.count()

    def send(self, message: JsonObject) -> int:
        """Write a message; returns the bytes of its line."""
        return self.send_line(encode({"jsonrpc": "2.0", **message}))

    def send_line(self, line: bytes) -> int:
        rest = memoryview(line + b"\n")
        with self._lock:
            while rest and not self._broken:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except BrokenPipeError:
                    self._broken = True
        return len(line) + 1


class Session:
    """A conversation and its history: a file with one update a line, appended as it happens.

    Each line is one write, so a killed process leaves at most a torn last line, which reading skips.
    """

    def __init__(self, home: Path, session_id: str, directory: Path) -> None:
        """Open or create the file. Raises OSError."""
        self.session_id = session_id
        self.directory = directory
        self.tokens = 0
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = home / f"{session_id}.jsonl"
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def remember(self, update: JsonObject) -> None:
        os.write(self._descriptor, encode(update) + b"\n")

    def history(self) -> Iterator[JsonObject]:
        with self._path.open("rb") as lines:
            for line in lines:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)


class Answer(NamedTuple):
    """What came back for a permission request: None stands for anything but a chosen option."""

    option: str | None
    reason: str


class Turn:
    """What an act may do. One thread performs the turn; the one that reads stdin delivers answers and cancels."""

    def __init__(self, wire: Wire, session: Session, text: str, has_pauses: bool, deafen: Callable[[], None]) -> None:
        """`deafen` ends the reading of stdin."""
        self.session = session
        self.text = text
        self.deafen = deafen
        self.is_last = False
        self.cancelled = threading.Event()
        self._wire = wire
        self._has_pauses = has_pauses
        self._token = os.urandom(6).hex()
        self._numbers = itertools.count(1)
        self._open_calls: set[str] = set()
        self._said_characters = 0
        self._changed = threading.Condition()
        self._asked: set[int] = set()
        self._answers: dict[int, Answer] = {}
        self._is_hung_up = False

    def cancel(self, *, hung_up: bool = False) -> None:
        """End the turn soon; `hung_up`: and nobody will answer what we asked."""
        with self._changed:
            self.cancelled.set()
            self._is_hung_up = self._is_hung_up or hung_up
            self._changed.notify_all()

    def deliver(self, request_id: int, answer: Answer) -> None:
        with self._changed:
            if request_id in self._asked:
                self._answers.setdefault(request_id, answer)
                self._changed.notify_all()

    def new_id(self, kind: str) -> str:
        """An id that no other turn of any process has."""
        return f"{kind}_{self._token}_{next(self._numbers)}"

    def say(self, text: str, *, message_id: str | None = None, remember: bool = True) -> int:
        """A piece of a message, of a new one by default; returns the bytes of its line."""
        self._said_characters += len(text)
        message_id = message_id or self.new_id("msg")
        update = {"sessionUpdate": "agent_message_chunk", "messageId": message_id, "content": text_block(text)}
        return self.update(update, remember=remember)

    def think(self, text: str) -> None:
        message_id = self.new_id("thought")
        self.update({"sessionUpdate": "agent_thought_chunk", "messageId": message_id, "content": text_block(text)})

    def update(self, update: JsonObject, *, remember: bool = True) -> int:
        """Send a session update and, unless it is not worth it, keep it in the history."""
        if self.cancelled.is_set():
            raise TurnCancelled
        return self._tell(update, remember)

    def send_line(self, line: bytes) -> None:
        self._wire.send_line(line)

    def report_usage(self) -> JsonObject:
        """Tokens of this turn, made up: one for each hundred characters. Also sent as an update."""
        used = {"inputTokens": 1 + len(self.text) // 100, "outputTokens": 1 + self._said_characters // 100}
        used["totalTokens"] = used["inputTokens"] + used["outputTokens"]
        self.session.tokens = min(self.session.tokens + used["totalTokens"], CONTEXT_TOKENS)
        update = {"sessionUpdate": "usage_update", "used": self.session.tokens, "size": CONTEXT_TOKENS}
        self._tell(update, remember=False)
        return used

    def pause(self, seconds: float) -> None:
        """A pause for the looks of it."""
        self.wait(seconds if self._has_pauses else 0)

    def wait(self, seconds: float) -> None:
        if self.cancelled.wait(seconds):
            raise TurnCancelled

    def start_call(self, title: str, kind: str, raw_input: JsonObject, *content: JsonObject) -> JsonObject:
        """Announce a tool call; returns it as a permission request shows it."""
        call_id = self.new_id("call")
        call: JsonObject = {"toolCallId": call_id, "title": title, "kind": kind, "status": "pending"}
        call |= {"rawInput": raw_input, "content": list(content)}
        if "path" in raw_input:
            call["locations"] = [{"path": raw_input["path"]}]
        self._open_calls.add(call_id)
        self.update({"sessionUpdate": "tool_call", **call})
        return call

    def change_call(self, call: JsonObject, status: str, *content: JsonObject, **fields: Any) -> None:
        """Tell a tool call's new status, and what it brought."""
        update = {"sessionUpdate": "tool_call_update", "toolCallId": call["toolCallId"], "status": status, **fields}
        if content:
            update["content"] = list(content)
        self.update(update)
        if status in ("completed", "failed"):
            self._open_calls.discard(call["toolCallId"])

    def ask(self, call: JsonObject, options: Sequence[JsonObject]) -> int:
        """Send a permission request; returns its id, for `answers`."""
        if self.cancelled.is_set():
            raise TurnCancelled
        request_id = next(self._wire.request_ids)
        with self._changed:
            self._asked.add(request_id)
        params = {"sessionId": self.session.session_id, "toolCall": call, "options": list(options)}
        self._wire.send({"id": request_id, "method": "session/request_permission", "params": params})
        return request_id

    def answers(self, request_ids: Sequence[int]) -> dict[int, Answer]:
        """Wait for a person, as long as it takes; the answers in the order in which they came."""

        def is_complete() -> bool:
            return all(request_id in self._answers for request_id in request_ids)

        with self._changed:
            self._changed.wait_for(lambda: is_complete() or self.cancelled.is_set())
            if self.cancelled.is_set():
                self._changed.wait_for(lambda: is_complete() or self._is_hung_up, OWED_ANSWERS_SECONDS)
                raise TurnCancelled
            return {request_id: answer for request_id, answer in self._answers.items() if request_id in request_ids}

    def abandon(self) -> None:
        """After a cancel: nothing stays open."""
        for call_id in sorted(self._open_calls):
            update = {"sessionUpdate": "tool_call_update", "toolCallId": call_id, "status": "failed"}
            self._tell({**update, "content": [text_content("cancelled")]}, remember=True)

    def execute(self, argv: Sequence[str], limit_seconds: float) -> tuple[int, str]:
        """Run a program in a session of its own; returns its exit code and what it printed, cut at OUTPUT_LIMIT_BYTES.

        What it leaves in the background lives on. Cancelled or after the limit, its whole session is killed.
        Raises OSError or ValueError when it cannot be started, TimeoutError after the limit.
        """
        process = subprocess.Popen(
            argv,
            cwd=self.session.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            output = self._follow(process, time.monotonic() + limit_seconds)
        finally:
            if process.returncode is None:
                kill_session(process.pid)
            process.wait()
            if process.stdout:
                process.stdout.close()
        return process.returncode, output.decode(errors="replace")

    def _follow(self, process: subprocess.Popen[bytes], deadline: float) -> bytearray:
        assert process.stdout is not None
        kept, descriptor = bytearray(), process.stdout.fileno()
        while True:
            # Looked at before the pipe: what was printed before the exit is then in the pipe's buffer.
            has_exited = process.poll() is not None
            is_ready = select.select([descriptor], [], [], 0 if has_exited else LOOK_SECONDS)[0]
            piece = os.read(descriptor, PIPE_BYTES) if is_ready else b""
            kept += piece[: OUTPUT_LIMIT_BYTES - len(kept)]
            if has_exited:
                return kept
            if time.monotonic() > deadline:
                raise TimeoutError("it took too long")
            self.wait(LOOK_SECONDS if is_ready and not piece else 0)

    def _tell(self, update: JsonObject, remember: bool) -> int:
        if remember:
            self.session.remember(update)
        params = {"sessionId": self.session.session_id, "update": update}
        return self._wire.send({"method": "session/update", "params": params})


def kill_session(leader: int) -> None:
    """SIGKILL to every process of a session; its leader must not have been reaped, so that the id is still its own."""
    killed: set[int] = set()
    while found := set(_members(leader)) - killed:  # again, for a fork may come between the look and the kill
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        killed |= found


def _members(session: int) -> Iterator[int]:
    for name in os.listdir("/proc"):
        with contextlib.suppress(ProcessLookupError):
            if name.isdigit() and os.getsid(int(name)) == session:
                yield int(name)
