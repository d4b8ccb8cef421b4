"""Claude Code's stream-json as a codec: one run, sans-IO.

Every tool call is shown to us first (a PreToolUse hook that we answer at once), and what must be asked about comes
back as a can_use_tool request, which waits for its answer without limit. Source: `claude` 2.1.330, recorded in
tests/agents/transcripts/claude-*.jsonl; docs/agents/claude.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import assert_never

from pydantic import BaseModel, Field

from tetherd.agents.claude import frames
from tetherd.agents.claude.messages import Messages, MessagesState
from tetherd.agents.claude.permissions import approval_for, response_of
from tetherd.agents.claude.told import told
from tetherd.agents.claude.tools import must_ask
from tetherd.agents.claude.turns import Turns, TurnsState, failure_of
from tetherd.agents.jsonlines import parse, table, text, unrecognised
from tetherd.agents.showing import bounded_input
from tetherd.domain.approval import ApprovalKind
from tetherd.domain.effects import AgentCommand, InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent, AgentReady, ApprovalRequested, ApprovalWithdrawn, NoticeRaised
from tetherd.domain.ids import approval_id_for
from tetherd.plugin import Fed, JsonObject, LaunchSpec

NAME = "Claude Code"
SKIPPED = "(the result came in a line of {size} bytes, over tetherd's limit, and is not kept)"
_TOO_LONG = "tetherd: the request is too long to be shown to anybody"
_REQUEST = re.compile(rb'"type"\s*:\s*"control_request".*?"request_id"\s*:\s*"([^"\\]{1,100})"', re.DOTALL)
_RESULT = re.compile(rb'"tool_use_id"\s*:\s*"([^"\\]{1,200})"')

_NO_NEWS = frozenset({"keep_alive", "tool_progress", "auth_status", "prompt_suggestion", "tool_use_summary"})


class State(BaseModel):
    """The snapshot: all that is needed to go on, but for text, which flush() has written."""

    session_id: str | None = None
    """The program's conversation, once it has said that it is ready."""
    messages: MessagesState = Field(default_factory=MessagesState)
    turns: TurnsState = Field(default_factory=TurnsState)
    asked: dict[str, JsonObject | None] = {}
    """can_use_tool requests without an answer; of a question what it was given, for its answer must hold that."""
    background: list[str] = []
    """Tasks that run beside the turns."""


