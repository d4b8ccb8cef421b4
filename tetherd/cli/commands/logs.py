"""The command that shows what an agent wrote beside its protocol: logs."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable

from tetherd.cli.call import Call
from tetherd.cli.output import DONE, Terminal

_PAUSE_SECONDS = 1.0
_OVERLAP = 1024


def register(add: Callable[..., ArgumentParser]) -> None:
    command = add(
        "logs",
        logs,
        "show an agent's stderr and the lines nobody understood",
        "tetherctl logs s-4k\ntetherctl logs s-4k -f",
    )
    command.add_argument("id", metavar="ID", help="the session")
    command.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")


def logs(call: Call) -> int:
    path = f"{call.session_path(call.args.id)}/logs"
    terminal = call.terminal
    found = call.get(path)
    if terminal.as_json:
        terminal.record(found)
    else:
        if not (found["stderr"] or found["unrecognised"] or call.args.follow):
            terminal.line("The agent wrote nothing to stderr, and every line of it was understood.")
        _show_logs(terminal, found["stderr"], found["unrecognised"])
    try:
        while call.args.follow:
            time.sleep(_PAUSE_SECONDS)
            newer = call.get(path)
            stderr = _appended(found["stderr"], newer["stderr"])
            lines = _appended_lines(found["unrecognised"], newer["unrecognised"])
            if terminal.as_json and (stderr or lines):
                terminal.record({"stderr": stderr, "unrecognised": lines})
            elif not terminal.as_json:
                _show_logs(terminal, stderr, lines)
            found = newer
    except KeyboardInterrupt:
        terminal.end_line()
    return DONE


def _show_logs(terminal: Terminal, stderr: str, unrecognised: list[str]) -> None:
    if stderr:
        terminal.block(stderr)
    for line in unrecognised:
        terminal.block(line, "dim", "? ")


def _appended(before: str, now: str) -> str:
    """What `now` has behind `before`. Both are ends of one growing text, whose beginning may be cut off."""
    if now.startswith(before):
        return now[len(before) :]
    place = now.rfind(before[-_OVERLAP:])
    return now[place + len(before[-_OVERLAP:]) :] if place >= 0 else now


def _appended_lines(before: list[str], now: list[str]) -> list[str]:
    """The same for lines."""
    for start in range(max(0, len(before) - len(now)), len(before) + 1):
        if now[: len(before) - start] == before[start:]:
            return now[len(before) - start :]
    return now
