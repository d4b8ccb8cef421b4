"""What people are told of a session: its events, as messages.

Pure. One status line for each session, edited; one digest of steps for each turn, edited; what the agent wrote as
new messages, when it asks or ends its turn, so that phones ring once and when somebody is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tetherd.bridge import approval as ap
from tetherd.bridge import events as ev
from tetherd_bridges.conversation import approvals
from tetherd_bridges.conversation.messages import FILE_PIECES, PIECE_UNITS, File, Message, bold, code, lines
from tetherd_bridges.conversation.thread import STEPS_SHOWN, Standing, Thread
from tetherd_bridges.markdown import read_markdown
from tetherd_bridges.richtext import Rich, Style, by_agent, plain, redacted, run, say, shortened, split

STEP_CHARACTERS = 120
INPUT_CHARACTERS = 1500
FILE_BYTES = 45 * 1024 * 1024
"""Telegram takes files of 50 MB."""
FILE_CHARACTERS = PIECE_UNITS * FILE_PIECES

_MARKS = {"running": "▶️", "waiting for you": "🔔", "waiting for input": "💤", "ended": "⏹", "starting": "⏳"}


@dataclass(frozen=True, slots=True)
class SayText:
    """Show what the agent wrote behind `after` up to `upto`; the text is to be read from the log first."""

    after: int
    upto: int
    loud: bool


@dataclass(frozen=True, slots=True)
class Settle:
    """An approval is closed: its message gets rid of its buttons. It is to be looked up first."""

    approval_id: str
    resolution: ap.Resolution | None
    quietly: bool
    """Nobody had to be asked: if its message was not sent yet, it need not be."""


@dataclass(frozen=True, slots=True)
class Rename:
    """The thread shall be called as the session is now."""


@dataclass(frozen=True, slots=True)
class Close:
    """The session is gone for good: so is its thread."""


Action = Message | SayText | Settle | Rename | Close


@dataclass(slots=True)
class Told:
    """What follows from an event: the thread after it, and what to do, in order."""

    thread: Thread
    actions: list[Action] = field(default_factory=list)


def tell(thread: Thread, seq: int, at: datetime, event: ev.Event, surface: str) -> Told:
    """What an event changes in a chat. `surface` is ours: what people said here they have seen already."""
    told = Told(thread)
    for change in _told(thread, seq, at, event, surface):
        if isinstance(change, Thread):
            told.thread = change
        else:
            told.actions.append(change)
    if _status(told.thread) != _status(thread):
        told.actions.append(_status(told.thread))
    return told


def _told(thread: Thread, seq: int, at: datetime, event: ev.Event, surface: str) -> Iterator[Action | Thread]:
    match event:
        case ev.SessionStarted() | ev.SessionResumed():
            yield thread.with_(standing="starting", ending="")
        case ev.AgentReady():
            yield thread.with_(standing="waiting for you" if thread.asked else "waiting for input")
        case ev.InputAccepted(by=by, text=text) if by.surface != surface:
            yield _words_from(event.input_id, thread, f"{by.principal.name} on {by.surface}", text)
        case ev.InputUndelivered(input_id=input_id):
            yield _notice(thread, f"undelivered/{input_id}", "⚠️ An input did not reach the agent. Send it again.")
        case ev.TurnStarted():
            yield thread.with_(
                standing="running",
                turn=thread.turn + 1,
                steps=(),
                step_count=0,
                failed_steps=0,
                is_turn_open=True,
                has_digest=False,
            )
        case ev.MessageWritten(parent_tool_call_id=None):  # what a sub-agent writes is for the agent
            if thread.text_after is None:
                yield thread.with_(text_after=seq - 1)
        case ev.ToolCallStarted(tool=tool, title=title):
            step = shortened(redacted(title if tool in title else f"{tool} {title}"), STEP_CHARACTERS)
            after = thread.with_(
                steps=(*thread.steps, step)[-STEPS_SHOWN:], step_count=thread.step_count + 1, has_digest=True
            )
            yield after
            yield digest(after)
        case ev.ToolCallFinished(ok=False):
            after = thread.with_(failed_steps=thread.failed_steps + 1, has_digest=True)
            yield after
            yield digest(after)
        case ev.ApprovalRequested(approval=approval):
            yield from _asked(thread, seq, approval)
        case ev.RuleGranted(rule=rule):
            yield _notice(thread, f"rule/{rule.rule_id}", "📏 Rule", str(rule))
        case ev.ApprovalResolved() | ev.ApprovalWithdrawn():
            yield from _closed(thread, at, event)
        case ev.InterruptRequested():
            if thread.is_turn_open:
                yield thread.with_(standing="interrupting")
        case ev.TurnCompleted():
            yield from _turn_over(thread, seq, event)
        case ev.RunEnded():
            yield from _run_over(thread, seq, event)
        case ev.StopRequested() if thread.standing == "created":
            yield thread.with_(standing="ended", ending="stopped")
        case ev.NoticeRaised(level="warning" | "error", text=text):
            yield _notice(thread, f"notice/{thread.session_id}/{seq}", "⚠️ Notice", text)
        case ev.SessionRenamed(name=name):
            yield thread.with_(name=name)
            yield Rename()
        case ev.SessionDeleted():
            yield Close()
        case _:
            pass


def _asked(thread: Thread, seq: int, approval: ap.Approval) -> Iterator[Action | Thread]:
    after = thread
    if thread.text_after is not None:
        yield SayText(thread.text_after, seq, loud=False)
        after = thread.with_(text_after=None)
        if thread.has_digest:
            yield digest(after)  # without the text that was on its way
    yield after.with_(standing="waiting for you", asked=(*thread.asked, approval.approval_id))
    if approvals.is_cut(approval):
        yield Message(
            key=f"whole/{approval.approval_id}",
            session_id=thread.session_id,
            text=(run("📎 All of what is asked next"),),
            file=File("request.txt", approvals.whole(approval)),
        )
    yield approvals.asked(approval, thread.session_id)


def _closed(
    thread: Thread, at: datetime, event: ev.ApprovalResolved | ev.ApprovalWithdrawn
) -> Iterator[Action | Thread]:
    resolution = None
    if isinstance(event, ev.ApprovalResolved):
        resolution = ap.Resolution(answer=event.answer, by=event.by, at=at)
    still = tuple(one for one in thread.asked if one != event.approval_id)
    standing = thread.standing
    if standing == "waiting for you" and not still:
        standing = "running" if thread.is_turn_open else "waiting for input"
    yield thread.with_(asked=still, standing=standing)
    quietly = resolution is not None and not isinstance(resolution.by, ap.ByActor)
    yield Settle(event.approval_id, resolution, quietly)


def _turn_over(thread: Thread, seq: int, event: ev.TurnCompleted) -> Iterator[Action | Thread]:
    if thread.text_after is not None:
        yield SayText(thread.text_after, seq, loud=True)
    # what a sub-agent in the background asks stays open
    standing: Standing = "waiting for you" if thread.asked else "waiting for input"
    after = thread.with_(standing=standing, is_turn_open=False, text_after=None)
    yield after
    if thread.has_digest:
        yield digest(after)
    if thread.text_after is None or event.outcome != "completed":
        words = {"completed": "✔️ Done", "interrupted": "✋ Interrupted", "failed": "⚠️ The turn failed"}[event.outcome]
        yield _notice(thread, f"end/{thread.session_id}/{thread.turn}", words, event.detail or "", loud=True)


def _run_over(thread: Thread, seq: int, event: ev.RunEnded) -> Iterator[Action | Thread]:
    if thread.text_after is not None:
        yield SayText(thread.text_after, seq, loud=True)
    how: str = event.reason
    if event.reason == "failed":
        fate = f"signal {event.signal}" if event.signal is not None else f"exit code {event.code}"
        how = f"failed, {fate}" if (event.signal, event.code) != (None, None) else "failed"
    after = thread.with_(standing="ended", ending=how, is_turn_open=False, text_after=None, asked=())
    yield after
    if thread.has_digest and thread.is_turn_open:
        yield digest(after)
    if event.reason in ("failed", "lost"):
        yield _notice(thread, f"ended/{thread.session_id}/{seq}", f"⚠️ The agent ended: {how}", event.detail or "", True)


# -- messages ----------------------------------------------------------------------------------------------------


def status(thread: Thread) -> Message:
    """The one line that says how the session is."""
    return _status(thread)


def _status(thread: Thread) -> Message:
    mark = _MARKS.get(thread.standing, "•")
    words: str = thread.standing
    if thread.standing == "waiting for you" and len(thread.asked) > 1:
        words += f" ({len(thread.asked)})"
    if thread.standing == "ended" and thread.ending:
        words += f": {thread.ending}"
    where = (run(thread.adapter), *((run(" in "), *code(thread.directory)) if thread.directory else ()))
    text = lines((run(f"{mark} "), *bold(words[0].upper() + words[1:])), where)
    return Message(key=f"status/{thread.session_id}", session_id=thread.session_id, text=text, kept=True)


def digest(thread: Thread, on_its_way: str = "") -> Message:
    """The steps of one turn: how many, and the newest of them; and the end of the text that is being written."""
    count = f"{thread.step_count} step{'s' if thread.step_count != 1 else ''}"
    if not thread.step_count:
        count = "Writing" if thread.is_turn_open else "Written"
    failed = f", {thread.failed_steps} failed" if thread.failed_steps else ""
    head = (run("⚙️ " if thread.is_turn_open else "✔️ "), *bold(count), run(failed))
    hidden = thread.step_count - len(thread.steps)
    rows: list[Rich] = [by_agent(say("…"))] if hidden > 0 else []
    rows += [by_agent(say(step)) for step in thread.steps]
    if on_its_way.strip():
        rows.append(by_agent(say(f"… {on_its_way.strip()}")))
    key = f"turn/{thread.session_id}/{thread.turn}"
    return Message(key=key, session_id=thread.session_id, text=lines(head, *rows), kept=thread.is_turn_open)


def texts(thread: Thread, seq: int, source: str, loud: bool) -> list[Message]:
    """What the agent wrote up to `seq`: in pieces, or as a file with its beginning."""
    if not source.strip():
        return []
    key = f"text/{thread.session_id}/{seq}"
    is_long = len(source) > FILE_CHARACTERS
    rich = by_agent(read_markdown(source[:FILE_CHARACTERS]))
    if not plain(rich).strip():
        rich = by_agent(say(source))
    pieces = list(split(rich, PIECE_UNITS))
    if not is_long and len(pieces) <= FILE_PIECES:
        count = len(pieces)
        return [
            Message(
                key=f"{key}/{n}",
                session_id=thread.session_id,
                text=one if count == 1 else lines((run(f"({n}/{count})"),), one),
                loud=loud and n == count,
            )
            for n, one in enumerate(pieces, 1)
        ]
    data = redacted(source).encode(errors="replace")
    if len(data) > FILE_BYTES:
        data = data[:FILE_BYTES] + b"\n[cut here: the whole text is in the log]\n"
    return [
        Message(
            key=f"{key}/1",
            session_id=thread.session_id,
            text=lines(pieces[0], (run(f"The beginning; all {len(data):,} bytes are in the file.", Style.ITALIC),)),
        ),
        Message(
            key=f"{key}/2",
            session_id=thread.session_id,
            text=(run("📎 What the agent wrote"),),
            file=File("answer.md", data),
            loud=loud,
        ),
    ]


def _words_from(input_id: str, thread: Thread, who: str, text: str) -> Message:
    shown = text if len(text) <= INPUT_CHARACTERS else f"{text[:INPUT_CHARACTERS]} …"
    body = by_agent((run(shown),))  # not ours either: the shape of words that we only pass on
    return Message(key=f"input/{input_id}", session_id=thread.session_id, text=lines((run("💬 "), *bold(who)), body))


def _notice(thread: Thread, key: str, head: str, text: str = "", loud: bool = False) -> Message:
    body = by_agent((run(shortened(text, INPUT_CHARACTERS)),)) if text else ()
    return Message(key=key, session_id=thread.session_id, text=lines(bold(head), body), loud=loud)
