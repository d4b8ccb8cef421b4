"""`codex app-server` as a codec: one run, sans-IO.

Source: the schema that Codex 0.169 writes of its protocol, with its experimental part, and what it was seen to do
(tests/agents/transcripts/codex-*.jsonl).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

import orjson
from pydantic import BaseModel, Field, JsonValue

from tetherd.agents.codex import wire
from tetherd.agents.codex.approvals import Asked, approval_for, asked_of, result_of
from tetherd.agents.codex.calls import CallsState
from tetherd.agents.codex.handshake import Handshake, HandshakeState
from tetherd.agents.codex.messages import MessagesState
from tetherd.agents.codex.news import News, NewsState
from tetherd.agents.codex.restraints import turn_settings
from tetherd.agents.codex.turns import Turns, TurnsState, detail_of
from tetherd.agents.codex.usage import Usage, UsageState
from tetherd.agents.codex.work import Work
from tetherd.agents.jsonlines import parse, table, text, unrecognised
from tetherd.domain.approval import Answer, Approval
from tetherd.domain.effects import AgentCommand, InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent, ApprovalRequested, ApprovalWithdrawn, NoticeRaised
from tetherd.domain.ids import approval_id_for
from tetherd.domain.images import Image
from tetherd.plugin import Fed, JsonObject, LaunchSpec

METHOD_LIMIT = 200
ASKED_LIMIT = 64
"""Open questions of one run; whatever else is asked then is refused."""


_BEGINNING = re.compile(rb'\{"method":"(?P<method>[\w/]+)",(?:"id":(?P<id>\d{1,18}|"[\w-]{1,100}"),)?')
"""How Codex begins a line, in this order of members."""


class State(BaseModel):
    """The snapshot: all that is needed to go on, but for text, which flush() has written."""

    handshake: HandshakeState = Field(default_factory=HandshakeState)
    turns: TurnsState = Field(default_factory=TurnsState)
    messages: MessagesState = Field(default_factory=MessagesState)
    calls: CallsState = Field(default_factory=CallsState)
    usage: UsageState = Field(default_factory=UsageState)
    news: NewsState = Field(default_factory=NewsState)
    asked: dict[str, Asked] = {}
    """Requests without an answer, by their id as JSON text."""


class CodexCodec:
    """See plugin.AgentCodec. Frames are whole lines with their newline; one frame may hold two of them."""

    def __init__(self, spec: LaunchSpec, snapshot: JsonObject | None) -> None:
        self._spec = spec
        state = self._state = State.model_validate(snapshot or {})
        self._handshake = Handshake(spec, state.handshake)
        self._turns = Turns(state.turns)
        self._work = Work(spec.run_id, state.messages, state.calls)
        self._usage = Usage(state.usage)
        self._news = News(state.news)

    def open(self) -> Sequence[bytes]:
        return (self._handshake.first_frame(),)

    def feed(self, line: bytes) -> Fed:
        if not line.strip():
            return Fed()
        message = parse(line)
        if message is None:
            return Fed([unrecognised(line, "not a JSON object")])
        method, params = text(message, "method"), table(message, "params")
        if method is None:
            why, fed = "an answer to nothing that was asked", self._answered(message)
        elif "id" in message:
            why, fed = "a request without a proper id", self._asked(method, message["id"], params)
        else:
            why, fed = f"unknown: {method[:METHOD_LIMIT]}", self._told(method, params)
        return Fed([unrecognised(line, why)]) if fed is None else fed

    def skipped(self, head: bytes, size: int) -> Fed:
        """Nobody can decide what nobody can see: a request is refused. The end of a turn is one, whatever it says."""
        fed = Fed([unrecognised(head, "a line over the limit", size)])
        begins = _BEGINNING.match(head)
        if begins and begins["id"]:
            fed.frames.append(wire.error(orjson.loads(begins["id"]), wire.METHOD_NOT_FOUND, "too long to be shown"))
        elif begins and begins["method"] == b"turn/completed":
            ended = self._turn_ended({})
            fed.events += ended.events
        return fed

    def pending_bytes(self) -> int:
        return self._work.messages.gathering.pending_bytes

    def flush(self) -> Sequence[AgentEvent]:
        return self._work.messages.gathering.flush()

    def finish(self) -> Sequence[AgentEvent]:
        return [*self._work.messages.close(), *self._usage.report()]

    def encode(self, command: AgentCommand, outbox_seq: int) -> bytes:
        match command:
            case Prompt(text=words, images=images):
                request_id = f"prompt-{outbox_seq}"
                self._turns.prompted(request_id)
                given = _input(words or "", images)
                params = {"threadId": self._thread_id, "input": given, **turn_settings(self._spec)}
                return wire.request(request_id, "turn/start", params)
            case Verdict(approval=approval, answer=answer):
                return self._verdict(approval, answer, outbox_seq)
            case InterruptTurn():
                return self._turns.interrupt(self._thread_id, f"interrupt-{outbox_seq}")
            case _:
                assert_never(command)

    def snapshot(self) -> JsonObject:
        return self._state.model_dump(mode="json", exclude_defaults=True)

    @property
    def _thread_id(self) -> str:
        return self._handshake.thread_id or ""

    # -- answers to what we asked ------------------------------------------------------------------------------------

    def _answered(self, answer: JsonObject) -> Fed | None:
        request_id = text(answer, "id")
        if request_id is None:
            return None
        word = request_id.partition("-")[0]
        match word:
            case "prompt":
                return self._turns.answered(self._thread_id, request_id, answer)
            case "interrupt" | "end":
                return Fed()  # a refusal says that there was nothing to end any more
            case "steer":
                return Fed([_reason_lost(answer)] if "error" in answer else [])
            case "sweep":
                frames = self._turns.swept(self._thread_id, request_id, answer)
                return None if frames is None else Fed(frames=frames)
            case _:
                return self._shaken(request_id, answer)

    def _shaken(self, request_id: str, answer: JsonObject) -> Fed | None:
        fed = self._handshake.answered(request_id, answer)
        if request_id == "start" and self._handshake.thread_id is not None:
            self._usage.begin()
        return fed

    # -- what Codex asks ---------------------------------------------------------------------------------------------

    def _asked(self, method: str, request_id: JsonValue, params: JsonObject) -> Fed | None:
        name = _name_of(request_id)
        if name is None:
            return None
        approval = approval_for(self._spec.run_id, name, method, params, self._work.calls)
        if approval is None or len(self._state.asked) >= ASKED_LIMIT:
            refusal = wire.error(request_id, wire.METHOD_NOT_FOUND, f"not possible here: {method[:METHOD_LIMIT]}")
            return Fed(_refused(method, params), frames=[refusal])
        self._state.asked[name] = asked_of(method, params)
        return Fed([*self._work.messages.close(), ApprovalRequested(approval=approval)])

    def _verdict(self, approval: Approval, answer: Answer | None, outbox_seq: int) -> bytes:
        """The answer; a reason goes ahead of it as a word to the turn, so that the next request to the model has it.

        Codex runs what it asked about and nothing else: approved with another input, it is rejected with that input.
        """
        is_ours = approval.run_id == self._spec.run_id  # another process counted its questions from 0 as well
        asked = self._state.asked.pop(approval.request_id, None) if is_ours else None
        if asked is None:
            return b""
        if answer is not None and answer.decision == "approve" and answer.updated_input is not None:
            instead = orjson.dumps(answer.updated_input).decode()
            answer = Answer(decision="reject", reason=f"do it with this input instead: {instead}")
        frame = wire.result(orjson.loads(approval.request_id), result_of(asked, approval, answer))
        if answer is None or answer.decision == "approve" or not answer.reason or asked.turn_id is None:
            return frame
        params: JsonObject = {
            "threadId": asked.thread_id,
            "expectedTurnId": asked.turn_id,
            "input": _input(f"Rejected: {answer.reason}"),
        }
        return wire.request(f"steer-{outbox_seq}", "turn/steer", params) + frame

    # -- what Codex tells --------------------------------------------------------------------------------------------

    def _told(self, method: str, params: JsonObject) -> Fed | None:
        if method == "serverRequest/resolved":
            return self._resolved(params)
        is_ours = text(params, "threadId") in (None, self._handshake.thread_id)
        if method.startswith("item/") and (fed := self._work.take(method, params, is_ours=is_ours)) is not None:
            return fed
        match method:
            case "turn/started" if is_ours:
                turn_id = wire.name_in(table(params, "turn"), "id")
                return None if turn_id is None else self._turns.began(self._thread_id, turn_id)
            case "turn/completed" if is_ours:
                return self._turn_ended(table(params, "turn"))
            case "turn/started" | "turn/completed":
                return Fed()  # of an agent that the agent began
            case "thread/tokenUsage/updated":
                if is_ours:
                    self._usage.told(params, is_ours=text(params, "turnId") == self._turns.turn_id)
                return Fed()
            case _:
                events = self._news.take(method, params)
                return None if events is None else Fed(events)

    def _resolved(self, params: JsonObject) -> Fed:
        """Behind every answer, and where Codex itself no longer asks."""
        name = _name_of(params.get("requestId"))
        if name is None or self._state.asked.pop(name, None) is None:
            return Fed()
        return Fed([ApprovalWithdrawn(approval_id=approval_id_for(self._spec.run_id, name))])

    def _turn_ended(self, turn: JsonObject) -> Fed:
        status, turn_id = text(turn, "status"), wire.name_in(turn, "id")
        for name in [name for name, asked in self._state.asked.items() if asked.turn_id == turn_id]:
            del self._state.asked[name]
        outcome = status if status in ("interrupted", "failed") else "completed"
        commands = self._work.calls.open_commands()
        frames = self._turns.sweep(self._thread_id, commands) if outcome == "interrupted" else []
        detail = detail_of(table(turn, "error"))
        events = [
            *self._work.end_turn(interrupted=outcome == "interrupted"),
            *self._usage.report(),
            *self._turns.ended(turn_id, outcome, detail),
        ]
        return Fed(events, frames=frames)


def _name_of(request_id: JsonValue) -> str | None:
    """A request's id as JSON text, so that 0 and "0" stay two; None for what is no id."""
    if isinstance(request_id, bool) or not isinstance(request_id, str | int):
        return None
    name = orjson.dumps(request_id).decode()
    return name if len(name) <= wire.ID_LIMIT else None


def _input(words: str, images: Sequence[Image] = ()) -> list[JsonValue]:
    shown: list[JsonValue] = [
        {"type": "image", "url": f"data:{image.media_type};base64,{image.data}"} for image in images
    ]
    return [{"type": "text", "text": words, "text_elements": []}, *shown]


def _reason_lost(answer: JsonObject) -> NoticeRaised:
    words = f"Codex did not take the reason of the rejection ({wire.failure(answer)}); the rejection stands."
    return NoticeRaised(level="warning", code="reason_undelivered", text=words)


def _refused(method: str, params: JsonObject) -> list[AgentEvent]:
    """What people are told of a question that was answered with no for them."""
    match method:
        case "mcpServer/elicitation/request":
            what = text(params, "message") or "it wants a form to be filled in"
            server = text(params, "serverName") or "an MCP server"
        case "item/tool/requestUserInput":
            what, server = "it asks for a secret, which tetherd does not pass on", "Codex"
        case "item/permissions/requestApproval":
            what, server = text(params, "reason") or "it asks for more rights", "Codex"
        case _:
            return []
    words = f"{server} asked something that cannot be answered here, and was refused: {what}"
    return [NoticeRaised(level="warning", code="question_refused", text=words[: METHOD_LIMIT * 10])]
