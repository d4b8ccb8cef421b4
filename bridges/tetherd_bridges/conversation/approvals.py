"""Approvals in a chat: what is asked, the buttons, and what became of it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import assert_never

from tetherd.bridge import approval as ap
from tetherd_bridges.conversation.always import may_be_always
from tetherd_bridges.conversation.messages import Face, Message, Press, bold, code, lines
from tetherd_bridges.richtext import Rich, Style, by_agent, redacted, run, shortened, units

TITLE_CHARACTERS = 300
COMMAND_UNITS = 1200
DIFF_UNITS = 1600
FILES_SHOWN = 5
LABEL_CHARACTERS = 60
REASON_CHARACTERS = 500

_NUMBERED = re.compile(r"(\d+)\.\d+")
_ASKS = {
    ap.ApprovalKind.COMMAND: "The agent wants to run a command",
    ap.ApprovalKind.EDIT: "The agent wants to edit files",
    ap.ApprovalKind.TOOL: "The agent wants to use a tool",
    ap.ApprovalKind.QUESTION: "The agent asks",
    ap.ApprovalKind.PLAN: "The agent has a plan and wants to begin",
}


def key_of(approval_id: str) -> str:
    return f"approval/{approval_id}"


def asked(
    approval: ap.Approval,
    session_id: str,
    marked: Collection[str] | None = None,
    buttons: tuple[tuple[Face, ...], ...] = (),
) -> Message:
    """The question with its buttons. `marked`: options that were chosen so far, once several are to be.

    `buttons` take the place of its own.
    """
    return Message(
        key=key_of(approval.approval_id),
        session_id=session_id,
        text=lines((run("❓ "), *bold(_ASKS[approval.kind])), _how(approval), *what(approval)),
        buttons=buttons or _buttons(approval, session_id, marked),
        loud=True,
        kept=True,
    )


def settled(approval: ap.Approval, session_id: str, resolution: ap.Resolution | None) -> Message:
    """The same, answered: who, where and when, and no buttons. `resolution` None: the agent withdrew it."""
    return Message(
        key=key_of(approval.approval_id),
        session_id=session_id,
        text=lines(outcome(resolution), *_reason(resolution), *what(approval)),
    )


def outcome(resolution: ap.Resolution | None) -> Rich:
    """One line: what was decided, by whom, where, when."""
    if resolution is None:
        return (run("➖ "), *bold("Withdrawn"), run(" by the agent"))
    match resolution.by:
        case ap.ByActor(actor=actor):
            by = f" by {actor.principal.name} on {actor.surface}"
        case ap.ByPolicy(rule=rule):
            by = f" by rule {rule}"
        case ap.ByCircumstance(cause=cause):
            by = {
                "interrupt": ": the turn was interrupted",
                "stop": ": the session was stopped",
                "turn_end": ": the turn ended",
                "run_end": ": the agent ended",
            }[cause]
        case _:
            assert_never(resolution.by)
    mark, verb = {
        "approve": ("✅ ", "Approved"),
        "reject": ("❌ ", "Rejected"),
        None: ("➖ ", "Closed"),
    }[resolution.answer.decision if resolution.answer else None]
    return (run(mark), *bold(verb), run(f"{by}, {clock(resolution.at)}"))


def clock(at: datetime) -> str:
    return f"{at:%H:%M} UTC"


def answer_words(approval: ap.Approval, answer: ap.Answer) -> str:
    """What was chosen, in the words of the options."""
    labels = {option.option_id: option.label for option in approval.options}
    return ", ".join(labels.get(one, one) for one in answer.choice) or (answer.text or "")


def choices(approval: ap.Approval) -> tuple[ap.Option, ...]:
    """The options of a question in the order of their numbers."""
    return (*approval.options_for("approve"), *approval.options_for("reject"))


def what(approval: ap.Approval) -> Iterable[Rich]:
    """All that the agent said about it, in an agent's shape."""
    title = shortened(redacted(approval.title), TITLE_CHARACTERS)
    command = approval.command
    if approval.tool and approval.tool not in title:
        yield by_agent((run(shortened(approval.tool, TITLE_CHARACTERS), Style.BOLD),))
    if command is None or title not in command:
        yield by_agent((run(title),))
    if command is not None:
        yield by_agent((run(_head(command, COMMAND_UNITS), Style.PRE, language="bash"),))
    if approval.cwd:
        yield (run("in "), *code(shortened(approval.cwd, TITLE_CHARACTERS)))
    room = DIFF_UNITS
    for file in approval.files[:FILES_SHOWN]:
        yield code(shortened(file.path, TITLE_CHARACTERS))
        if file.diff and room > 100:
            shown = _head(_without_head(file.diff), room)
            room -= units(shown)
            yield by_agent((run(shown, Style.PRE, language="diff"),))
    if len(approval.files) > FILES_SHOWN:
        yield (run(f"and {len(approval.files) - FILES_SHOWN} more files"),)
    if approval.input:
        yield by_agent((run(_head(_as_json(approval), COMMAND_UNITS), Style.PRE, language="json"),))
    if approval.kind is ap.ApprovalKind.QUESTION:
        for number, option in enumerate(choices(approval), 1):
            about = f": {option.description}" if option.description else ""
            yield by_agent((run(shortened(f"{number}. {option.label}{about}", TITLE_CHARACTERS)),))


