"""The words of external agents, to our events and back.

What an agent pushes, and what it becomes:

    output              MessageWritten; whole and final unless it says otherwise
    thinking            ThinkingWritten, likewise
    tool_call           ToolCallStarted
    tool_result         ToolCallFinished
    status              running: TurnStarted, where no turn runs; awaiting_input: TurnCompleted;
                        done: TurnCompleted and RunEnded(finished); failed: the same, failed.
                        All but running close a push, so they stand last in it
    error               NoticeRaised(error)
    usage               UsageReported
    permission_request  ApprovalRequested: a command, an edit or a tool, by what it holds
    question            ApprovalRequested(question)

The first push of a session, or after a turn's end, begins the run and the turn by itself. What an agent polls:

    user_input           InputAccepted
    permission_resolved  ApprovalResolved
    interrupt            InterruptRequested
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

from tetherd.api import vocabulary as said
from tetherd.control import Entry
from tetherd.domain import events as ev
from tetherd.domain.approval import Approval, ApprovalKind, By, ByActor, ByCircumstance, ByPolicy, Option
from tetherd.domain.ids import ApprovalId, RunId
from tetherd.errors import Rejected
from tetherd.schema import UNNAMED

POLLED: Mapping[said.PolledType, str] = {
    "user_input": ev.InputAccepted.model_fields["type"].default,
    "permission_resolved": ev.ApprovalResolved.model_fields["type"].default,
    "interrupt": ev.InterruptRequested.model_fields["type"].default,
}
"""What may be polled, and the kind of log entry that it is."""

# A push does not know its run, which may begin with it; decide puts the run's id, and what follows from it, here.
_RUN_TO_COME = RunId("")
_APPROVAL_TO_COME = ApprovalId("")


class StatusInside(Rejected):
    """A status that ends something, with more behind it."""

    code = "invalid"
    status = 422


@dataclass(frozen=True, slots=True)
class Ingested:
    """One push in our words, ready for PushEvents."""

    events: tuple[ev.AgentEvent, ...]
    status: Literal["running", "awaiting_input", "done", "failed"] | None
    detail: str | None


def ingest(pushed: Sequence[said.Pushed], fresh: Callable[[], str]) -> Ingested:
    """Translate a push. `fresh` makes names for what the agent did not name. Raises StatusInside."""
    events: list[ev.AgentEvent] = []
    closing: said.StatusData | None = None
    for number, one in enumerate(pushed, start=1):
        if isinstance(one, said.PushedStatus):
            if one.data.status != "running" and number < len(pushed):
                raise StatusInside(f"status {one.data.status} closes a push: send it last")
            closing = one.data if number == len(pushed) else None
        else:
            events.append(_event(one, fresh))
    return Ingested(tuple(events), closing.status if closing else None, closing.detail if closing else None)


def _event(one: said.PushedEvent, fresh: Callable[[], str]) -> ev.AgentEvent:
    match one:
        case said.PushedOutput(data=data):
            return ev.MessageWritten(
                message_id=data.message_id or fresh(), offset=data.offset, text=data.text, final=data.final
            )
        case said.PushedThinking(data=data):
            return ev.ThinkingWritten(
                message_id=data.message_id or fresh(), offset=data.offset, text=data.text, final=data.final
            )
        case said.PushedToolCall(data=call):
            return ev.ToolCallStarted(
                tool_call_id=call.tool_call_id or fresh(),
                tool=call.tool,
                title=call.title or call.tool,
                input=call.input,
            )
        case said.PushedToolResult(data=result):
            return ev.ToolCallFinished(tool_call_id=result.tool_call_id, ok=result.ok, output=result.output)
        case said.PushedError(data=error):
            return ev.NoticeRaised(level="error", code=error.code, text=error.message)
        case said.PushedUsage(data=usage):
            return ev.UsageReported(
                input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cost_usd=usage.cost_usd
            )
        case said.PushedPermission(data=asked):
            return ev.ApprovalRequested(approval=_permission(asked, asked.request_id or UNNAMED + fresh()))
        case said.PushedQuestion(data=question):
            return ev.ApprovalRequested(approval=_question(question, question.request_id or UNNAMED + fresh()))
        case _:
            assert_never(one)


def _permission(asked: said.PermissionData, request_id: str) -> Approval:
    command, rest = _command_and_rest(asked)
    without_command = ApprovalKind.EDIT if asked.files else ApprovalKind.TOOL
    # A person must see all that they allow: what of the input is not the command stands below it.
    shown = "\n".join(part for part in (command, rest) if part is not None)
    return Approval(
        approval_id=_APPROVAL_TO_COME,
        run_id=_RUN_TO_COME,
        request_id=request_id,
        kind=without_command if command is None else ApprovalKind.COMMAND,
        title=asked.title or asked.tool or command or request_id,
        tool=asked.tool,
        tool_call_id=asked.tool_call_id,
        command=shown or None,
        cwd=asked.cwd,
        files=asked.files,
        options=asked.options,
    )


def _command_and_rest(asked: said.PermissionData) -> tuple[str | None, str | None]:
    rest = dict(asked.input or {})
    command = asked.command
    inner = rest.get("command")
    if isinstance(inner, str) and command in (None, inner):
        command = inner
        del rest["command"]
    return command, json.dumps(rest, ensure_ascii=False) if rest else None


def _question(question: said.QuestionData, request_id: str) -> Approval:
    return Approval(
        approval_id=_APPROVAL_TO_COME,
        run_id=_RUN_TO_COME,
        request_id=request_id,
        kind=ApprovalKind.QUESTION,
        title=question.text,
        options=tuple(_option(option) for option in question.options),
    )


def _option(option: str | said.ChoiceOffered) -> Option:
    if isinstance(option, str):
        return Option(option_id=option, label=option, decision="approve")
    return Option(option_id=option.option_id, label=option.label, decision="approve")


def polled(entry: Entry, request_ids: Mapping[ApprovalId, str]) -> said.Polled:
    """What an agent is told of a log entry of one of the POLLED kinds. `request_ids`: what it calls its questions."""
    event = entry.event()
    match event:
        case ev.InputAccepted(text=text):
            return said.PolledInput(seq=entry.seq, data=said.UserInputData(text=text))
        case ev.InterruptRequested():
            return said.PolledInterrupt(seq=entry.seq)
        case ev.ApprovalResolved():
            return said.PolledPermission(seq=entry.seq, data=_resolved(event, request_ids))
        case _:
            raise TypeError(f"{entry.kind} is not for polling")


def _resolved(event: ev.ApprovalResolved, request_ids: Mapping[ApprovalId, str]) -> said.PermissionResolvedData:
    answer = event.answer
    return said.PermissionResolvedData(
        request_id=request_ids.get(event.approval_id, event.approval_id),
        approval_id=event.approval_id,
        allow=answer is not None and answer.decision == "approve",
        closed=answer is None,
        message=answer.reason if answer else None,
        choice=answer.choice if answer else (),
        text=answer.text if answer else None,
        updated_input=answer.updated_input if answer else None,
        by=_by(event.by),
    )


def _by(by: By) -> str:
    match by:
        case ByActor(actor=actor):
            return str(actor)
        case ByPolicy(rule=rule):
            return f"rule {rule}"
        case ByCircumstance(cause=cause):
            return cause.replace("_", " ")
