"""Permission requests: what a person is asked, and the answer that the agent gets."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Literal

from tetherd.agents.acp.told import Told
from tetherd.agents.acp.toolcalls import TITLE_LIMIT, Call
from tetherd.agents.diffs import unified_diff
from tetherd.agents.jsonlines import text
from tetherd.agents.showing import bounded_input, cut
from tetherd.domain.approval import Answer, Approval, ApprovalKind, FileShown, Option
from tetherd.domain.ids import RunId, approval_id_for
from tetherd.plugin import JsonObject

SHOWN_LIMIT = 1024 * 1024
"""Characters of a command, and of all diffs together, that a person is shown; what is left out is said."""

_TOUCHES_FILES = ("edit", "delete", "move")
_DECISIONS: Mapping[str, Literal["approve", "reject"]] = {"allow": "approve", "reject": "reject"}


def approval_for(
    run_id: RunId, request_id: str, directory: str, told: Told, call: Call, options: list[JsonObject]
) -> Approval:
    """The question that a session/request_permission asks.

    request_id: the agent's id as JSON text, so that 0 and "0" stay two. `call` is what was known of the call already:
    the request itself may name no more than its id. `directory` is where relative paths begin.
    """
    offered = tuple(_options(options))
    files = tuple(_files(told, call, directory))
    title = cut(told.title or call.title, TITLE_LIMIT) or call.tool or "tool call"
    command = told.command or call.command
    if command is None and call.kind == "execute":
        command = told.title or call.title or None  # Gemini gives the command as the title alone
    kind = _kind(call.kind, offered)
    return Approval(
        approval_id=approval_id_for(run_id, request_id),
        run_id=run_id,
        request_id=request_id,
        kind=kind,
        title=title,
        tool=call.tool,
        tool_call_id=told.tool_call_id,
        command=None if command is None else cut(command, SHOWN_LIMIT),
        cwd=text(told.raw_input, "cwd") or call.cwd,
        files=files,
        options=offered,
        input=bounded_input(told.raw_input) if kind is ApprovalKind.TOOL else {},
    )


def outcome_of(approval: Approval, answer: Answer | None) -> JsonObject:
    """The result that says it: the option chosen, or else that the question was cancelled.

    The protocol has no place for a reason; it travels as metadata, for agents that look there.
    """
    option_id = _chosen(approval, answer) if answer else None
    if answer is None or option_id is None:
        return {"outcome": {"outcome": "cancelled"}}
    selected: JsonObject = {"outcome": {"outcome": "selected", "optionId": option_id}}
    return {**selected, "_meta": {"reason": answer.reason}} if answer.reason else selected


def _chosen(approval: Approval, answer: Answer) -> str | None:
    offered = (option.option_id for option in approval.options_for(answer.decision))
    return next((option_id for option_id in offered if not answer.choice or option_id in answer.choice), None)


def _kind(kind: str | None, options: tuple[Option, ...]) -> ApprovalKind:
    if kind == "switch_mode":
        return ApprovalKind.PLAN  # a plan is done, and the agent wants to begin
    if sum(option.decision == "approve" and not option.lasting for option in options) > 1:
        return ApprovalKind.QUESTION
    return {"execute": ApprovalKind.COMMAND, "edit": ApprovalKind.EDIT}.get(kind or "", ApprovalKind.TOOL)


def _options(options: list[JsonObject]) -> Iterator[Option]:
    """Those that we can tell apart: an option of an unknown kind is not offered."""
    for option in options:
        option_id = text(option, "optionId")
        verb, _, lasts = (text(option, "kind") or "").partition("_")
        if option_id and verb in _DECISIONS:
            label = text(option, "name") or option_id
            yield Option(option_id=option_id, label=label, decision=_DECISIONS[verb], lasting=lasts != "once")


def _files(told: Told, call: Call, directory: str) -> Iterator[FileShown]:
    """Every file that the call touches: those with a diff first, then those that it only names."""
    room = SHOWN_LIMIT
    seen: set[str] = set()
    for diff in told.diffs:
        path = posixpath.join(directory, diff.path)
        shown = cut(unified_diff(path, diff.old, diff.new), room)
        room = max(0, room - len(shown))
        seen.add(path)
        yield FileShown(path=path, diff=shown)
    if call.kind not in _TOUCHES_FILES:
        return
    ready_made = "" if seen else text(told.raw_input, "diff") or ""
    for named in (*told.paths, *call.paths):
        path = posixpath.join(directory, named)
        if path not in seen:
            seen.add(path)
            yield FileShown(path=path, diff=cut(ready_made, room))
            ready_made = ""
