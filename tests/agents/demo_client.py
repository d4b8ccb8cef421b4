"""A small client for the demo agent: checks all that it hears against the schema."""

from __future__ import annotations

import itertools
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

import tetherd

HANG_SECONDS = 30.0
ROOT = Path(tetherd.__file__).parents[1]
SCHEMA = Path(__file__).parents[1] / "data" / "acp-v1.schema.json"
ANSWERS = {
    "initialize": "InitializeResponse",
    "session/new": "NewSessionResponse",
    "session/load": "LoadSessionResponse",
    "session/prompt": "PromptResponse",
}
CALLS = {"session/update": "SessionNotification", "session/request_permission": "RequestPermissionRequest"}

Json = dict[str, Any]


@cache
def validator(definition: str) -> jsonschema_rs.Validator:
    schema = json.loads(SCHEMA.read_text())
    return jsonschema_rs.validator_for({"$ref": f"#/$defs/{definition}", "$defs": schema["$defs"]})


@dataclass
class Told:
    """What came between a prompt and its answer."""

    answer: Json = field(default_factory=dict)
    updates: list[Json] = field(default_factory=list)
    requests: list[Json] = field(default_factory=list)

    def of(self, kind: str) -> list[Json]:
        return [update for update in self.updates if update["sessionUpdate"] == kind]

    @property
    def text(self) -> str:
        return "".join(update["content"]["text"] for update in self.of("agent_message_chunk"))

    @property
    def stop_reason(self) -> str:
        return str(self.answer["result"]["stopReason"])


class Client:
    """Speaks to a demo agent; every message of its must fit the schema. `lines` is what it printed, as it came."""

    def __init__(self, home: Path, directory: Path) -> None:
        environment = {**os.environ, "TETHER_DEMO_HOME": str(home), "TETHER_DEMO_PACE": "0", "PYTHONPATH": str(ROOT)}
        self.directory = directory
        self.process = subprocess.Popen(
            (sys.executable, "-P", "-m", "tetherd.agents.workers.demo"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            bufsize=0,
        )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.stdin, self.stdout, self.stderr = self.process.stdin, self.process.stdout, self.process.stderr
        self.session_id = ""
        self._numbers = itertools.count(100)
        self._methods: dict[int, str] = {}
        self.lines: queue.Queue[bytes] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with os.fdopen(os.dup(self.stdout.fileno()), "rb") as lines:
            for line in lines:
                self.lines.put(line)
        self.lines.put(b"")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()

    def send_line(self, line: bytes) -> None:
        rest = memoryview(line + b"\n")
        while rest:
            rest = rest[os.write(self.stdin.fileno(), rest) :]

    def send(self, method: str, **params: Any) -> int:
        number = next(self._numbers)
        self._methods[number] = method
        self.send_line(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode())
        return number

    def cancel(self) -> None:
        params = {"sessionId": self.session_id}
        self.send_line(json.dumps({"jsonrpc": "2.0", "method": "session/cancel", "params": params}).encode())

    def answer(self, request: Json, option: str | None, **more: Any) -> None:
        outcome = {"outcome": "selected", "optionId": option} if option else {"outcome": "cancelled"}
        message = {"jsonrpc": "2.0", "id": request["id"], "result": {"outcome": outcome, **more}}
        self.send_line(json.dumps(message).encode())

    def receive(self) -> Json:
        """The next message; {} at the end."""
        line = self.lines.get(timeout=HANG_SECONDS)
        if not line:
            return {}
        message: Json = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        if "method" in message:
            validator(CALLS[message["method"]]).validate(message["params"])
        elif "error" in message:
            validator("Error").validate(message["error"])
        else:
            validator(ANSWERS[self._methods[message["id"]]]).validate(message["result"])
        return message

    def until(self, number: int, told: Told, choose: Callable[[Json], str | None] | None = None) -> Told:
        """Reads up to the answer of request `number`; without `choose`, up to a permission request too."""
        while message := self.receive():
            if message.get("method") == "session/update":
                assert message["params"]["sessionId"] == self.session_id
                told.updates.append(message["params"]["update"])
            elif message.get("method") == "session/request_permission":
                told.requests.append(message)
                if choose is None:
                    return told
                self.answer(message, choose(message["params"]))
            elif message.get("id") == number:
                told.answer = message
                return told
        return told

    def ask(self, method: str, **params: Any) -> Json:
        return self.until(self.send(method, **params), Told()).answer

    def start(self) -> Client:
        self.ask("initialize", protocolVersion=1, clientCapabilities={})
        self.session_id = self.ask("session/new", cwd=str(self.directory), mcpServers=[])["result"]["sessionId"]
        return self

    def begin(self, text: str) -> int:
        return self.send("session/prompt", sessionId=self.session_id, prompt=[{"type": "text", "text": text}])

    def prompt(self, text: str, choose: Callable[[Json], str | None] = lambda params: "allow") -> Told:
        return self.until(self.begin(text), Told(), choose)
