"""What Pi asks: tool calls that gate.js holds, and dialogs of the user's own extensions.

A question's request id says what kind of dialog it is, so that a verdict needs no memory: `METHOD:ID`, where ID is
Pi's and METHOD is `tool_call` for ours.
"""

from __future__ import annotations

import posixpath
from typing import TypedDict

import orjson
from pydantic import JsonValue

from tetherd.agents.jsonlines import integer, parse, table, text
from tetherd.agents.pi.edits import diff_of
from tetherd.agents.pi.tools import title_of, tool_name
from tetherd.agents.showing import bounded_input, cut
from tetherd.domain.approval import Answer, Approval, ApprovalKind, FileShown, Option
from tetherd.domain.ids import ApprovalId, RunId, approval_id_for
from tetherd.domain.policy import is_plain_project_file
from tetherd.plugin import JsonObject

TOOL_CALL = "tool_call"
DIALOGS = frozenset({"select", "confirm", "input", "editor"})
SHOWN_LIMIT = 1024 * 1024
LABEL_LIMIT = 4096
OPTION_LIMIT = 64

_KINDS = {"bash": ApprovalKind.COMMAND, "edit": ApprovalKind.EDIT, "write": ApprovalKind.EDIT}
_READERS = frozenset({"read", "grep", "find", "ls"})


class Ids(TypedDict):
    """What names an approval."""

    approval_id: ApprovalId
    run_id: RunId
    request_id: str


def own_words(title: str) -> JsonObject | None:
    """What gate.js says in the title of a dialog; None for somebody else's dialog."""
    if not title.startswith("{"):
        return None
    words = parse(title.encode(errors="replace"))
    return words if words and integer(words, "tetherd") == 1 else None


def passes(words: JsonObject, directory: str) -> bool:
    """True for reading inside the project, which no agent asks about; not for files that hold secrets."""
    target = table(words, "target")
    inside = text(target, "inside")
    if text(words, "toolName") not in _READERS or inside is None or target.get("exists") is not True:
        return False
    return inside == "" or is_plain_project_file(posixpath.join(directory, inside), directory)


def tool_call_approval(run_id: RunId, ui_id: str, directory: str, words: JsonObject) -> Approval:
    """The question of a tool call that gate.js holds."""
    tool, given = text(words, "toolName") or "tool", table(words, "input")
    kind = _KINDS.get(tool, ApprovalKind.TOOL)
    return Approval(
        **_ids(run_id, TOOL_CALL, ui_id),
        kind=kind,
        title=title_of(tool, given),
        tool=tool_name(tool),
        tool_call_id=text(words, "toolCallId"),
        command=_command(words, given) if kind is ApprovalKind.COMMAND else None,
        cwd=directory if kind is ApprovalKind.COMMAND else None,
        files=_files(tool, given, table(words, "target"), directory) if kind is ApprovalKind.EDIT else (),
        input=bounded_input(given) if kind is ApprovalKind.TOOL else {},
    )


def dialog_approval(run_id: RunId, ui_id: str, request: JsonObject) -> Approval | None:
    """The question of an extension of the user's own; None for one that cannot be shown whole."""
    method = text(request, "method") or ""
    title = text(request, "title") or method
    more = text(request, "message") or text(request, "placeholder") or text(request, "prefill")
    options = _options(request) if method == "select" else ()
    if options is None:
        return None
    return Approval(
        **_ids(run_id, method, ui_id),
        kind=ApprovalKind.QUESTION,
        title=cut(f"{title}\n{more}" if more else title, SHOWN_LIMIT),
        options=options,
    )


def answer_frame(approval: Approval, answer: Answer | None) -> JsonObject:
    """The extension_ui_response that says it. What is not an answer to this kind of dialog dismisses it."""
    method, _, ui_id = approval.request_id.partition(":")
    said: JsonObject = {"cancelled": True}
    is_yes = answer is not None and answer.decision == "approve"
    if answer is not None and method == TOOL_CALL:
        said = {"value": orjson.dumps(_verdict(answer)).decode()}
    elif answer is not None and method == "confirm":
        said = {"confirmed": is_yes}
    elif answer is not None and is_yes:
        words = _chosen(approval, answer) if method == "select" else answer.text
        said = {"cancelled": True} if words is None else {"value": words}
    return {"type": "extension_ui_response", "id": ui_id, **said}


def pass_frame(ui_id: str) -> JsonObject:
    """The answer to a call that passes."""
    return {"type": "extension_ui_response", "id": ui_id, "value": '{"decision":"approve"}'}


def dismiss_frame(ui_id: str) -> JsonObject:
    return {"type": "extension_ui_response", "id": ui_id, "cancelled": True}


def _ids(run_id: RunId, method: str, ui_id: str) -> Ids:
    request_id = f"{method}:{ui_id}"
    return {"approval_id": approval_id_for(run_id, request_id), "run_id": run_id, "request_id": request_id}


def _verdict(answer: Answer) -> JsonObject:
    """What gate.js reads: the decision, and the call's new input or the words for the model."""
    if answer.decision == "approve":
        changed: JsonObject = {"input": answer.updated_input} if answer.updated_input else {}
        return {"decision": "approve", **changed}
    reason = f": {answer.reason}" if answer.reason else "."
    return {"decision": "reject", "reason": f"The user rejected this{reason}"}


def _command(words: JsonObject, given: JsonObject) -> str:
    """All that would run, with what the settings put before it."""
    shell = table(words, "shell")
    prefix, program = text(shell, "prefix"), text(shell, "program")
    lines = [f"# run by {program}"] if program else []
    lines += [prefix] if prefix else []
    return cut("\n".join([*lines, text(given, "command") or ""]), SHOWN_LIMIT)


def _files(tool: str, given: JsonObject, target: JsonObject, directory: str) -> tuple[FileShown, ...]:
    """The file by its real path; where gate.js could not say it, by the one that was asked for."""
    inside, real, asked = text(target, "inside"), text(target, "path"), text(given, "path")
    path = posixpath.join(directory, inside) if inside is not None else real or asked
    if path is None:
        return ()
    diff = diff_of(path, tool, given, text(target, "before"), exists=target.get("exists") is True)
    return (FileShown(path=path, diff=cut(diff, SHOWN_LIMIT)),)


def _options(request: JsonObject) -> tuple[Option, ...] | None:
    """Named by their place. None when one is too long to be shown: a cut label would be a wrong answer."""
    offered: JsonValue = request.get("options")
    labels = [label for label in offered if isinstance(label, str)] if isinstance(offered, list) else []
    if len(labels) > OPTION_LIMIT or any(len(label) > LABEL_LIMIT for label in labels):
        return None
    return tuple(Option(option_id=str(place), label=label, decision="approve") for place, label in enumerate(labels))


def _chosen(approval: Approval, answer: Answer) -> str | None:
    labels = {option.option_id: option.label for option in approval.options}
    return next((labels[choice] for choice in answer.choice if choice in labels), answer.text)
