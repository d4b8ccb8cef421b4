"""Replays recorded conversations through the Codex codec.

`python -m tests.agents.codex_replay` writes what they mean now beside the recordings; read the difference.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.agents.acp_replay import written
from tests.agents.codex_talk import launch_spec
from tetherd.agents.codex.codec import CodexCodec
from tetherd.domain.approval import Answer, Approval
from tetherd.domain.effects import AgentCommand, InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent, ApprovalRequested
from tetherd.domain.ids import InputId
from tetherd.plugin import Fed, TextDelta

TRANSCRIPTS = Path(__file__).parent / "transcripts"
NAMES = sorted(path.stem for path in TRANSCRIPTS.glob("codex-*.jsonl"))
SCHEMA = Path(__file__).parents[1] / "data" / "codex-app-server-0.169.schema.json"

Json = dict[str, Any]


@cache
def validator(definition: str) -> jsonschema_rs.Validator:
    schema = json.loads(SCHEMA.read_text())
    return jsonschema_rs.validator_for({"$ref": f"#/definitions/{definition}", "definitions": schema["definitions"]})


def words_of(definition: str) -> list[str]:
    """The words that Codex's schema has for something."""
    words: list[str] = json.loads(SCHEMA.read_text())["definitions"][definition]["enum"]
    return words


RESULTS = {
    "decision": "CommandExecutionRequestApprovalResponse",
    "action": "McpServerElicitationRequestResponse",
    "answers": "ToolRequestUserInputResponse",
}


def read_frames(frames: bytes) -> list[Json]:
    """Lines of ours, each of which must be what Codex's own schema has for it."""
    messages: list[Json] = [json.loads(line) for line in frames.splitlines()]
    assert not frames or frames.endswith(b"\n")
    for message in messages:
        if "method" in message and "id" in message:
            validator("ClientRequest").validate(message)
        elif "method" in message:
            validator("ClientNotification").validate(message)
        elif "error" in message:
            validator("JSONRPCError").validate(message)
        else:
            (member,) = {*message["result"]} & {*RESULTS}
            validator(RESULTS[member]).validate(message["result"])
    return messages


@dataclass
class Replay:
    """One conversation. `lines` is what we say in it, line by line, `recorded` what was said then."""

    records: Sequence[Json]
    cuts: Collection[int] = ()
    events: list[AgentEvent] = field(default_factory=list)
    deltas: list[TextDelta] = field(default_factory=list)
    lines: list[Json] = field(default_factory=list)
    recorded: list[Json] = field(default_factory=list)
    snapshot_sizes: list[int] = field(default_factory=list)

    def run(self) -> Replay:
        """With a new life of the daemon after each record whose number is in `cuts`."""
        note = self.records[0]["msg"]
        self._spec = launch_spec("/project", note.get("vendor_session_id"))
        self._codec = CodexCodec(self._spec, None)
        self._approvals: dict[str, Approval] = {}
        self._seq = 0
        for frame in self._codec.open():
            self._say(frame)
        for number, record in enumerate(self.records):
            match record["dir"]:
                case "do":
                    self._do(record["msg"])
                case "in":
                    self.recorded.append(record["msg"])
                case "out":
                    self._hear(self._codec.feed(json.dumps(record["msg"]).encode()))
            if number in self.cuts:
                self._begin_again()
        self.events += self._codec.finish()
        return self

    def _do(self, what: Json) -> None:
        command: AgentCommand
        match what:
            case {"prompt": text}:
                command = Prompt(InputId("i-1"), text)
            case {"verdict": request_id}:
                answer = what.get("answer")
                given = Answer.model_validate(answer) if answer else None
                command = Verdict(self._approvals[request_id], given)
            case _:
                command = InterruptTurn()
        self._seq += 1
        self._say(self._codec.encode(command, self._seq))

    def _hear(self, fed: Fed) -> None:
        self.events += fed.events
        self.deltas += fed.deltas
        for frame in fed.frames:
            self._say(frame)
        for event in fed.events:
            if isinstance(event, ApprovalRequested):
                self._approvals[event.approval.request_id] = event.approval

    def _say(self, frame: bytes) -> None:
        self.lines += read_frames(frame)

    def _begin_again(self) -> None:
        self.events += self._codec.flush()
        snapshot = json.dumps(self._codec.snapshot())
        self.snapshot_sizes.append(len(snapshot))
        self._codec = CodexCodec(self._spec, json.loads(snapshot))


def records_of(name: str) -> list[Json]:
    return [json.loads(line) for line in (TRANSCRIPTS / f"{name}.jsonl").read_text().splitlines()]


if __name__ == "__main__":
    for name in NAMES:
        (TRANSCRIPTS / f"{name}.events").write_text(written(Replay(records_of(name)).run().events))
