"""Commands that follow the live stream: watch, attach."""

from __future__ import annotations

import codecs
import json
import os
import queue
import threading
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from typing import Any

from tetherd.cli.call import Call
from tetherd.cli.output import DONE, Refusal, Terminal
from tetherd.cli.transcript import Transcript
from tetherd.cli.words import digest_of
from tetherd.client.sse import SseEvent
from tetherd.errors import TetherError

_VERBS = "/approve [ID]  /reject [REASON]  /interrupt  /stop  /quit"


def register(add: Callable[..., ArgumentParser]) -> None:
    command = add(
        "watch",
        watch,
        "follow a session, or all of them, until Ctrl-C",
        "tetherctl watch s-4k\ntetherctl watch s-4k --new\ntetherctl watch --json | jq -c .type",
    )
    command.add_argument("id", metavar="ID", nargs="?", help="a session; all of them when left out")
    command.add_argument("--new", action="store_true", help="only what comes from now on")
    command = add(
        "attach",
        attach,
        "follow a session and type into it",
        "tetherctl attach s-4k",
        f"what you type is sent as input, but for\n  {_VERBS}",
    )
    command.add_argument("id", metavar="ID", help="the session")
    command.add_argument("--new", action="store_true", help="only what comes from now on")


def watch(call: Call) -> int:
    if call.args.id is not None:
        return watch_session(call, call.session_id(call.args.id), only_new=call.args.new)
    path = f"/api/events?after={_now(call)}"
    return _until_interrupted(call, path, Transcript(call.terminal, several=True))


def watch_session(call: Call, session_id: str, *, only_new: bool = False) -> int:
    """Show a session's transcript, from its beginning, until Ctrl-C."""
    return _until_interrupted(call, _stream_path(call, session_id, only_new), Transcript(call.terminal))


def _until_interrupted(call: Call, path: str, transcript: Transcript) -> int:
    try:
        for event in call.client.follow(path, lost=lambda why, wait: _lost(call.terminal, why, wait)):
            _show(call.terminal, transcript, event)
    except KeyboardInterrupt:
        call.terminal.end_line()
    return DONE


def attach(call: Call) -> int:
    """Two threads bring what comes, from the daemon and from the keyboard; all else happens in this one."""
    session_id = call.session_id(call.args.id)
    path, stream = f"/api/sessions/{session_id}", _stream_path(call, session_id, call.args.new)
    transcript = Transcript(call.terminal)
    arrivals: queue.Queue[Any] = queue.Queue(maxsize=1000)
    events = call.client.follow(stream, lost=lambda why, wait: arrivals.put(_Lost(why, wait)))
    for source in (events, _lines(call.stdin.fileno())):
        threading.Thread(target=_bring, args=(source, arrivals), daemon=True).start()
    try:
        while True:
            match arrivals.get():
                case SseEvent() as event:
                    _show(call.terminal, transcript, event)
                case str(line):
                    call.terminal.status_gone()
                    if not _typed(call, path, transcript, line.strip()):
                        return DONE
                case _Lost() as lost:
                    _lost(call.terminal, lost.why, lost.wait)
                case TetherError() as error:
                    raise error
    except KeyboardInterrupt:
        call.terminal.end_line()
        return DONE


class _Lost:
    def __init__(self, why: Exception, wait: float) -> None:
        self.why = why
        self.wait = wait


def _bring(source: Iterator[SseEvent] | Iterator[str], arrivals: queue.Queue[Any]) -> None:
    try:
        for one in source:
            arrivals.put(one)
    except TetherError as error:
        arrivals.put(error)


def _lines(descriptor: int) -> Iterator[str]:
    """Lines as they are typed, then /quit. Reads the descriptor itself: a thread that sits in sys.stdin holds its
    lock, and the interpreter cannot exit over that."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = ""
    while data := os.read(descriptor, 65536):
        *lines, text = (text + decoder.decode(data)).split("\n")
        yield from lines
    yield from (text, "/quit")


def _typed(call: Call, path: str, transcript: Transcript, line: str) -> bool:
    """Do what was typed; False when it was to leave. What the daemon refuses is said, and we go on."""
    verb, _, rest = line.partition(" ")
    try:
        match verb:
            case "":
                pass
            case "/quit":
                return False
            case "/interrupt" | "/stop":
                call.post(f"{path}{verb}")
            case "/approve":
                _decide(call, transcript, rest.strip() or None, {"decision": "approve"})
            case "/reject":
                _decide(call, transcript, None, {"decision": "reject", **({"reason": rest.strip()} if rest else {})})
            case _ if verb.startswith("/"):
                call.terminal.note(f"there is only {_VERBS}")
            case _:
                call.post(f"{path}/input", {"text": line})
    except TetherError as error:
        call.terminal.note(f"tetherctl: {error}")
    return True


def _decide(call: Call, transcript: Transcript, given: str | None, body: dict[str, str]) -> None:
    """Answer an approval as this terminal has shown it."""
    shown = [
        one
        for one in transcript.waiting
        if given is None or one.removeprefix("a-").startswith(given.removeprefix("a-"))
    ]
    if not shown:
        raise Refusal("nothing is waiting for you here")
    if len(shown) > 1:
        raise Refusal(f"{len(shown)} requests wait here: {', '.join(shown)}; use tetherctl approve or reject ID")
    approval = transcript.waiting[shown[0]]
    if approval["kind"] == "question" and body["decision"] == "approve":
        raise Refusal(f"it is a question: tetherctl approve {shown[0]} --choice OPTION, or --text TEXT")
    call.post(f"/api/approvals/{shown[0]}/decision", {**body, "digest": digest_of(approval)})


def _stream_path(call: Call, session_id: str, only_new: bool) -> str:
    return f"/api/sessions/{session_id}/events?after={_now(call) if only_new else 0}"


def _now(call: Call) -> str:
    """The newest place in the log."""
    status = call.get("/api/status")
    return f"{status['epoch']}.{status['seq']}"


def _show(terminal: Terminal, transcript: Transcript, event: SseEvent) -> None:
    value = json.loads(event.data)
    if terminal.as_json:
        terminal.record({"type": "delta", **value} if event.kind == "delta" else value)
        return
    if event.kind == "delta":
        transcript.delta(value)
    else:
        transcript.envelope(value)
    terminal.status(*transcript.status)


def _lost(terminal: Terminal, why: Exception, wait: float) -> None:
    terminal.note(f"{why}; trying again in {wait:.0f} s")
