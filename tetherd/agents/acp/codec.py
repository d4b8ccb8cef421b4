"""The Agent Client Protocol as a codec: one run, sans-IO.

Source: protocolVersion 1 of the schema, and what OpenCode 1.18, Gemini CLI 0.61, claude-agent-acp 0.49 and codex-acp
0.16 were seen to do (tests/agents/transcripts/acp-*.jsonl).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

import orjson
from pydantic import BaseModel, Field, JsonValue

from tetherd.agents import jsonlines
from tetherd.agents.acp import wire
from tetherd.agents.acp.handshake import Handshake, HandshakeState, failure
from tetherd.agents.acp.permissions import approval_for, outcome_of
from tetherd.agents.acp.terms import Terms
from tetherd.agents.acp.told import read_told
from tetherd.agents.acp.toolcalls import CallsState
from tetherd.agents.acp.updates import CostState, Updates, plan_text
from tetherd.agents.gathering import GatheringState
from tetherd.domain.effects import AgentCommand, InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent, ApprovalRequested, ApprovalWithdrawn, NoticeRaised, TurnCompleted
from tetherd.domain.ids import approval_id_for
from tetherd.plugin import Fed, JsonObject, LaunchSpec

FIRST_PROMPT = 1000
"""A prompt's id is this plus its outbox seq: far from the ids of the handshake."""
METHOD_LIMIT = 200


class State(BaseModel):
    """The snapshot: all that is needed to go on, but for text, which flush() has written."""

    handshake: HandshakeState = Field(default_factory=HandshakeState)
    gathering: GatheringState = Field(default_factory=GatheringState)
    calls: CallsState = Field(default_factory=CallsState)
    cost: CostState = Field(default_factory=CostState)
    prompt_id: int | None = None
    """The prompt without an answer. There is at most one: four agents do four different things with a second."""
    asked: list[str] = []
    """Permission requests without an answer, by their id as JSON text."""
    is_cancelled: bool = False
    """True once we have cancelled the running turn."""
    images_left_out: int = 0
    """Of the newest prompt, as long as nobody has been told."""


