"""Words for people: states, answers, and what is asked."""

from __future__ import annotations

import hashlib
import json
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from tetherd.cli.output import Part, Styled, Terminal
from tetherd.sizes import read_size, show_size

Json = dict[str, Any]

_STATES = {
    "created": "not started",
    "starting": "starting",
    "awaiting_input": "idle",
    "running": "running",
    "awaiting_approval": "needs you",
    "interrupting": "interrupting",
    "stopping": "stopping",
    "ended": "ended",
}


def state_word(state: str, ending: Json | None = None) -> Part:
    """The state as people call it; an ended session says how it ended."""
    if state == "awaiting_approval":
        return Styled("you", _STATES[state])
    if state == "ended" and ending:
        reason = str(ending["reason"])
        return Styled("bad", reason) if reason in ("failed", "lost") else Styled("dim", reason)
    return _STATES.get(state, state)


def ending_words(ending: Json) -> str:
    """How a run ended, with what the kernel said of it."""
    how = str(ending["reason"])
    if ending.get("signal") is not None:
        how += f" (signal {ending['signal']})"
    elif ending.get("code") is not None:
        how += f" (exit code {ending['code']})"
    return f"{how}: {ending['detail']}" if ending.get("detail") else how


def actor_words(actor: Json) -> str:
    where = f"{actor['surface']} ({actor['device']})" if actor.get("device") else actor["surface"]
    return f"{actor['principal']['name']} on {where}"


def resolution_words(answer: Json | None, by: Json, at: str | None) -> str:
    """Who decided what, where and when."""
    match by["kind"]:
        case "actor":
            who = actor_words(by["actor"])
        case "policy":
            who = f"rule {by['rule']}"
        case _:
            who = str(by.get("cause", "circumstance")).replace("_", " ")
    verb = {"approve": "approved", "reject": "rejected"}[answer["decision"]] if answer else "closed"
    when = f" at {datetime.fromisoformat(at):%H:%M:%S} UTC" if at else ""
    reason = f": {answer['reason']}" if answer and answer.get("reason") else ""
    return f"{verb} by {who}{when}{reason}"


def digest_of(approval: Json) -> str:
    """SHA-256 of what show_approval() shows, as the daemon computes it: the answer to this, and to nothing else."""
    shown = {
        "kind": approval["kind"],
        "title": approval["title"],
        "command": approval["command"],
        "cwd": approval["cwd"],
        "files": [{"path": file["path"], "diff": file["diff"]} for file in approval["files"]],
        "options": [{name: one[name] for name in ("option_id", "label", "description")} for one in approval["options"]],
        "input": approval["input"],
    }
    canonical = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def show_approval(terminal: Terminal, approval: Json) -> None:
    """Everything that an answer answers: all that digest_of() covers, whole and uncut."""
    terminal.line(Styled("you", approval["approval_id"]), f"  {approval['kind']}: {approval['title']}")
    if approval["cwd"] is not None:
        terminal.line(f"  in {approval['cwd']}")
    if approval["command"] is not None:
        terminal.block(approval["command"], "bold", "  $ ")
    for file in approval["files"]:
        terminal.line(Styled("bold", f"  {file['path']}"))
        show_diff(terminal, file["diff"], "    ")
    show_input(terminal, approval["input"])
    for option in approval["options"]:
        about = f"  ({option['description']})" if option["description"] else ""
        terminal.line(f"  --choice {option['option_id']}  {option['label']}{about}")


def show_input(terminal: Terminal, given: Json) -> None:
    """What a tool is given, a member at a time: texts as they are, all else as JSON."""
    for name, value in given.items():
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        if "\n" in text:
            terminal.line(f"  {name}:")
            terminal.block(text, "", "    ")
        else:
            terminal.line(f"  {name}: {text}")


def show_diff(terminal: Terminal, diff: str, indent: str = "") -> None:
    """A unified diff, with its signs as well as its colours."""
    for line in diff.removesuffix("\n").split("\n"):
        header = line.startswith(("+++ ", "--- "))
        style = "bold" if header else {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "")
        terminal.block(line, style, indent)


def limit_words(limits: Json) -> str:
    """What was asked for a session's agent; empty when nothing was."""
    words = [f"{name} of memory" for name in [_size_of(limits, "memory_max_bytes")] if name]
    words += [f"slower above {name}" for name in [_size_of(limits, "memory_high_bytes")] if name]
    words += [f"{limits['tasks_max']} processes and threads"] if limits["tasks_max"] else []
    words += [f"CPU weight {limits['cpu_weight']}"] if limits["cpu_weight"] else []
    words += ["in a sandbox"] if limits["sandbox"] else []
    return ", ".join(words)


def _size_of(limits: Json, name: str) -> str | None:
    return show_size(limits[name]) if limits[name] else None


def size(text: str) -> int:
    """An argument such as 4G, in bytes."""
    try:
        return read_size(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
