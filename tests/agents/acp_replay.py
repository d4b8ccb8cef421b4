"""Replays recorded conversations through the ACP codec.

`python -m tests.agents.acp_replay` writes what they mean now beside the recordings; read the difference.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.agents.demo_client import validator
from tetherd.agents.acp.codec import AcpCodec
from tetherd.domain.approval import Answer, Approval
from tetherd.domain.effects import InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent, ApprovalRequested, MessageWritten, ThinkingWritten
from tetherd.domain.ids import InputId, RunId, SessionId
from tetherd.domain.modes import Mode
from tetherd.plugin import LaunchSpec, TextDelta

TRANSCRIPTS = Path(__file__).parent / "transcripts"
NAMES = sorted(path.stem for path in TRANSCRIPTS.glob("acp-*.jsonl"))
HANDSHAKE_IDS = {"initialize": 1, "session/new": 2, "session/load": 3}

SCHEMAS = {
    "initialize": "InitializeRequest",
    "session/new": "NewSessionRequest",
    "session/load": "LoadSessionRequest",
    "session/set_mode": "SetSessionModeRequest",
    "session/prompt": "PromptRequest",
    "session/cancel": "CancelNotification",
}
"""What we say, by the name of its parameters in the protocol's schema."""

Json = dict[str, Any]


def read_frame(frame: bytes) -> Json:
    """A frame of ours, which must be one line and what the protocol's schema has for it."""
    assert frame.endswith(b"\n") and frame.count(b"\n") == 1
    message: Json = json.loads(frame)
    assert message["jsonrpc"] == "2.0"
    if "method" in message:
        validator(SCHEMAS[message["method"]]).validate(message["params"])
    elif "error" in message:
        validator("Error").validate(message["error"])
    else:
        validator("RequestPermissionResponse").validate(message["result"])
    return message


def launch_spec(vendor_session_id: str | None = None) -> LaunchSpec:
    return LaunchSpec(
        session_id=SessionId("s-1"),
        run_id=RunId("r-1"),
        directory="/project",
        mode=Mode.ASK,
        vendor_session_id=vendor_session_id,
    )


@dataclass
class Replay:
    """One conversation. `frames` is what we say in it, `answers` pairs what we and the recorded client answered."""

    records: Sequence[Json]
    cuts: Collection[int] = ()
    events: list[AgentEvent] = field(default_factory=list)
    deltas: list[TextDelta] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    answers: list[tuple[Json, Json]] = field(default_factory=list)
    snapshot_sizes: list[int] = field(default_factory=list)

    def run(self) -> Replay:
        """With a new life of the daemon after each record whose number is in `cuts`."""
        loaded = (record["msg"]["params"]["sessionId"] for record in self.records if _method(record) == "session/load")
        self._spec = launch_spec(next(loaded, None))
        self._codec = AcpCodec(self._spec, None)
        self._ids: dict[int, int] = {}
        self._approvals: dict[str, Approval] = {}
        self._seq = 0
        self.frames += self._codec.open()
        for number, record in enumerate(self.records):
            if record["dir"] == "in":
                self._said(record["msg"])
            elif record["dir"] == "out":
                self._hear(record["msg"])
            if number in self.cuts:
                self._begin_again()
        self.events += self._codec.finish()
        return self

    def _said(self, message: Json) -> None:
        self._seq += 1
        match message.get("method"):
            case "session/prompt":
                text = message["params"]["prompt"][0]["text"]
                self.frames.append(self._codec.encode(Prompt(InputId("i-1"), text), self._seq))
                self._ids[message["id"]] = json.loads(self.frames[-1])["id"]
            case "session/cancel":
                self.frames.append(self._codec.encode(InterruptTurn(), self._seq))
            case "initialize" | "session/new" | "session/load":
                self._ids[message["id"]] = HANDSHAKE_IDS[message["method"]]
            case None if "outcome" in message.get("result", {}):
                self._answered(message)

    def _answered(self, message: Json) -> None:
        approval = self._approvals[json.dumps(message["id"])]
        chosen = message["result"]["outcome"].get("optionId")
        option = next((option for option in approval.options if option.option_id == chosen), None)
        lasting = option is not None and option.lasting
        choice = (option.option_id,) if option and not lasting else ()
        answer = Answer(decision=option.decision, choice=choice) if option else None
        self.frames.append(self._codec.encode(Verdict(approval, answer), self._seq))
        if not lasting:
            self.answers.append((json.loads(self.frames[-1]), message))

    def _hear(self, message: Json) -> None:
        if "method" not in message:
            message = {**message, "id": self._ids.get(message["id"], message["id"])}
        fed = self._codec.feed(json.dumps(message).encode())
        self.events += fed.events
        self.deltas += fed.deltas
        self.frames += fed.frames
        for event in fed.events:
            if isinstance(event, ApprovalRequested):
                self._approvals[event.approval.request_id] = event.approval

    def _begin_again(self) -> None:
        self.events += self._codec.flush()
        snapshot = json.dumps(self._codec.snapshot())
        self.snapshot_sizes.append(len(snapshot))
        self._codec = AcpCodec(self._spec, json.loads(snapshot))


def records_of(name: str) -> list[Json]:
    return [json.loads(line) for line in (TRANSCRIPTS / f"{name}.jsonl").read_text().splitlines()]


def units(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text.encode("utf-16-le")) // 2


def joined(events: Iterable[AgentEvent]) -> list[AgentEvent]:
    """The events with each message whole, where its final part stood; fails on a gap, an overlap or a second end."""
    texts: dict[str, str] = {}
    ended: set[str] = set()
    whole: list[AgentEvent] = []
    for event in events:
        if not isinstance(event, MessageWritten | ThinkingWritten):
            whole.append(event)
            continue
        assert event.message_id not in ended
        text = texts.pop(event.message_id, "")
        assert event.offset == units(text)
        if event.final:
            ended.add(event.message_id)
            whole.append(event.model_copy(update={"offset": 0, "text": text + event.text}))
        else:
            texts[event.message_id] = text + event.text
    assert not texts
    return whole


def written(events: Iterable[AgentEvent]) -> str:
    """One event a line: its type, and what is not a default."""
    lines = []
    for event in joined(events):
        body = event.model_dump(mode="json", exclude_defaults=True)
        lines.append(f"{event.type} {json.dumps(body, ensure_ascii=False)}\n")
    return "".join(lines)


def _method(record: Json) -> str | None:
    return record["msg"].get("method") if record["dir"] == "in" else None


if __name__ == "__main__":
    for name in NAMES:
        (TRANSCRIPTS / f"{name}.events").write_text(written(Replay(records_of(name)).run().events))
