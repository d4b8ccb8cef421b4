"""`pi --mode rpc` as a codec: one run, sans-IO.

Source: docs/rpc.md of the package, and what 0.73, 0.74 and 0.87 were seen to do (tests/agents/transcripts/pi-*.jsonl).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, assert_never

from pydantic import BaseModel, Field

from tetherd.agents.gathering import Gathering, GatheringState
from tetherd.agents.jsonlines import integer, parse, table, text, unrecognised
from tetherd.agents.pi import questions
from tetherd.agents.pi.tools import CallsState, ToolCalls, result_text
from tetherd.agents.pi.turn import Turns, TurnState, frame, notice
from tetherd.agents.showing import cut
from tetherd.domain.effects import AgentCommand, InterruptTurn, Prompt, Verdict
from tetherd.domain.events import (
    AgentEvent,
    AgentReady,
    ApprovalRequested,
    ApprovalWithdrawn,
    NoticeRaised,
)
from tetherd.domain.ids import approval_id_for
from tetherd.plugin import Fed, JsonObject, LaunchSpec

TEXT_LIMIT = 4096
KIND_LIMIT = 200
ID_LIMIT = 500
ASKED_LIMIT = 64
_NO_NEWS = frozenset(
    {
        "entry_appended",
        "message_start",  # what a person said stands in our log already, what Pi says comes in pieces
        "queue_update",
        "session_info_changed",
        "thinking_level_changed",
        "tool_execution_update",
        "turn_end",
        "turn_start",
    }
)
_PIECES: dict[str, Literal["message", "thinking"]] = {"text_delta": "message", "thinking_delta": "thinking"}


class State(BaseModel):
    """The snapshot. `asked` are tool calls that a person was asked about and Pi still waits for: request by call."""

    stage: Literal["opening", "ready", "refused"] = "opening"
    is_guarded: bool = False
    """True once gate.js has said that it is there; until then nothing is sent that could make a tool run."""
    version: str | None = None
    messages: int = 0
    gathering: GatheringState = Field(default_factory=GatheringState)
    calls: CallsState = Field(default_factory=CallsState)
    turn: TurnState = Field(default_factory=TurnState)
    asked: dict[str, str] = {}


class PiCodec:
    """See plugin.AgentCodec. Frames are whole lines with their newline."""

    def __init__(self, spec: LaunchSpec, snapshot: JsonObject | None) -> None:
        self._spec = spec
        self._state = State.model_validate(snapshot or {})
        self._gathering = Gathering(spec.run_id, self._state.gathering)
        self._calls = ToolCalls(self._state.calls)
        self._turns = Turns(self._state.turn, self._close)

    def open(self) -> Sequence[bytes]:
        return (frame({"id": "open", "type": "get_state"}),)

    def feed(self, line: bytes) -> Fed:
        if not line.strip():
            return Fed()
        message = parse(line)
        if message is None:
            return Fed([unrecognised(line, "not a JSON object")])
        fed = self._read(message)
        why = f"unknown: {(text(message, 'type') or 'no type')[:KIND_LIMIT]}"
        return Fed([unrecognised(line, why)]) if fed is None else fed

    def skipped(self, head: bytes, size: int) -> Fed:
        fed = Fed([unrecognised(head, "a line over the limit", size)])
        if head.startswith(b'{"type":"agent_end"'):  # it repeats the whole turn; that the turn has ended is news
            return Fed([*fed.events, *self._gathering.close()], frames=self._turns.run_ended().frames)
        return fed

    def pending_bytes(self) -> int:
        return self._gathering.pending_bytes

    def flush(self) -> Sequence[AgentEvent]:
        return self._gathering.flush()

    def finish(self) -> Sequence[AgentEvent]:
        return [*self._gathering.close(), *self._turns.take_usage()]

    def encode(self, command: AgentCommand, outbox_seq: int) -> bytes:
        state = self._state
        match command:
            case Prompt(text=words, images=images):
                if not self._turns.is_open:
                    self._turns.begin()
                    self._gathering.leave()
                # while Pi works the words join in where the model is asked next, and are not refused
                how: JsonObject = {"message": words or "", "streamingBehavior": "steer"}
                if images:
                    how["images"] = [{"type": "image", "data": one.data, "mimeType": one.media_type} for one in images]
                return frame({"id": f"prompt-{outbox_seq}", "type": "prompt", **how})
            case Verdict(approval=approval, answer=answer):
                state.asked = {call: name for call, name in state.asked.items() if name != approval.request_id}
                return frame(questions.answer_frame(approval, answer))
            case InterruptTurn():
                self._turns.interrupt()
                return frame({"id": f"abort-{outbox_seq}", "type": "abort"})
            case _:
                assert_never(command)

    def snapshot(self) -> JsonObject:
        return self._state.model_dump(mode="json", exclude_defaults=True)

    # -- what Pi says ------------------------------------------------------------------------------------------------

    def _read(self, message: JsonObject) -> Fed | None:
        match text(message, "type"):
            case "response":
                return self._answered(message)
            case "message_update":
                return self._piece(table(message, "assistantMessageEvent"))
            case "message_end":
                return self._message_ended(table(message, "message"))
            case "tool_execution_start":
                return self._call_begun(message)
            case "tool_execution_end":
                return self._call_ended(message)
            case "extension_ui_request":
                return self._dialog(message)
            case "agent_start":
                return self._turns.run_started()
            case "agent_end":
                return Fed(self._gathering.close(), frames=self._turns.run_ended().frames)
            case "agent_settled":
                return self._turns.settled()
            case "auto_retry_start":
                return self._turns.retry_begins(message)
            case "auto_retry_end":
                return self._turns.retry_ended(message)
            case "compaction_start":
                return notice("info", "context_compacted", "Pi makes room in its context.")
            case "compaction_end":
                return self._turns.compaction_ended(message)
            case "extension_error":
                why = f"{text(message, 'event') or 'an event'}: {text(message, 'error') or 'no reason given'}"
                return notice("warning", "extension_error", f"A Pi extension failed in {why}")
            case kind:
                return Fed() if kind in _NO_NEWS else None

    def _answered(self, answer: JsonObject) -> Fed | None:
        data, is_good = table(answer, "data"), answer.get("success") is True
        what, _, number = (text(answer, "id") or "").partition("-")
        match what:
            case "open" if self._state.stage == "opening":
                return self._opened(data) if is_good else self._refused(_why(answer))
            case "prompt":
                return self._turns.prompt_answered(None if is_good else _why(answer))
            case "abort":
                return self._turns.abort_answered()
            case "probe" if number.isdecimal():
                return self._turns.probe_answered(int(number), data)
            case _:
                return None

    def _opened(self, data: JsonObject) -> Fed:
        if not self._state.is_guarded:
            return self._refused("it has not loaded tetherd's extension, so nobody would be asked")
        session_file = text(data, "sessionFile")
        self._state.stage = "ready"
        events: list[AgentEvent] = []
        if self._spec.vendor_session_id is not None and integer(data, "messageCount") == 0:
            words = "Pi has nothing of this conversation on disk, it begins a new one."
            events.append(NoticeRaised(level="warning", code="resume_failed", text=words))
        ready = AgentReady(vendor_session_id=session_file, agent_name="Pi", agent_version=self._state.version)
        return Fed([*events, ready])

    def _refused(self, why: str) -> Fed:
        """Pi runs and gets no prompt: a person, or its exit, ends that."""
        self._state.stage = "refused"
        return notice("error", "agent_refused", f"Pi cannot begin: {why}")

    def _close(self) -> list[AgentEvent]:
        """An end for all that a turn leaves open."""
        self._state.asked.clear()
        return [*self._gathering.close(), *self._calls.end_all()]

    # -- text and tools ----------------------------------------------------------------------------------------------

    def _piece(self, piece: JsonObject) -> Fed | None:
        kind = text(piece, "type") or ""
        if kind not in _PIECES:
            return Fed() if kind.startswith(("text_", "thinking_", "toolcall_", "start", "done", "error")) else None
        agents_id = f"{self._state.messages}.{integer(piece, 'contentIndex')}"
        events, delta = self._gathering.add(_PIECES[kind], agents_id, text(piece, "delta") or "")
        return Fed(events, [delta] if delta else [])

    def _message_ended(self, message: JsonObject) -> Fed:
        if text(message, "role") != "assistant":
            return Fed()
        self._state.messages += 1
        self._turns.note_message(message)
        return Fed(self._gathering.close())

    def _call_begun(self, message: JsonObject) -> Fed | None:
        call_id = text(message, "toolCallId")
        if call_id is None or len(call_id) > ID_LIMIT:
            return None
        started = self._calls.begin(call_id, text(message, "toolName") or "", table(message, "args"))
        return Fed([*self._gathering.close(), *started])

    def _call_ended(self, message: JsonObject) -> Fed | None:
        call_id = text(message, "toolCallId")
        if call_id is None:
            return None
        output = result_text(table(message, "result"))
        return Fed([*self._withdrawn(call_id), *self._calls.end(call_id, output, ok=message.get("isError") is False)])

    def _withdrawn(self, call_id: str) -> list[AgentEvent]:
        """Pi drops its questions without a word when it is interrupted; the call's end tells."""
        request_id = self._state.asked.pop(call_id, None)
        if request_id is None:
            return []
        return [ApprovalWithdrawn(approval_id=approval_id_for(self._spec.run_id, request_id))]

    # -- what is asked -----------------------------------------------------------------------------------------------

    def _dialog(self, request: JsonObject) -> Fed | None:
        method, ui_id = text(request, "method"), text(request, "id")
        if method not in questions.DIALOGS:
            return self._shown(method, request)
        if ui_id is None or len(ui_id) > ID_LIMIT:
            return None
        words = questions.own_words(text(request, "title") or "")
        if words is None:
            approval = questions.dialog_approval(self._spec.run_id, ui_id, request)
            if approval is None:
                told = notice("warning", "question_too_long", "A Pi extension asked more than can be shown.")
                return Fed(told.events, frames=[frame(questions.dismiss_frame(ui_id))])
            return Fed([*self._gathering.close(), ApprovalRequested(approval=approval)])
        if questions.passes(words, self._spec.directory):
            return Fed(frames=[frame(questions.pass_frame(ui_id))])
        approval = questions.tool_call_approval(self._spec.run_id, ui_id, self._spec.directory, words)
        if approval.tool_call_id is not None and len(self._state.asked) < ASKED_LIMIT:
            self._state.asked[approval.tool_call_id] = approval.request_id
        return Fed([*self._gathering.close(), ApprovalRequested(approval=approval)])

    def _shown(self, method: str | None, request: JsonObject) -> Fed | None:
        """What extensions show and wants no answer; the first such word is gate.js's own."""
        if method == "notify":
            return notice(text(request, "notifyType") or "info", "agent_notice", text(request, "message") or "")
        words = questions.own_words(text(request, "statusText") or "") if method == "setStatus" else None
        if words and text(words, "kind") == "ready":
            self._state.is_guarded = True
            self._state.version = text(words, "version")
        return Fed() if method in ("setStatus", "setWidget", "setTitle", "set_editor_text") else None


def _why(answer: JsonObject) -> str:
    return cut(text(answer, "error") or "it gave no reason", TEXT_LIMIT)
