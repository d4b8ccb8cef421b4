"""Replays recorded conversations through Claude Code's codec.

`python -m tests.agents.claude_replay` writes what they mean now beside the recordings; read the difference.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.agents.acp_replay import TRANSCRIPTS, records_of, written
from tetherd.agents.claude.codec import ClaudeCodec
from tetherd.domain.approval import Answer, Approval
from tetherd.domain.effects import InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent, ApprovalRequested
from tetherd.domain.ids import InputId, RunId, SessionId
from tetherd.domain.images import Image
from tetherd.domain.modes import Mode
from tetherd.plugin import LaunchSpec, TextDelta

NAMES = sorted(path.stem for path in TRANSCRIPTS.glob("claude-*.jsonl"))

Json = dict[str, Any]


def launch_spec(**fields: Any) -> LaunchSpec:
    """The run of the recordings."""
    return LaunchSpec(session_id=SessionId("s-1"), run_id=RunId("r-1"), directory="/project", mode=Mode.ASK, **fields)


@dataclass
class Replay:
    """One conversation. `frames` is what we say now, `recorded` what was said then."""

    records: Sequence[Json]
    cuts: Collection[int] = ()
    events: list[AgentEvent] = field(default_factory=list)
    deltas: list[TextDelta] = field(default_factory=list)
    frames: list[Json] = field(default_factory=list)
    recorded: list[Json] = field(default_factory=list)
    snapshot_sizes: list[int] = field(default_factory=list)

    def run(self) -> Replay:
        """With a new life of the daemon after each record whose number is in `cuts`."""
        self._spec = launch_spec(**self.records[0]["msg"].get("spec", {}))
        self._codec = ClaudeCodec(self._spec, None)
        self._approvals: dict[str, Approval] = {}
        self._seq = 0
        self._say(*self._codec.open())
        for number, record in enumerate(self.records):
            if record["dir"] == "in":
                self.recorded.append(record["msg"])
                self._command(record["msg"])
            elif record["dir"] == "out":
                self._hear(record["msg"])
            if number in self.cuts:
                self._begin_again()
        self.events += self._codec.finish()
        return self

    def _command(self, message: Json) -> None:
        """What the person did that made us say this."""
        match message["type"]:
            case "user":
                content = message["message"]["content"]
                blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
                text = "".join(block["text"] for block in blocks if block["type"] == "text")
                images = tuple(
                    Image(media_type=block["source"]["media_type"], data=block["source"]["data"])
                    for block in blocks
                    if block["type"] == "image"
                )
                self._encode(Prompt(InputId("i-1"), text, images))
            case "control_request" if message["request"]["subtype"] == "interrupt":
                self._encode(InterruptTurn())
            case "control_response" if approval := self._approvals.get(message["response"]["request_id"]):
                self._encode(Verdict(approval, _answer(approval, message["response"]["response"])))

    def _encode(self, command: Prompt | InterruptTurn | Verdict) -> None:
        self._seq += 1
        self._say(self._codec.encode(command, self._seq))

    def _hear(self, message: Json) -> None:
        fed = self._codec.feed(json.dumps(message).encode())
        self.events += fed.events
        self.deltas += fed.deltas
        self._say(*fed.frames)
        for event in fed.events:
            if isinstance(event, ApprovalRequested):
                self._approvals[event.approval.request_id] = event.approval

    def _say(self, *frames: bytes) -> None:
        for frame in frames:
            assert frame.endswith(b"\n") and frame.count(b"\n") == 1
            self.frames.append(json.loads(frame))

    def _begin_again(self) -> None:
        self.events += self._codec.flush()
        snapshot = json.dumps(self._codec.snapshot())
        self.snapshot_sizes.append(len(snapshot))
        self._codec = ClaudeCodec(self._spec, json.loads(snapshot))


def _answer(approval: Approval, response: Json) -> Answer | None:
    """The person's answer that this response was made of."""
    if response["behavior"] == "deny":
        return None if response.get("interrupt") else Answer(decision="reject", reason=response["message"])
    if "answers" in response.get("updatedInput", {}):
        chosen = set(response["updatedInput"]["answers"].values())
        choice = tuple(option.option_id for option in approval.options if option.label in chosen)
        return Answer(decision="approve", choice=choice)
    return Answer(decision="approve", updated_input=response.get("updatedInput"))


if __name__ == "__main__":
    for name in NAMES:
        (TRANSCRIPTS / f"{name}.events").write_text(written(Replay(records_of(name)).run().events))
