"""What the demo agent does with a prompt.

`ask` asks a question, `edit FILE` proposes one edit, `run COMMAND` proposes one command, and any other text starts the
tour: a look, an edit and a command. Prompts for tests, of which a prompt may hold several, one on each line with an
`@` before it:

  lines N [BURST] [PAUSE_MS]  N messages "line 1" to "line N", with a pause after each BURST of them
  chunks N SIZE               one message of N pieces, each SIZE characters long
  flood MB, long BYTES        MB times 2**20 bytes on stdout in pieces of one message; one piece of BYTES characters
  echo TEXT                   "echo <length of TEXT in characters> <SHA-256 of its UTF-8>"
  sleep S                     S seconds, which a cancel ends
  hold                        one permission request, then "verdict: approve" or "verdict: reject <reason>"
  two                         two permission requests at once, and how and in which order they were answered
  garbage, stderr N           lines that are no message, and an update of an unknown kind; N lines on stderr
  crash CODE, exit            ends at once, in mid-turn; ends with 0 after the turn
  deafen                      never reads stdin again
  stubborn                    sleeps, whatever happens: deaf to SIGTERM, to a cancel and to the end of stdin
  daemonize                   leaves behind a process that ignores SIGTERM and sleeps; tells its pid
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tetherd.agents.workers.demo_turn import Answer, Turn
from tetherd.agents.workers.messages import OPTIONS, JsonObject, text_content

QUESTION = "Which colour should the heading be?"
COLOURS = ("red", "green", "blue")
ADDED_LINE = "Looked after by the tetherd demo agent.\n"

STREAM_PAUSE_SECONDS = 0.15
LIST_SECONDS = 5.0
COMMAND_SECONDS = 3600.0
STUBBORN_SECONDS = 600
SHOWN_BYTES = 2000
SHOWN_FILES = 20
EDIT_LIMIT_BYTES = 1_048_576


def perform(turn: Turn) -> None:
    """Do what the prompt says. Raises TurnCancelled, and OSError when the history cannot be written."""
    acts = [turn.text]
    if turn.text.startswith("@"):
        acts = [line[1:] for line in turn.text.split("\n") if line.startswith("@")]
    for text in acts:
        for pattern, act in ACTS:
            if match := re.fullmatch(rf"\s*{pattern}\s*", text, re.DOTALL):
                act(turn, *match.groups())
                break
        else:
            _tour(turn)


def _tour(turn: Turn) -> None:
    turn.think("First a look at what is here, then one small edit and one command.")
    _stream(turn, "I will look around, ", "propose one small change, ", "and run one command. ", "You decide on both.")
    readme = turn.session.directory / "README.md"
    has_readme = readme.is_file() and not readme.is_symlink() and os.access(readme, os.R_OK)
    _look(turn, readme if has_readme else None)
    _propose_edit(turn, "README.md" if has_readme else "NOTES.md")
    _propose_command(turn, "git diff --stat")
    _stream(turn, "That was the tour. ", "Say `ask`, `edit FILE` ", "or `run COMMAND` ", "to see one step alone.")


def _stream(turn: Turn, *pieces: str) -> None:
    message_id = turn.new_id("msg")
    for piece in pieces:
        turn.say(piece, message_id=message_id)
        turn.pause(STREAM_PAUSE_SECONDS)


def _look(turn: Turn, file: Path | None) -> None:
    """Read a file, or list the first ones that git knows, or those in the directory."""
    if file:
        call = turn.start_call(f"Read {file.name}", "read", {"path": str(file)})
        with file.open("rb") as source:
            seen = source.read(SHOWN_BYTES).decode(errors="replace")
    else:
        call = turn.start_call("List files", "read", {"path": str(turn.session.directory)})
        names = sorted(os.listdir(turn.session.directory))
        with contextlib.suppress(OSError):
            # A repository's configuration may name a program as its file system monitor: we run nothing unasked.
            code, known = turn.execute(("git", "-c", "core.fsmonitor=false", "ls-files"), LIST_SECONDS)
            names = known.splitlines() if code == 0 else names
        seen = "\n".join(names[:SHOWN_FILES])
    turn.change_call(call, "completed", text_content(seen or "(nothing)"))


def _propose_edit(turn: Turn, name: str) -> None:
    """Add a line at the end of a file, or make the file, if that is allowed."""
    file = turn.session.directory / name
    try:
        old = _text_of(file)
    except (OSError, ValueError) as error:
        turn.say(f"I cannot edit {file.name}: {error}.")
        return
    new = f"{old}\n{ADDED_LINE}" if old and not old.endswith("\n") else f"{old or ''}{ADDED_LINE}"
    diff = {"type": "diff", "path": str(file), "oldText": old, "newText": new}
    call = turn.start_call(f"Edit {file.name}", "edit", {"path": str(file), "append": ADDED_LINE}, diff)
    if not _is_allowed(turn, call):
        turn.say(f"All right, {file.name} stays as it is.")
        return
    try:
        if _text_of(file) != old:
            raise ValueError("it was changed meanwhile")
        _replace(file, new)
    except (OSError, ValueError) as error:
        turn.change_call(call, "failed", text_content(f"{error}"))
        return
    turn.change_call(call, "completed", diff)


def _text_of(file: Path) -> str | None:
    """None when there is no such file. Raises OSError, or ValueError for what is not a small text file."""
    if not file.exists():
        return None
    if not file.is_file() or file.stat().st_size > EDIT_LIMIT_BYTES:
        raise ValueError("it is no small text file")
    return file.read_bytes().decode()


def _replace(file: Path, text: str) -> None:
    """Write a file in one step; a link stays, and so does the mode."""
    file = file.resolve()
    draft = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(text.encode())
        if file.exists():
            draft.chmod(file.stat().st_mode & 0o777)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _propose_command(turn: Turn, command: str) -> None:
    """Run a command in a shell, if that is allowed."""
    call = _start_command(turn, command)
    if not _is_allowed(turn, call):
        turn.say("All right, I do not run it.")
        return
    turn.change_call(call, "in_progress")
    try:
        code, output = turn.execute(("/bin/sh", "-c", command), COMMAND_SECONDS)
    except (OSError, ValueError) as error:
        turn.change_call(call, "failed", text_content(f"{error}"))
        return
    status = "completed" if code == 0 else "failed"
    turn.change_call(call, status, text_content(output or "(no output)"), rawOutput={"exitCode": code})


def _start_command(turn: Turn, command: str) -> JsonObject:
    return turn.start_call(command, "execute", {"command": command, "cwd": str(turn.session.directory)})


def _is_allowed(turn: Turn, call: JsonObject) -> bool:
    request_id = turn.ask(call, OPTIONS)
    is_allowed = turn.answers([request_id])[request_id].option == "allow"
    if not is_allowed:
        turn.change_call(call, "failed", text_content("rejected"))
    return is_allowed


def _ask(turn: Turn) -> None:
    options = [{"optionId": colour, "name": colour, "kind": "allow_once"} for colour in COLOURS]
    options.append({"optionId": "skip", "name": "skip", "kind": "reject_once"})
    request_id = turn.ask({"toolCallId": turn.new_id("call"), "kind": "other", "title": QUESTION}, options)
    chosen = turn.answers([request_id])[request_id].option
    turn.say(f"You chose {chosen}." if chosen in COLOURS else "You skipped the question.")


def _echo(turn: Turn, text: str) -> None:
    turn.say(f"echo {len(text)} {hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}")


def _lines(turn: Turn, count: str, burst: str | None, pause_milliseconds: str | None) -> None:
    for number in range(1, int(count) + 1):
        turn.say(f"line {number}\n")
        if burst and number % int(burst) == 0:
            turn.wait(int(pause_milliseconds or 0) / 1000)


def _chunks(turn: Turn, count: str, size: str) -> None:
    message_id = turn.new_id("msg")
    for number in range(int(count)):
        turn.say(chr(ord("a") + number % 26) * int(size), message_id=message_id)


def _flood(turn: Turn, megabytes: str) -> None:
    left, message_id = int(megabytes) << 20, turn.new_id("msg")
    while left > 0:
        left -= turn.say("flood " * 700, message_id=message_id, remember=False)


def _garbage(turn: Turn) -> None:
    for line in (b"this is not JSON", b"", b"\xff\xfe\x00", b"42", b'{"method":"demo/unheard_of"}', b"{"):
        turn.send_line(line)
    turn.update({"sessionUpdate": "demo_unheard_of", "content": "?"}, remember=False)
    turn.say("garbage sent")


def _stderr(turn: Turn, count: str) -> None:
    for number in range(1, int(count) + 1):
        os.write(2, f"stderr line {number}\n".encode())
    turn.say(f"{count} lines on stderr")


def _crash(turn: Turn, code: str) -> None:
    turn.say(f"crashing with {code}")
    os._exit(int(code) & 0xFF)


def _deafen(turn: Turn) -> None:
    turn.deafen()
    turn.say("deaf from now on")


def _stubborn(turn: Turn) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    turn.say("stubborn from now on")
    time.sleep(STUBBORN_SECONDS)


def _daemonize(turn: Turn) -> None:
    # The shell leads a session of its own and is gone at once: what it left has no parent of ours and no terminal.
    script = f"trap '' TERM; sleep {STUBBORN_SECONDS} >/dev/null 2>&1 & echo $!"
    pid = subprocess.check_output(("/bin/sh", "-c", script), stdin=subprocess.DEVNULL, start_new_session=True)
    turn.say(f"daemon {int(pid)}")


def _hold(turn: Turn) -> None:
    (answer,) = _ask_for_nothing(turn, "held").values()
    turn.say(f"verdict: {_verdict(answer)} {answer.reason}".rstrip())


def _two(turn: Turn) -> None:
    answers = _ask_for_nothing(turn, "first", "second")
    verdicts = ", ".join(f"{name} {_verdict(answers[name])}" for name in sorted(answers))
    turn.say(f"{verdicts}; answered {', '.join(answers)}")


def _ask_for_nothing(turn: Turn, *names: str) -> dict[str, Answer]:
    """Ask for commands that will not be run; the answers by name, in the order in which they came."""
    calls = {}
    for name in names:
        call = _start_command(turn, f"echo {name}")
        calls[turn.ask(call, OPTIONS)] = name, call
    answers = turn.answers(list(calls))
    for request_id, answer in answers.items():
        status = "completed" if answer.option == "allow" else "failed"
        turn.change_call(calls[request_id][1], status, text_content("nothing was run"))
    return {calls[request_id][0]: answer for request_id, answer in answers.items()}


def _verdict(answer: Answer) -> str:
    return "approve" if answer.option == "allow" else "reject"


def _exit(turn: Turn) -> None:
    turn.is_last = True


def _sleep(turn: Turn, seconds: str) -> None:
    turn.wait(float(seconds))
    turn.say(f"slept {seconds}")


ACTS: tuple[tuple[str, Callable[..., None]], ...] = (
    (r"ask", _ask),
    (r"echo (.*)", _echo),
    (r"edit (\S+)", _propose_edit),
    (r"run (.+)", _propose_command),
    (r"lines (\d{1,9})(?: ([1-9]\d{0,8}))?(?: (\d{1,9}))?", _lines),
    (r"chunks (\d{1,9}) (\d{1,9})", _chunks),
    (r"flood (\d{1,9})", _flood),
    (r"long (\d{1,9})", lambda turn, size: _chunks(turn, "1", size)),
    (r"sleep (\d{1,6}(?:\.\d{1,3})?)", _sleep),
    (r"hold", _hold),
    (r"two", _two),
    (r"garbage", _garbage),
    (r"stderr (\d{1,9})", _stderr),
    (r"crash (\d{1,9})", _crash),
    (r"exit", _exit),
    (r"deafen", _deafen),
    (r"stubborn", _stubborn),
    (r"daemonize", _daemonize),
)
