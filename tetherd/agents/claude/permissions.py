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
_ABOUT = ("file_path", "notebook_path", "path", "url", "query", "pattern", "skill", "description")
_SEPARATOR = "."


def approval_for(run_id: RunId, request_id: str, directory: str, request: JsonObject) -> Approval:
    """The question that a can_use_tool request asks. `directory` is where relative paths begin."""
    tool = text(request, "tool_name") or "tool"
    value = request.get("input")
    given: JsonObject = value if isinstance(value, dict) else {}
    kind = _kind(tool)
    command = text(given, "command") if kind is ApprovalKind.COMMAND else None
    return Approval(
        approval_id=approval_id_for(run_id, request_id),
        run_id=run_id,
        request_id=request_id,
        kind=kind,
        title=_title(kind, tool, given),
        tool=our_name(tool),
        tool_call_id=text(request, "tool_use_id"),
        command=None if command is None else cut(command, SHOWN_LIMIT),
        cwd=directory if kind is ApprovalKind.COMMAND else None,
        files=tuple(_files(given, directory)) if kind is ApprovalKind.EDIT else (),
        options=tuple(_options(given)) if kind is ApprovalKind.QUESTION else (),
        input=bounded_input(given) if kind in (ApprovalKind.TOOL, ApprovalKind.PLAN) else {},
        outlives_turn=text(request, "agent_id") is not None,
    )


def title_of(tool: str, given: JsonObject) -> str:
    """What a call is about, in one line; never the model's own words about it where the thing itself can be seen."""
    match tool:
        case "Bash":
            words = text(given, "command")
        case "AskUserQuestion":
            words = " / ".join(text(question, "question") or "" for question in tables(given, "questions"))
        case "ExitPlanMode":
            words = "A plan is ready: approve it, and the work begins"
        case _:
            values = (text(given, member) for member in _ABOUT)
            words = next((value for value in values if value), None)
    first, _, rest = (words or tool).strip().partition("\n")
    short = first[:TITLE_LIMIT]
    return short + " …" if rest or short != first else short or tool


def _title(kind: ApprovalKind, tool: str, given: JsonObject) -> str:
    about = title_of(tool, given)
    if kind is not ApprovalKind.TOOL:
        return about
    name = tool.removeprefix("mcp__").replace("__", " ")
    return name if about == tool else f"{name} {about}"


def response_of(answer: Answer | None, asked: JsonObject | None) -> JsonObject:
    """The response that says it. `answer` None: it was cancelled, and the turn ends.

    asked: what AskUserQuestion was given, which its answer must hold whole; None for any other tool.
    """
    if answer is None:
        return {"behavior": "deny", "message": INTERRUPTED, "interrupt": True}
    if answer.decision == "reject":
        return {"behavior": "deny", "message": answer.reason or answer.text or REJECTED}
    if answer.updated_input is not None:
        return {"behavior": "allow", "updatedInput": answer.updated_input}
    if asked is not None:
        return {"behavior": "allow", "updatedInput": {**asked, "answers": _answers(asked, answer)}}
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
            yield Option(
                option_id=f"{number}{_SEPARATOR}{place}",
                label=f"{about}{text(option, 'label') or place + 1}",
                description=text(option, "description") or "",
                decision="approve",
            )


def _answers(asked: JsonObject, answer: Answer) -> JsonObject:
    """By question: the labels chosen, else the person's own words."""
    answers: JsonObject = {}
    for number, question in enumerate(tables(asked, "questions")):
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