def is_cut(approval: ap.Approval) -> bool:
    """Is there more to it than `what` shows?"""
    diffs = "".join(_without_head(file.diff) for file in approval.files)
    return (
        units(approval.command or "") > COMMAND_UNITS
        or units(diffs) > DIFF_UNITS - 100
        or len(approval.files) > FILES_SHOWN
        or units(_as_json(approval)) > COMMAND_UNITS
        or len(approval.title) > TITLE_CHARACTERS
    )


def whole(approval: ap.Approval) -> bytes:
    """All of it as a text file."""
    parts = [
        approval.title,
        approval.command or "",
        _as_json(approval),
        *(f"{file.path}\n{file.diff}" for file in approval.files),
    ]
    return redacted("\n\n".join(part for part in parts if part)).encode(errors="replace")


def _how(approval: ap.Approval) -> Rich:
    return () if not is_cut(approval) else (run("This is not all of it: see the file above.", Style.ITALIC),)


def _label(option: ap.Option) -> str:
    return shortened(redacted(option.label), LABEL_CHARACTERS)


def _questions(approval: ap.Approval) -> int:
    """How many questions it asks, where it says so: Claude Code's options are called QUESTION.PLACE.

    An agent that asks like this takes several answers, and own words; of others nothing is known, and they get one.
    """
    found = {match[1] for option in approval.options if (match := _NUMBERED.fullmatch(option.option_id))}
    return len(found)


def _as_json(approval: ap.Approval) -> str:
    return json.dumps(approval.input, ensure_ascii=False, indent=1) if approval.input else ""


def _buttons(approval: ap.Approval, session_id: str, marked: Collection[str] | None) -> tuple[tuple[Face, ...], ...]:
    base = Press(do="approve", session_id=session_id, approval_id=approval.approval_id, digest=approval.digest())

    def press(**changes: str) -> Press:
        return base.model_copy(update=changes)

    if approval.kind is ap.ApprovalKind.QUESTION:
        questions = _questions(approval)
        several = questions > 1 or marked is not None
        faces = [
            Face(
                f"{'✓ ' if option.option_id in (marked or ()) else ''}{number}. {_label(option)}",
                press(do="mark" if several else "choose", choice=option.option_id, decision=option.decision),
            )
            for number, option in enumerate(choices(approval), 1)
        ]
        if several:
            faces.append(Face("Send", press(do="send"), "good"))
        elif questions:
            faces.append(Face("Several …", press(do="mark")))
        if questions:
            faces.append(Face("Other …", press(do="words")))
        if not approval.options_for("reject"):
            faces.append(Face("Reject", press(do="reject"), "bad"))
        return tuple(tuple(faces[n : n + 2]) for n in range(0, len(faces), 2))
    yes, no = ("Begin", "Keep planning") if approval.kind is ap.ApprovalKind.PLAN else ("Approve", "Reject")
    return (
        (Face(yes, base, "good"), Face(no, press(do="reject"), "bad")),
        (Face(f"{no} with reason", press(do="reason")),),
        *(((Face("Always approve …", press(do="always")),),) if may_be_always(approval) else ()),
    )


def _reason(resolution: ap.Resolution | None) -> Iterable[Rich]:
    if resolution is not None and resolution.answer is not None and resolution.answer.reason:
        yield (run("Reason: "), run(shortened(resolution.answer.reason, REASON_CHARACTERS), Style.ITALIC))


def _without_head(diff: str) -> str:
    """A diff without the two lines that name the file, which is named above it."""
    rows = diff.split("\n")
    return "\n".join(row for row in rows if not row.startswith(("--- ", "+++ "))) if len(rows) > 2 else diff


def _head(text: str, limit_units: int) -> str:
    """The beginning of a text, and how much is left out."""
    if units(text) <= limit_units:
        return text
    head = text[: limit_units // 2] if units(text[:limit_units]) > limit_units else text[:limit_units]
    return f"{head}\n… {len(text) - len(head)} more characters"
