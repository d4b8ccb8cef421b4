"""Commands that make, steer and end sessions."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Callable

from tetherd.cli.call import Call, Json
from tetherd.cli.commands.follow import watch_session
from tetherd.cli.images import read_images
from tetherd.cli.output import DONE, USAGE, Part, Refusal, Styled, ago, shortened
from tetherd.cli.words import ending_words, limit_words, size, state_word
from tetherd.sizes import show_size

_NAME_COLUMNS = 32
_ENDED_SHOWN = 20
_NAME_LIMIT = 80


def register(add: Callable[..., ArgumentParser]) -> None:
    command = add(
        "list", list_sessions, "list sessions, first those that need you", "tetherctl list\ntetherctl list --all"
    )
    command.add_argument("--all", action="store_true", help=f"every ended one too, not only the newest {_ENDED_SHOWN}")
    command = add(
        "new",
        new,
        "start an agent in a directory",
        'tetherctl new\ntetherctl new ~/shop -p "fix the test" --watch\ntetherctl new . --agent demo --mode edits',
    )
    command.add_argument("directory", metavar="DIRECTORY", nargs="?", help="where it works (here)")
    command.add_argument("--agent", metavar="NAME", help="see: tetherctl agents")
    command.add_argument("--name", metavar="N", help="what you call it")
    command.add_argument(
        "--mode", choices=("ask", "edits", "auto"), default="ask", help="what passes unasked (ask: nothing)"
    )
    command.add_argument("--prompt", "-p", metavar="TEXT", help="its first input")
    command.add_argument("--image", metavar="FILE", action="append", default=[], help="goes with it; repeatable")
    command.add_argument("--fork", metavar="ID", help="begin with a copy of that session's conversation")
    command.add_argument("--continue", dest="conversation", metavar="CONVERSATION", help="the agent's own id of one")
    command.add_argument("--memory", metavar="SIZE", type=size, help="it may use so much, such as 4G")
    command.add_argument("--tasks", metavar="N", type=int, help="it may have so many processes and threads")
    command.add_argument("--cpu-weight", metavar="N", type=int, help="its share of the CPU; others have 100")
    command.add_argument(
        "--sandbox", action="store_true", help="it sees nothing of tetherd, your session bus and other processes"
    )
    command.add_argument("--watch", action="store_true", help="follow it at once")
    command = add(
        "input",
        send_input,
        "send a session text",
        'tetherctl input s-4k "now run the tests"\ngit diff | tetherctl input s-4k -',
    )
    command.add_argument("id", metavar="ID")
    command.add_argument("text", metavar="TEXT", nargs="+", help="the text, or - to read it from stdin")
    command.add_argument("--image", metavar="FILE", action="append", default=[], help="goes with it; repeatable")
    _on_session(add, "interrupt", interrupt, "end the running turn; the agent stays", "tetherctl interrupt s-4k")
    _on_session(add, "freeze", freeze, "have an agent stand still, with all it started", "tetherctl freeze s-4k")
    _on_session(add, "thaw", thaw, "have a frozen agent go on", "tetherctl thaw s-4k")
    command = _on_session(add, "stop", stop, "end the agent and all it started", "tetherctl stop s-4k --grace 30")
    command.add_argument("--grace", metavar="SECONDS", type=float, help="time to end by itself, 0 to 60 (1.5)")
    _on_session(add, "resume", resume, "start the agent of an ended session again", "tetherctl resume s-4k")
    command = _on_session(add, "rename", rename, "give a session another name", 'tetherctl rename s-4k "Checkout"')
    command.add_argument("name", metavar="NAME")
    command = _on_session(add, "delete", delete, "forget an ended session for good", "tetherctl delete s-4k --yes")
    command.add_argument("--yes", action="store_true", help="do not ask")


def _on_session(
    add: Callable[..., ArgumentParser], name: str, run: Callable[[Call], int], about: str, examples: str
) -> ArgumentParser:
    command = add(name, run, about, examples)
    command.add_argument("id", metavar="ID", help="the session")
    return command


# -- looking -----------------------------------------------------------------------------------------------------


def list_sessions(call: Call) -> int:
    found = sorted(call.sessions(), key=_rank)
    terminal = call.terminal
    if terminal.as_json:
        for session in found:
            terminal.record(session)
        return DONE
    if not found:
        terminal.line("No sessions yet. Start one: tetherctl new [DIRECTORY] --prompt TEXT")
        return DONE
    ended = [session for session in found if session["state"] == "ended"]
    hidden = 0 if call.args.all else max(0, len(ended) - _ENDED_SHOWN)
    shown = found[: len(found) - hidden]
    terminal.table(("ID", "STATE", "AGENT", "NAME", "WAITING", "AGE"), [_row(session) for session in shown])
    if hidden:
        terminal.note(f"and {hidden} that ended earlier: tetherctl list --all")
    return DONE


def _rank(session: Json) -> tuple[int, int]:
    """Needs you, runs, ended; the newest first in each."""
    state = session["state"]
    group = 0 if session["open_approvals"] else 2 if state == "ended" else 1
    return group, -session["first_seq"]


def _row(session: Json) -> list[Part]:
    waiting = len(session["open_approvals"])
    return [
        session["session_id"],
        state_word(session["state"], session["ending"]),
        session["adapter"],
        shortened(session["name"], _NAME_COLUMNS),
        Styled("you", str(waiting)) if waiting else "-",
        ago(session["created_at"]),
    ]


def show_session(call: Call) -> int:
    """One session: what it is, how it stands, and what it waits for."""
    session = call.get(call.session_path(call.args.id))
    terminal = call.terminal
    if terminal.as_json:
        terminal.record(session)
        return DONE
    resources = call.get(f"/api/resources?session={session['session_id']}")["resources"]
    terminal.line(Styled("bold", session["name"]), f"  {session['session_id']}")
    still = ", frozen: tetherctl thaw" if session["frozen"] else ""
    terminal.line("state      ", state_word(session["state"], session["ending"]), still)
    if session["ending"]:
        terminal.line(f"ended      {ending_words(session['ending'])}")
    terminal.line(f"agent      {session['adapter']}, mode {session['mode']}")
    terminal.line(f"directory  {session['directory'] or '-'}")
    terminal.line(f"turns      {session['turns']}, last event {ago(session['updated_at'])} ago")
    limits = limit_words(session["limits"])
    if limits:
        terminal.line(f"limits     {limits}")
    for used in resources:
        memory, cpu = show_size(used["memory_bytes"]), used["cpu_seconds"]
        where = f" in {used['unit']}" if used["unit"] else ""
        terminal.line(
            f"uses       {memory} of memory, {cpu:.1f} s of CPU, {used['tasks']} processes and threads{where}"
        )
    for approval in session["open_approvals"]:
        terminal.line(Styled("you", f"needs you  {approval['approval_id']}"), f"  {approval['title']}")
    return DONE


# -- doing -------------------------------------------------------------------------------------------------------


def new(call: Call) -> int:
    args = call.args
    directory = os.path.abspath(os.path.expanduser(args.directory or "."))
    first_line = (args.prompt or "").strip().partition("\n")[0]
    words = (first_line, os.path.basename(directory), directory)
    body: Json = {
        "name": args.name or next(filter(None, map(_plain_name, words)), "session"),
        "approval_mode": args.mode,
        "start": True,
    }
    if args.directory or not args.fork:  # a fork works where the other one does
        body["directory"] = directory
    if args.fork:
        body["fork_of"] = call.session_path(args.fork).rpartition("/")[2]
    given = {"adapter": args.agent, "prompt": args.prompt, "vendor_session_id": args.conversation}
    body |= {member: value for member, value in given.items() if value}
    if args.image:
        body["images"] = read_images(args.image)
    limits = {
        "memory_max_bytes": args.memory,
        "tasks_max": args.tasks,
        "cpu_weight": args.cpu_weight,
        "sandbox": args.sandbox or None,
    }
    if any(limits.values()):
        body["limits"] = {name: value for name, value in limits.items() if value is not None}
    made = call.post("/api/sessions", body)
    session_id = made["session_id"]
    if args.watch:
        return watch_session(call, session_id)
    call.answer(made, f"{session_id}  {made['name']}")
    if not call.terminal.as_json:
        call.terminal.note(f"follow it: tetherctl watch {session_id}")
    return DONE


def _plain_name(text: str) -> str:
    """A name that the API takes, made from a prompt or a directory."""
    plain = "".join(char if char.isprintable() else " " for char in text).strip()
    return plain if len(plain) <= _NAME_LIMIT else f"{plain[: _NAME_LIMIT - 1].rstrip()}…"


def send_input(call: Call) -> int:
    words = call.args.text
    text = call.stdin.read() if words == ["-"] else " ".join(words)
    if not text.strip():
        raise Refusal("there is no text to send", exit_code=USAGE)
    path = call.session_path(call.args.id)
    body: Json = {"text": text}
    if call.args.image:
        body["images"] = read_images(call.args.image)
    return _done(call, call.post(f"{path}/input", body), "sent to")


def interrupt(call: Call) -> int:
    return _done(call, call.post(f"{call.session_path(call.args.id)}/interrupt"), "interrupting")


def freeze(call: Call) -> int:
    return _done(call, call.post(f"{call.session_path(call.args.id)}/freeze"), "frozen")


def thaw(call: Call) -> int:
    return _done(call, call.post(f"{call.session_path(call.args.id)}/thaw"), "thawed")


def stop(call: Call) -> int:
    grace = call.args.grace
    body = {} if grace is None else {"grace_seconds": grace}
    return _done(call, call.post(f"{call.session_path(call.args.id)}/stop", body), "stopping")


def resume(call: Call) -> int:
    return _done(call, call.post(f"{call.session_path(call.args.id)}/resume"), "resumed")


def rename(call: Call) -> int:
    path = call.session_path(call.args.id)
    return _done(call, call.client.request("PATCH", path, {"name": call.args.name}), "renamed")


def delete(call: Call) -> int:
    path = call.session_path(call.args.id)
    session = call.get(path)
    call.confirm(f"Delete {session['name']} ({session['session_id']}) and its transcript for good?")
    answer = call.client.request("DELETE", path)
    return call.answer(answer or {"session_id": session["session_id"]}, f"deleted {session['session_id']}")


def _done(call: Call, outcome: Json, verb: str) -> int:
    session = outcome.get("session", outcome)
    return call.answer(outcome, f"{verb} {session['session_id']}  {session['name']}")
