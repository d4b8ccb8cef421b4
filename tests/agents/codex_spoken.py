"""A Codex codec that is spoken to, line by line. Everything that it says must be right by Codex's schema."""

from __future__ import annotations

import json
from typing import Any

from tests.agents.codex_replay import Json, read_frames
from tests.agents.codex_talk import launch_spec
from tetherd.agents.codex.codec import CodexCodec
from tetherd.domain.approval import Approval
from tetherd.domain.effects import AgentCommand, Prompt
from tetherd.domain.events import AgentEvent, AgentReady, ApprovalRequested
from tetherd.domain.ids import InputId
from tetherd.plugin import Fed

THREAD, TURN = "t-1", "u-1"


class Spoken:
    """`hear` feeds a line, `told` a notification of our thread and turn, `says` what the codec then sends."""

    def __init__(self, vendor_session_id: str | None = None, *, fork_of: str | None = None, **own: str) -> None:
        self.spec = launch_spec("/project", vendor_session_id, fork_of, **own)
        self.codec = CodexCodec(self.spec, None)
        self.lines = [line for frame in self.codec.open() for line in read_frames(frame)]

    def hear(self, **message: Any) -> Fed:
        fed = self.codec.feed(json.dumps(message).encode())
        self.lines += [line for frame in fed.frames for line in read_frames(frame)]
        return fed

    def told(self, method: str, **params: Any) -> Fed:
        return self.hear(method=method, params={"threadId": THREAD, "turnId": TURN, **params})

    def say(self, command: AgentCommand, seq: int = 1) -> list[Json]:
        return read_frames(self.codec.encode(command, seq))

    def newest(self, method: str) -> Json:
        """The parameters of our newest request of that name."""
        return next(line["params"] for line in reversed(self.lines) if line.get("method") == method)

    def looked(self, *, config: Json | None = None, rules: tuple[str, ...] = ()) -> Fed:
        """Codex has said hello, and what it has by way of settings."""
        self.hear(id="initialize", result={"codexHome": "/home/user/.codex"})
        entries = [{"fileName": name, "isDirectory": False, "isFile": True} for name in rules]
        self.hear(id="rules", result={"entries": entries})
        self.hear(id="config", result={"config": config or {}, "origins": {}})
        return self.hear(id="system-rules", error={"code": -32603, "message": "No such file"})

    def ready(self) -> Spoken:
        self.looked()
        begun = {"thread": {"id": THREAD, "cliVersion": "0.169.0"}}
        (event,) = self.hear(id="start", result=begun).events
        assert isinstance(event, AgentReady)
        return self

    def running(self) -> Spoken:
        """A turn of ours runs."""
        self.ready()
        self.say(Prompt(InputId("i-1"), "go"), 1)
        assert self.hear(id="prompt-1", result={"turn": {"id": TURN}}).events == []
        return self

    def asks(self, method: str, request_id: Any = 0, **params: Any) -> Approval:
        whole = {"threadId": THREAD, "turnId": TURN, "itemId": "c-1", **params}
        (*_, event) = self.hear(id=request_id, method=method, params=whole).events
        assert isinstance(event, ApprovalRequested)
        return event.approval

    def asks_for_command(self, command: str = "/bin/bash -lc ls", request_id: Any = 0, **params: Any) -> Approval:
        return self.asks("item/commandExecution/requestApproval", request_id, command=command, cwd="/project", **params)

    def prompt(self, seq: int) -> None:
        self.say(Prompt(InputId("i"), "go"), seq)

    def command(self, item_id: str = "c-1", status: str = "inProgress", **item: Any) -> list[AgentEvent]:
        """The beginning of a command, or its end with any other status."""
        whole = {"type": "commandExecution", "id": item_id, "command": "/bin/sh -c ls", "cwd": "/p", "status": status}
        method = "item/started" if status == "inProgress" else "item/completed"
        return self.told(method, item={**whole, **item}).events

    def ends_turn(self, status: str = "completed", turn_id: str = TURN, **turn: Any) -> list[AgentEvent]:
        return self.told("turn/completed", turn={"id": turn_id, "status": status, **turn}).events


def of(events: list[AgentEvent], *types: str) -> list[AgentEvent]:
    return [event for event in events if event.type in types]
