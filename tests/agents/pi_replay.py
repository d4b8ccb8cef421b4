"""Replays recorded conversations through the Pi codec.

`python -m tests.agents.pi_replay` writes what they mean now beside the recordings; read the difference.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.agents.acp_replay import TRANSCRIPTS, launch_spec, records_of, written
from tetherd.agents.pi.codec import PiCodec
from tetherd.domain.approval import Answer, Approval
from tetherd.domain.effects import AgentCommand, InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent, ApprovalRequested
from tetherd.domain.ids import InputId
from tetherd.plugin import TextDelta

NAMES = ("pi", "pi-resume", "pi-resume-gone")

Json = dict[str, Any]


@dataclass
class Replay:
    """One conversation, recorded with this codec: what we said then is what we must say now."""

    records: Sequence[Json]
    cuts: Collection[int] = ()
    events: list[AgentEvent] = field(default_factory=list)
    deltas: list[TextDelta] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    snapshot_sizes: list[int] = field(default_factory=list)

    def run(self) -> Replay:
        """With a new life of the daemon after each record whose number is in `cuts`."""
        resumed = next(one["msg"] for one in self.records if one["msg"].get("id") == "open" and one["dir"] == "out")
        is_resumed = resumed["data"]["messageCount"] or "gone" in resumed["data"]["sessionFile"]
        self._spec = launch_spec(resumed["data"]["sessionFile"] if is_resumed else None)
        self._codec = PiCodec(self._spec, None)
        self._approvals: dict[str, Approval] = {}
        self.frames += self._codec.open()
        for number, record in enumerate(self.records):
            if record["dir"] == "out":
                self._hear(record["msg"])
            elif command := self._command(record["msg"]):
                self.frames.append(self._codec.encode(command, _outbox_seq(record["msg"])))
            if number in self.cuts:
                self._begin_again()
        self.events += self._codec.finish()
        return self

    @property
    def said(self) -> list[Json]:
        """What was said by the recorded client, in order."""
        return [record["msg"] for record in self.records if record["dir"] == "in"]

    def _command(self, said: Json) -> AgentCommand | None:
        """The command behind a frame; None for one that the codec owed."""
        match said["type"]:
            case "prompt":
                return Prompt(InputId("i-1"), said["message"])
            case "abort":
                return InterruptTurn()
            case "extension_ui_response" if approval := self._approvals.get(said["id"]):
                return Verdict(approval, _answer(said))
            case _:
                return None

    def _hear(self, message: Json) -> None:
        fed = self._codec.feed(json.dumps(message).encode())
        self.events += fed.events
        self.deltas += fed.deltas
        self.frames += fed.frames
        for event in fed.events:
            if isinstance(event, ApprovalRequested):
                self._approvals[event.approval.request_id.partition(":")[2]] = event.approval

    def _begin_again(self) -> None:
        self.events += self._codec.flush()
        snapshot = json.dumps(self._codec.snapshot())
        self.snapshot_sizes.append(len(snapshot))
        self._codec = PiCodec(self._spec, json.loads(snapshot))


def _outbox_seq(said: Json) -> int:
    """The number in the id of a prompt or an abort; the other frames have ids of Pi's."""
    word, _, number = said["id"].partition("-")
    return int(number) if word in ("prompt", "abort") else 0


def _answer(said: Json) -> Answer | None:
    if "cancelled" in said:
        return None
    verdict = json.loads(said["value"])
    reason = verdict.get("reason", "").removeprefix("The user rejected this").removeprefix(": ").removeprefix(".")
    return Answer(decision=verdict["decision"], reason=reason or None, updated_input=verdict.get("input"))


if __name__ == "__main__":
    for name in NAMES:
        (TRANSCRIPTS / f"{name}.events").write_text(written(Replay(records_of(name)).run().events))
