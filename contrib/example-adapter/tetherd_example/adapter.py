"""Drives the toy agent: an adapter that describes, and a codec that reads and writes lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from tetherd.domain.approval import Approval, ApprovalKind
from tetherd.domain.events import AgentEvent, AgentReady, ApprovalRequested, MessageWritten, TurnCompleted
from tetherd.domain.ids import approval_id_for
from tetherd.plugin import (
    AgentCodec,
    AgentCommand,
    Fed,
    InterruptTurn,
    JsonObject,
    Launch,
    LaunchSpec,
    Profile,
    Prompt,
    Setting,
    TextDelta,
    Verdict,
)


class ExampleAdapter:
    """Describes the agent; starts, reads and writes nothing."""

    name = "example"
    description = "a toy that repeats what it is told"
    external = False
    aliases = ("toy",)
    settings = (
        Setting(
            "TETHER_EXAMPLE_PROGRAM",
            "program",
            "path",
            sys.executable,
            "The Python that runs the toy agent.",
            str,
            guarded=True,  # not read from a project, where an agent could write it
        ),
    )
    environment_keys = ("EXAMPLE_API_KEY",)
    profile = Profile()

    def launch(self, spec: LaunchSpec) -> Launch:
        argv = (spec.settings["program"], "-P", "-m", "tetherd_example.agent")
        return Launch(argv=argv, environment=dict(spec.environment), directory=spec.directory)

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        return ExampleCodec(spec, snapshot)

    def program(self, settings: Mapping[str, str]) -> str | None:
        return settings["program"]


class ExampleCodec:
    """One run. All that must survive a restart of tetherd is in the snapshot; text since the last flush is not."""

    def __init__(self, spec: LaunchSpec, snapshot: JsonObject | None) -> None:
        state: Mapping[str, Any] = snapshot or {}
        self._spec = spec
        self._number: int = state.get("number", 0)
        self._written: int = state.get("written", 0)
        self._text = ""

    def open(self) -> Sequence[bytes]:
        return ()  # this agent speaks first

    def feed(self, line: bytes) -> Fed:
        try:
            message = json.loads(line)
        except ValueError:
            return Fed()
        match message:
            case {"ready": True}:
                return Fed([AgentReady(agent_name="toy")])
            case {"say": str(words)}:
                delta = TextDelta(self._message_id, "message", self._written + _units(self._text), words)
                self._text += words
                return Fed([], [delta])
            case {"ask": str(question), "command": str(command)}:
                return Fed([*self._close(), ApprovalRequested(approval=self._approval(question, command))])
            case {"done": True}:
                outcome: Literal["interrupted", "completed"] = (
                    "interrupted" if message.get("interrupted") else "completed"
                )
                return Fed([*self._close(), TurnCompleted(outcome=outcome)])
            case _:
                return Fed()

    def skipped(self, head: bytes, size: int) -> Fed:
        return Fed()

    def pending_bytes(self) -> int:
        return len(self._text.encode())

    def flush(self) -> Sequence[AgentEvent]:
        return [self._part(final=False)] if self._text else []

    def finish(self) -> Sequence[AgentEvent]:
        return self._close()

    def encode(self, command: AgentCommand, outbox_seq: int) -> bytes:
        match command:
            case Prompt(text=text):
                return _line(prompt=text)
            case Verdict(approval=approval, answer=answer) if answer is not None:
                return _line(answer=approval.request_id, yes=answer.decision == "approve")
            case Verdict() | InterruptTurn():  # to this agent a question that is cancelled ends the turn
                return _line(interrupt=True)

    def snapshot(self) -> JsonObject:
        return {"number": self._number, "written": self._written}

    @property
    def _message_id(self) -> str:
        return f"{self._spec.run_id}.{self._number}"

    def _approval(self, question: str, command: str) -> Approval:
        return Approval(
            approval_id=approval_id_for(self._spec.run_id, question),
            run_id=self._spec.run_id,
            request_id=question,
            kind=ApprovalKind.COMMAND,
            title=command,
            tool="Bash",
            command=command,
            cwd=self._spec.directory,
        )

    def _close(self) -> list[AgentEvent]:
        """The rest of the message, as its final part; what comes next is another message."""
        if not (self._text or self._written):
            return []
        part = self._part(final=True)
        self._number += 1
        self._written = 0
        return [part]

    def _part(self, *, final: bool) -> MessageWritten:
        part = MessageWritten(message_id=self._message_id, offset=self._written, text=self._text, final=final)
        self._written += _units(self._text)
        self._text = ""
        return part


def _units(text: str) -> int:
    """Offsets count UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def _line(**message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"
