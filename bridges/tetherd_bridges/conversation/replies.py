"""What is said in answer to people: lists, help, refusals. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tetherd.bridge import control as ctl
from tetherd.bridge import rule
from tetherd_bridges.conversation.messages import Face, Press, bold, code, lines
from tetherd_bridges.conversation.words import ANSWERS, COMMANDS
from tetherd_bridges.richtext import Rich, Run, Style, run, shortened

PAGE = 10
NAME_CHARACTERS = 80

STATES = {
    "created": "not started",
    "starting": "starting",
    "awaiting_input": "waiting for input",
    "running": "running",
    "awaiting_approval": "waiting for you",
    "interrupting": "interrupting",
    "stopping": "stopping",
    "ended": "ended",
}


def help_text(directories: Sequence[str]) -> Rich:
    rows: list[Rich | str] = [bold("What there is to say")]
    rows += [(*code(f"/{name}"), run(f"  {about}")) for name, about in COMMANDS.items()]
    rows += [
        (
            run("In a session's thread any other text goes to its agent. While one request waits there, "),
            *code(", ".join(ANSWERS)),
            run(" answer it, and so does the number of a choice."),
        )
    ]
    where = ", ".join(directories) if directories else "nowhere: TETHER_CHAT_DIRECTORIES is not set"
    rows += [f"Sessions can be started in: {where}"]
    return lines(*rows)


def listing(
    views: Sequence[ctl.SessionView], page: int, search: str, total: int, now: datetime
) -> tuple[Rich, tuple[tuple[Face, ...], ...]]:
    """One page of sessions with their numbers; numbers count on over the pages."""
    first = page * PAGE
    title = f"Sessions {first + 1} to {first + len(views)} of {total}" if views else "No sessions"
    rows: list[Rich | str] = [bold(title + (f" like {search!r}" if search else ""))]
    for number, view in enumerate(views, first + 1):
        session = view.session
        state = STATES[session.state.value]
        mark = "🔔 " if session.open_approvals else ""
        rows.append(
            (
                run(f"{number}. {mark}"),
                run(shortened(session.name, NAME_CHARACTERS), Style.CODE),
                run(f"  {state}, {session.adapter}, {age(view.updated_at, now)}"),
            )
        )
    faces = []
    if page:
        faces.append(Face("Prev", Press(do="page", page=page - 1, search=search)))
    faces.append(Face("Refresh", Press(do="page", page=page, search=search)))
    if first + len(views) < total:
        faces.append(Face("Next", Press(do="page", page=page + 1, search=search)))
    return lines(*rows), (tuple(faces),)


def overview(status: ctl.DaemonStatus, trouble: Sequence[str] = ()) -> Rich:
    counts = ", ".join(f"{count} {STATES[state.value]}" for state, count in status.sessions.items() if count)
    waiting = status.pending_approvals
    return lines(
        (*bold("tetherd"), run(f" {status.version}")),
        f"Sessions: {counts or 'none'}",
        f"Requests that wait for an answer: {waiting}",
        *trouble,
    )


def one_session(view: ctl.SessionView, now: datetime) -> Rich:
    session = view.session
    return lines(
        (run(shortened(session.name, NAME_CHARACTERS), Style.CODE), run(f": {STATES[session.state.value]}")),
        f"Agent: {session.adapter}, mode: {session.mode.value}, turns: {session.turns}",
        (run("Directory: "), *code(session.directory or "none")),
        f"Requests that wait: {len(session.open_approvals)}; last event {age(view.updated_at, now)}",
    )


def usage(view: ctl.SessionView) -> Rich:
    used = view.session.usage
    parts = []
    if used.input_tokens is not None:
        parts.append(f"{used.input_tokens:,} tokens in")
    if used.output_tokens is not None:
        parts.append(f"{used.output_tokens:,} tokens out")
    if used.cost_usd is not None:
        parts.append(f"{used.cost_usd:.2f} USD")
    said = ", ".join(parts) or "the agent has not said"
    return (run(shortened(view.session.name, NAME_CHARACTERS), Style.CODE), run(f": {said}"))


def rules(found: Sequence[rule.Rule]) -> tuple[Rich, tuple[tuple[Face, ...], ...]]:
    """Rules in force, and a button for each that came of an answer."""
    if not found:
        return text("Nothing is approved without asking, beyond what the session's mode lets pass."), ()
    rows: list[Rich | str] = [bold("Rules")]
    faces = []
    for number, one in enumerate(found, 1):
        where = f"  (policy.toml, line {one.line})" if one.line else ""
        rows.append((run(f"{number}. "), run(shortened(str(one), 200), Style.CODE), run(where)))
        if not one.line:
            faces.append(Face(f"End {number}", Press(do="end_rule", choice=one.rule_id), "bad"))
    return lines(*rows), tuple(tuple(faces[n : n + 4]) for n in range(0, len(faces), 4))


def trouble(why: str, hint: str | None = None) -> Rich:
    return lines((run("⚠️ "), *bold(shortened(why, 600))), hint or "")


def text(words: str) -> tuple[Run, ...]:
    return (run(words),)


def age(then: datetime, now: datetime) -> str:
    seconds = max(0, int((now - then).total_seconds()))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"