class ClaudeCodec:
    """See plugin.AgentCodec. Frames are whole lines with their newline."""

    def __init__(self, spec: LaunchSpec, snapshot: JsonObject | None) -> None:
        self._spec = spec
        state = self._state = State.model_validate(snapshot or {})
        self._messages = Messages(spec.run_id, state.messages)
        self._turns = Turns(state.turns)

    def open(self) -> Sequence[bytes]:
        if self._spec.vendor_session_id is None and self._spec.fork_of is None:
            return (frames.initialize(),)
        self._turns.count_from(None)
        return (frames.initialize(), frames.ask_cost())

    def feed(self, line: bytes) -> Fed:
        if not line.strip():
            return Fed()
        message = parse(line)
        if message is None:
            return Fed([unrecognised(line, "not a JSON object")])
        fed = self._take(message)
        return Fed([unrecognised(line, f"unknown: {text(message, 'type')}")]) if fed is None else fed

    def skipped(self, head: bytes, size: int) -> Fed:
        fed = Fed([unrecognised(head, "a line over the limit", size)])
        if asks := _REQUEST.search(head):
            # nobody can decide what nobody can be shown; unanswered it would wait for ever
            fed.frames.append(frames.refusal(asks[1].decode(errors="replace"), _TOO_LONG))
        elif result := _RESULT.search(head):
            fed.events += self._messages.calls.end_unread(result[1].decode(errors="replace"), SKIPPED.format(size=size))
        return fed

    def pending_bytes(self) -> int:
        return self._messages.gathering.pending_bytes

    def flush(self) -> Sequence[AgentEvent]:
        return self._messages.gathering.flush()

    def finish(self) -> Sequence[AgentEvent]:
        return [*self._messages.gathering.close(), *self._messages.calls.end_all()]

    def encode(self, command: AgentCommand, outbox_seq: int) -> bytes:
        match command:
            case Prompt(text=words, images=images):
                prompt_id = frames.prompt_id_for(self._spec.run_id, outbox_seq)
                self._turns.prompted(prompt_id)
                return frames.prompt(prompt_id, words or "", images)
            case Verdict(approval=approval, answer=answer):
                asked = self._state.asked.pop(approval.request_id, None)
                return frames.answer(approval.request_id, response_of(answer, asked))
            case InterruptTurn():
                return frames.interrupt(outbox_seq)
            case _:
                assert_never(command)

    def snapshot(self) -> JsonObject:
        return self._state.model_dump(mode="json", exclude_defaults=True)

    def _take(self, message: JsonObject) -> Fed | None:
        match text(message, "type"):
            case "stream_event":
                return self._messages.streamed(message)
            case "assistant":
                return self._messages.assistant(message)
            case "user":
                return self._messages.user(message)
            case "control_request":
                return self._asked(text(message, "request_id"), table(message, "request"))
            case "control_response":
                return self._answered(table(message, "response"))
            case "control_cancel_request":
                return self._withdrawn(text(message, "request_id"))
            case "command_lifecycle":
                return Fed(self._turns.lifecycle(message))
            case "result":
                return self._ended(message)
            case "system" if text(message, "subtype") == "init":
                return Fed([*self._ready(message), *self._turns.begun()])
            case "system" | "rate_limit_event":
                cut_off = self._messages.cut_off() if text(message, "subtype") == "api_retry" else []
                events = told(message, self._state.background)
                return None if events is None else Fed([*cut_off, *events])
            case kind:
                return Fed() if kind in _NO_NEWS else None

    def _asked(self, request_id: str | None, request: JsonObject) -> Fed | None:
        if request_id is None:
            return None
        match text(request, "subtype"):
            case "hook_callback":
                return Fed(frames=[frames.answer(request_id, self._judged(table(request, "input")))])
            case "can_use_tool":
                return self._asked_for_leave(request_id, request)
            case subtype:
                return Fed(frames=[frames.refusal(request_id, f"tetherd does not answer {(subtype or 'this')[:100]}")])

    def _judged(self, call: JsonObject) -> JsonObject:
        """The hook's answer: nothing, or that the call must become a request."""
        tool = text(call, "tool_name") or ""
        if not must_ask(tool, table(call, "tool_input"), text(call, "permission_mode"), self._spec.directory):
            return {}
        said = {"permissionDecision": "ask", "permissionDecisionReason": "tetherd decides"}
        return {"hookSpecificOutput": {"hookEventName": "PreToolUse", **said}}

    def _asked_for_leave(self, request_id: str, request: JsonObject) -> Fed:
        approval = approval_for(self._spec.run_id, request_id, self._spec.directory, request)
        given = table(request, "input") if approval.kind is ApprovalKind.QUESTION else None
        if given is not None and bounded_input(given) != given:
            return Fed(frames=[frames.refusal(request_id, _TOO_LONG)])
        self._state.asked[request_id] = given
        return Fed([*self._messages.gathering.close(), ApprovalRequested(approval=approval)])

    def _withdrawn(self, request_id: str | None) -> Fed | None:
        if request_id is None:
            return None
        self._state.asked.pop(request_id, None)
        return Fed([ApprovalWithdrawn(approval_id=approval_id_for(self._spec.run_id, request_id))])

    def _answered(self, response: JsonObject) -> Fed | None:
        """An answer to a request of ours. One that is not ours is an echo and means nothing."""
        is_error = text(response, "subtype") == "error"
        match text(response, "request_id"):
            case frames.INITIALIZE if is_error:
                why = text(response, "error") or "it gave no reason"
                return Fed([NoticeRaised(level="error", code="agent_refused", text=f"{NAME} cannot begin: {why}")])
            case frames.INITIALIZE:
                return Fed(self._initialized(table(response, "response")))
            case frames.COST if not is_error:
                cost = table(table(response, "response"), "session").get("total_cost_usd")
                self._turns.count_from(float(cost) if isinstance(cost, int | float) else None)
        return Fed()

    def _initialized(self, about: JsonObject) -> list[AgentEvent]:
        self._state.session_id = self._spec.vendor_session_id or frames.session_id_for(self._spec.run_id)
        version = text(about, "claude_code_version")
        events: list[AgentEvent] = []
        if about.get("hook_on_failure_supported") is not True:
            said = f"{NAME} {version or 'of an unknown version'} is too old to be held to ask; 2.1.330 can be."
            events.append(NoticeRaised(level="warning", code="old_version", text=said))
        ready = AgentReady(vendor_session_id=self._state.session_id, agent_name=NAME, agent_version=version)
        return [*events, ready]

    def _ready(self, init: JsonObject) -> list[AgentEvent]:
        """A turn names its conversation; /clear begins another one."""
        session_id = text(init, "session_id")
        if session_id is None or session_id == self._state.session_id:
            return []
        self._state.session_id = session_id
        version = text(init, "claude_code_version")
        return [AgentReady(vendor_session_id=session_id, agent_name=NAME, agent_version=version)]

    def _ended(self, result: JsonObject) -> Fed:
        if self._state.session_id is None:
            said = f"{NAME} cannot begin: {failure_of(result)}"
            return Fed([NoticeRaised(level="error", code="agent_refused", text=said)])
        return Fed([*self._messages.end_turn(), *self._turns.ended(result)])