class AcpCodec:
    """See plugin.AgentCodec. Frames are whole lines with their newline."""

    def __init__(self, spec: LaunchSpec, snapshot: JsonObject | None, terms: Terms = Terms()) -> None:  # noqa: B008
        self._spec = spec
        state = self._state = State.model_validate(snapshot or {})
        self._handshake = Handshake(spec, state.handshake, terms)
        self._updates = Updates(spec.run_id, state.gathering, state.calls, state.cost)

    def open(self) -> Sequence[bytes]:
        return (self._handshake.first_frame(),)

    def feed(self, line: bytes) -> Fed:
        if not line.strip():
            return Fed()
        message = jsonlines.parse(line)
        if message is None:
            return Fed([jsonlines.unrecognised(line, "not a JSON object")])
        fed = self._read(line, message)
        if self._state.images_left_out:
            fed.events.insert(0, _left_out(self._state.images_left_out))
            self._state.images_left_out = 0
        return fed

    def _read(self, line: bytes, message: JsonObject) -> Fed:
        method, params = jsonlines.text(message, "method"), jsonlines.table(message, "params")
        if method is None:
            why, fed = "an answer to nothing that was asked", self._answered(message)
        elif "id" in message:
            why, fed = "a request without a proper id", self._asked(method, message["id"], params)
        else:
            why, fed = f"unknown: {method[:METHOD_LIMIT]}", self._told(method, params)
        return Fed([jsonlines.unrecognised(line, why)]) if fed is None else fed

    def skipped(self, head: bytes, size: int) -> Fed:
        return Fed([jsonlines.unrecognised(head, "a line over the limit", size)])

    def pending_bytes(self) -> int:
        return self._updates.gathering.pending_bytes

    def flush(self) -> Sequence[AgentEvent]:
        return self._updates.gathering.flush()

    def finish(self) -> Sequence[AgentEvent]:
        return [*self._updates.gathering.close(), *self._updates.usage({})]

    def encode(self, command: AgentCommand, outbox_seq: int) -> bytes:
        session_id = self._handshake.session_id
        match command:
            case Prompt():
                self._state.prompt_id = FIRST_PROMPT + outbox_seq
                self._state.is_cancelled = False
                self._updates.gathering.leave()
                prompt: JsonObject = {"sessionId": session_id, "prompt": self._blocks(command)}
                return wire.request(self._state.prompt_id, "session/prompt", prompt)
            case Verdict(approval=approval, answer=answer):
                if approval.request_id in self._state.asked:
                    self._state.asked.remove(approval.request_id)
                if answer is not None and answer.decision == "reject" and approval.tool_call_id is not None:
                    self._updates.calls.reject(approval.tool_call_id)
                return wire.result(orjson.loads(approval.request_id), outcome_of(approval, answer))
            case InterruptTurn():
                self._state.is_cancelled = True
                return wire.notification("session/cancel", {"sessionId": session_id})
            case _:
                assert_never(command)

    def snapshot(self) -> JsonObject:
        return self._state.model_dump(mode="json", exclude_defaults=True)

    def _answered(self, answer: JsonObject) -> Fed | None:
        if self._state.prompt_id is not None and jsonlines.integer(answer, "id") == self._state.prompt_id:
            return self._turn_ended(answer)
        was_ready = self._handshake.stage == "ready"
        fed = self._handshake.answered(answer)
        if not was_ready and self._handshake.stage == "ready" and self._handshake.is_loaded:
            # costs are sums over the whole session: what it cost in earlier runs has been reported by them
            self._updates.forget_cost()
        return fed

    def _turn_ended(self, answer: JsonObject) -> Fed:
        self._state.prompt_id = None
        self._state.asked.clear()
        usage = self._updates.usage(jsonlines.table(answer, "result"))
        completed = _completed(answer, is_cancelled=self._state.is_cancelled)
        return Fed([*self._updates.end_turn(), *usage, completed])

    def _blocks(self, prompt: Prompt) -> list[JsonValue]:
        """The prompt's content; images only for an agent that has said that it takes them."""
        blocks: list[JsonValue] = [{"type": "text", "text": prompt.text or ""}]
        if self._handshake.takes_images:
            blocks += [{"type": "image", "mimeType": one.media_type, "data": one.data} for one in prompt.images]
        else:
            self._state.images_left_out = len(prompt.images)
        return blocks

    def _asked(self, method: str, request_id: JsonValue, params: JsonObject) -> Fed | None:
        if isinstance(request_id, dict | list | float):
            return None
        if method != "session/request_permission":
            return Fed(frames=[wire.error(request_id, wire.METHOD_NOT_FOUND, f"unknown: {method[:METHOD_LIMIT]}")])
        told = read_told(jsonlines.table(params, "toolCall"))
        if told is None:
            return Fed(frames=[wire.error(request_id, wire.INVALID_PARAMS, "toolCall.toolCallId is missing")])
        events = self._updates.asked(told)
        call = self._updates.calls.known(told.tool_call_id)
        if call.kind == "switch_mode" and (plan := plan_text(told)):
            events.append(NoticeRaised(level="info", code="plan", text=plan))
        name = orjson.dumps(request_id).decode()
        options = jsonlines.tables(params, "options")
        approval = approval_for(self._spec.run_id, name, self._spec.directory, told, call, options)
        self._state.asked.append(name)
        return Fed([*events, ApprovalRequested(approval=approval)])

    def _told(self, method: str, params: JsonObject) -> Fed | None:
        if method == "session/update":
            if self._handshake.is_repeating:
                self._handshake.note_update()
                return Fed()
            return self._updates.take(jsonlines.table(params, "update"))
        if method == "$/cancel_request":
            return self._withdrawn(params.get("requestId"))
        # names that begin so are extensions and hints, which everybody may ignore
        return Fed() if method.startswith(("_", "$/")) else None

    def _withdrawn(self, request_id: JsonValue) -> Fed | None:
        if isinstance(request_id, dict | list | float):
            return None
        name = orjson.dumps(request_id).decode()
        fed = Fed([ApprovalWithdrawn(approval_id=approval_id_for(self._spec.run_id, name))])
        if name in self._state.asked:
            self._state.asked.remove(name)
            fed.frames.append(wire.error(request_id, wire.REQUEST_CANCELLED, "cancelled, as you asked"))
        return fed


def _left_out(count: int) -> NoticeRaised:
    text = f"The agent takes no images: {count} {'was' if count == 1 else 'were'} left out, the text was sent."
    return NoticeRaised(level="warning", code="images_left_out", text=text)


def _completed(answer: JsonObject, *, is_cancelled: bool) -> TurnCompleted:
    if "error" in answer:
        is_cancelled = jsonlines.integer(jsonlines.table(answer, "error"), "code") == wire.REQUEST_CANCELLED
        return TurnCompleted(outcome="interrupted" if is_cancelled else "failed", detail=failure(answer))
    match jsonlines.text(jsonlines.table(answer, "result"), "stopReason"):
        case "end_turn":
            return TurnCompleted(outcome="completed")
        case "cancelled" if is_cancelled:
            return TurnCompleted(outcome="interrupted")
        case "cancelled":  # codex-acp ends a turn in which something was rejected
            return TurnCompleted(outcome="completed", detail="the agent ended its turn")
        case "refusal":
            return TurnCompleted(outcome="failed", detail="refusal")
        case reason:  # max_tokens, max_turn_requests, and what a later version may say
            return TurnCompleted(outcome="completed", detail=reason or "the agent gave no reason")
