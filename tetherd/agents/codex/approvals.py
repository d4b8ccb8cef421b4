"""What Codex asks, as approvals, and the answers that it gets.

Source: ServerRequest of the app-server's schema, and what Codex 0.169 was seen to ask and accept. Whatever is not
understood here is answered with an error, which Codex takes as a refusal.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from pydantic import BaseModel

from tetherd.agents.codex import wire
from tetherd.agents.codex.calls import Calls
from tetherd.agents.codex.commandline import unwrapped
from tetherd.agents.codex.items import TITLE_LIMIT, mcp_tool
from tetherd.agents.jsonlines import table, tables, text
from tetherd.agents.showing import bounded_input, cut
from tetherd.domain.approval import Answer, Approval, ApprovalKind, Option
from tetherd.domain.ids import RunId, approval_id_for
from tetherd.plugin import JsonObject

COMMAND_LIMIT = 1024 * 1024
"""Characters of a command that a person is shown; what is left out is said."""
QUESTIONS_LIMIT = 8
LABEL_LIMIT = 200
OPTIONS_LIMIT = 32

_REVIEW = (
    Option(option_id="accept", label="Yes", decision="approve"),
    Option(option_id="acceptForSession", label="Yes, and do not ask again", decision="approve", lasting=True),
    Option(option_id="decline", label="No, go on without it", decision="reject"),
    Option(option_id="cancel", label="No, and end the turn", decision="reject"),
)
_ELICITATION = (
    Option(option_id="accept", label="Yes", decision="approve"),
    Option(option_id="decline", label="No", decision="reject"),
)


class Asked(BaseModel):
    """A request without an answer: what it takes to answer it, and the turn that waits for it."""

    method: str
    thread_id: str | None = None
    turn_id: str | None = None
    questions: list[str] = []


def asked_of(method: str, params: JsonObject) -> Asked:
    questions = [wire.name_in(question, "id") or "" for question in tables(params, "questions")[:QUESTIONS_LIMIT]]
    return Asked(
        method=method,
        thread_id=wire.name_in(params, "threadId"),
        turn_id=wire.name_in(params, "turnId"),
        questions=questions,
    )


def approval_for(run_id: RunId, request_id: str, method: str, params: JsonObject, calls: Calls) -> Approval | None:
    """The question that a request asks; None where it is none that a person can answer here.

    request_id: Codex's id as JSON text. The ids count from 0 in every process, so the run belongs to them.
    """
    match method:
        case "item/commandExecution/requestApproval":
            asked = _command(params)
        case "item/fileChange/requestApproval":
            asked = _file_change(params, calls)
        case "mcpServer/elicitation/request" if _asks_only_for_consent(params):
            asked = _elicitation(params)
        case "item/tool/requestUserInput" if _can_be_asked(tables(params, "questions")):
            asked = _questions(params)
        case _:
            return None
    ids = {"approval_id": approval_id_for(run_id, request_id), "run_id": run_id, "request_id": request_id}
    return Approval.model_validate({**ids, **asked})


def result_of(asked: Asked, approval: Approval, answer: Answer | None) -> JsonObject:
    """What is sent back; `answer` None means that the question was cancelled."""
    match asked.method:
        case "mcpServer/elicitation/request":
            action = _decision(approval, answer)
            return {"action": action, "content": {}} if action == "accept" else {"action": action}
        case "item/tool/requestUserInput":
            approves = answer is not None and answer.decision == "approve"
            return {"answers": _answers(asked, approval, answer) if answer and approves else {}}
        case _:
            return {"decision": _decision(approval, answer)}


def _decision(approval: Approval, answer: Answer | None) -> str:
    """The option that was chosen; where none was, the narrowest one that says so."""
    if answer is None:
        return "cancel"
    offered = [option.option_id for option in approval.options if option.decision == answer.decision]
    chosen = next((option_id for option_id in answer.choice if option_id in offered), None)
    return chosen or ("accept" if answer.decision == "approve" else "decline")


# -- commands and files ------------------------------------------------------------------------------------------


def _command(params: JsonObject) -> dict[str, object]:
    wrapped = text(params, "command")
    command = None if wrapped is None else cut(unwrapped(wrapped), COMMAND_LIMIT)
    network = table(params, "networkApprovalContext")
    words = [text(params, "reason")]
    if host := text(network, "host"):
        words.append(f"Network access to {host} ({text(network, 'protocol') or 'any protocol'})")
    if text(params, "kind") == "writeStdin":
        words.append("Type into a command that runs")
    if more := table(params, "additionalPermissions"):
        words.append(f"With more rights: {orjson.dumps(more).decode()}")
    title = ". ".join(word for word in words if word) or command or "Run a command"
    return {
        "kind": ApprovalKind.COMMAND,
        "title": cut(title, TITLE_LIMIT),
        "tool": "Bash",
        "tool_call_id": wire.name_in(params, "itemId"),
        "command": command,
        "cwd": text(params, "cwd"),
        "options": _REVIEW,
    }


def _file_change(params: JsonObject, calls: Calls) -> dict[str, object]:
    item_id = wire.name_in(params, "itemId") or ""
    changes = calls.take_changes(item_id)
    words = [changes.title if changes else "Change files; which ones Codex does not say", text(params, "reason")]
    if root := text(params, "grantRoot"):
        words.append(f"and write everywhere below {root} until the session ends")
    return {
        "kind": ApprovalKind.EDIT,
        "title": cut(": ".join(word for word in words if word), TITLE_LIMIT),
        "tool": changes.tool if changes else "Edit",
        "tool_call_id": item_id or None,
        "files": changes.files if changes else (),
        "options": _REVIEW,
    }


# -- MCP servers -------------------------------------------------------------------------------------------------


def _asks_only_for_consent(params: JsonObject) -> bool:
    """True when yes is an answer: a form with fields to fill in is none that we can show."""
    return text(params, "mode") == "form" and not table(table(params, "requestedSchema"), "properties")


def _elicitation(params: JsonObject) -> dict[str, object]:
    server, meta = text(params, "serverName") or "?", table(params, "_meta")
    asked = {"kind": ApprovalKind.TOOL, "options": _ELICITATION}
    if text(meta, "codex_approval_kind") == "mcp_tool_call":
        tool = mcp_tool(server, text(meta, "tool_name"))
        return {**asked, "title": tool, "tool": tool, "input": bounded_input(table(meta, "tool_params"))}
    message = text(params, "message") or "it asks for your consent"
    return {**asked, "title": cut(f"{server}: {message}", TITLE_LIMIT)}


# -- questions ---------------------------------------------------------------------------------------------------


def _can_be_asked(questions: list[JsonObject]) -> bool:
    """Secrets are not asked for: an answer stands in the log, and others can read it."""
    return bool(questions) and not any(question.get("isSecret") is True for question in questions)


def _questions(params: JsonObject) -> dict[str, object]:
    """One approval for up to three questions: an option's id is its question's id, a slash, and its label."""
    questions = tables(params, "questions")[:QUESTIONS_LIMIT]
    return {
        "kind": ApprovalKind.QUESTION,
        "title": cut("\n".join(text(question, "question") or "?" for question in questions), TITLE_LIMIT),
        "tool": "AskUserQuestion",
        "tool_call_id": wire.name_in(params, "itemId"),
        "options": tuple(_options(questions))[:OPTIONS_LIMIT],
    }


def _options(questions: list[JsonObject]) -> Iterator[Option]:
    for question in questions:
        head = "" if len(questions) == 1 else f"{text(question, 'header') or text(question, 'id')}: "
        for option in tables(question, "options"):
            label = text(option, "label")
            if label and len(label) <= LABEL_LIMIT:
                option_id = _option_id(wire.name_in(question, "id") or "", label)
                yield Option(option_id=option_id, label=head[:LABEL_LIMIT] + label, decision="approve")


def _answers(asked: Asked, approval: Approval, answer: Answer) -> JsonObject:
    """By question: the labels that were chosen. A person's own words answer every question without a choice."""
    answers: JsonObject = {}
    for question in asked.questions:
        mine = [one.option_id for one in approval.options if one.option_id.startswith(_option_id(question, ""))]
        given = [one.removeprefix(_option_id(question, "")) for one in answer.choice if one in mine]
        answers[question] = {"answers": [*(given or ([answer.text] if answer.text else []))]}
    return answers


def _option_id(question_id: str, label: str) -> str:
    return f"{question_id}/{label}"
