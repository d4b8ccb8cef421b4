"""can_use_tool: what a person is asked, and the answer that Claude Code gets.

Answers: allow (as it was asked, or with another input), deny with words for the model, deny and end the turn.
Source: tests/agents/transcripts/claude-*.jsonl.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from tetherd.agents.claude.tools import PLAN, QUESTION, our_name
from tetherd.agents.diffs import unified_diff
from tetherd.agents.jsonlines import tables, text
from tetherd.agents.showing import bounded_input, cut
from tetherd.domain.approval import Answer, Approval, ApprovalKind, FileShown, Option
from tetherd.domain.ids import RunId, approval_id_for
from tetherd.plugin import JsonObject

SHOWN_LIMIT = 1024 * 1024
"""Characters of a command, and of all diffs together, that a person is shown; what is left out is said."""
TITLE_LIMIT = 200
REJECTED = "The user rejected this."
INTERRUPTED = "The user interrupted."
_EDITS = ("Edit", "MultiEdit", "Write", "NotebookEdit")
_SEPARATOR = "."


class CannotAsk(Exception):
    """The request cannot be shown as it is, so nobody can decide it."""


def approval_for(run_id: RunId, request_id: str, directory: str, request: JsonObject) -> Approval:
    """The question that a can_use_tool request asks. `directory` is where relative paths begin. Raises CannotAsk."""
    tool = text(request, "tool_name") or "tool"
    value = request.get("input")
    given: JsonObject = value if isinstance(value, dict) else {}
    kind = _kind(tool)
    shown = {} if kind in (ApprovalKind.COMMAND, ApprovalKind.EDIT) else bounded_input(given)
    if kind is ApprovalKind.QUESTION and shown != given:
        raise CannotAsk("a question of more than 64 KiB")  # its answer must hold it whole
    command = text(given, "command") if kind is ApprovalKind.COMMAND else None
    return Approval(
        approval_id=approval_id_for(run_id, request_id),
        run_id=run_id,
        request_id=request_id,
        kind=kind,
        title=title_of(tool, given),
        tool=our_name(tool),
        tool_call_id=text(request, "tool_use_id"),
        command=None if command is None else cut(command, SHOWN_LIMIT),
        cwd=directory if kind is ApprovalKind.COMMAND else None,
        files=tuple(_files(given, directory)) if kind is ApprovalKind.EDIT else (),
        options=tuple(_options(given)) if kind is ApprovalKind.QUESTION else (),
        input=shown,
        outlives_turn=text(request, "agent_id") is not None,
    )


def title_of(tool: str, given: JsonObject) -> str:
    """One line for people; never the model's own words about what it does, where it can be seen what it does."""
    match tool:
        case "Bash":
            words = text(given, "command") or tool
        case "AskUserQuestion":
            words = " / ".join(text(question, "question") or "" for question in tables(given, "questions"))
        case "ExitPlanMode":
            words = "A plan is ready: approve it, and the work begins"
        case "Agent" | "Task":
            words = f"{tool} {text(given, 'description') or ''}"
        case _:
            named = ("file_path", "notebook_path", "path", "url", "query", "pattern", "skill")
            about = next((value for value in (text(given, member) for member in named) if value), "")
            words = f"{tool.replace('__', ' ').removeprefix('mcp ')} {about}"
    first, _, rest = words.strip().partition("\n")
    short = first[:TITLE_LIMIT]
    return short + " …" if rest or short != first else short or tool


def response_of(approval: Approval, answer: Answer | None) -> JsonObject:
    """The response that says it. `answer` None: the question was cancelled, and the turn ends."""
    if answer is None:
        return {"behavior": "deny", "message": INTERRUPTED, "interrupt": True}
    if answer.decision == "reject":
        return {"behavior": "deny", "message": answer.reason or answer.text or REJECTED}
    if answer.updated_input is not None:
        return {"behavior": "allow", "updatedInput": answer.updated_input}
    if approval.kind is ApprovalKind.QUESTION:
        return {"behavior": "allow", "updatedInput": {**approval.input, "answers": _answers(approval, answer)}}
    return {"behavior": "allow"}


def _kind(tool: str) -> ApprovalKind:
    if tool in _EDITS:
        return ApprovalKind.EDIT
    known = {"Bash": ApprovalKind.COMMAND, QUESTION: ApprovalKind.QUESTION, PLAN: ApprovalKind.PLAN}
    return known.get(tool, ApprovalKind.TOOL)


def _files(given: JsonObject, directory: str) -> Iterator[FileShown]:
    named = text(given, "file_path") or text(given, "notebook_path")
    if named is None:
        return
    path = posixpath.join(directory, named)
    changes = [given, *tables(given, "edits")]
    diffs = [unified_diff(path, text(change, "old_string"), new) for change in changes if (new := _new(change))]
    yield FileShown(path=path, diff=cut("".join(diffs), SHOWN_LIMIT))


def _new(change: JsonObject) -> str | None:
    written = (text(change, member) for member in ("new_string", "content", "new_source"))
    return next((value for value in written if value is not None), None)


def _options(given: JsonObject) -> Iterator[Option]:
    """One for each answer; the id names question and answer by their numbers."""
    questions = tables(given, "questions")
    for number, question in enumerate(questions):
        about = f"{text(question, 'header') or number + 1}: " if len(questions) > 1 else ""
        for place, option in enumerate(tables(question, "options")):
            label = text(option, "label") or f"{place + 1}"
            yield Option(option_id=f"{number}{_SEPARATOR}{place}", label=f"{about}{label}", decision="approve")


def _answers(approval: Approval, answer: Answer) -> JsonObject:
    """By question: the labels chosen, else the person's own words."""
    answers: JsonObject = {}
    for number, question in enumerate(tables(approval.input, "questions")):
        words = text(question, "question")
        if words is None:
            continue
        chosen = [
            text(option, "label") or f"{place + 1}"
            for place, option in enumerate(tables(question, "options"))
            if f"{number}{_SEPARATOR}{place}" in answer.choice
        ]
        said = ", ".join(chosen) or answer.text
        if said is not None:
            answers[words] = said
    return answers
