"""A tool call as rules see it: its commands, or its files, one by one."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from tetherd.domain.approval import Approval, ApprovalKind
from tetherd.domain.patterns import Match, Spoken
from tetherd.domain.shell import Command, Doubt, Reading, Word
from tetherd.domain.unwrap import SYSTEM_DIRECTORIES, read_commands

BASH = "Bash"
_READS = frozenset({"Read", "Grep", "Glob", "LS"})
_PATHS = ("file_path", "notebook_path", "path")
_TEXTS = ("url", "query")
_FREE = frozenset({"cd", "true", "false", ":", "pwd"})
"""Need no rule of their own: they only say where the others run (cd inside the project alone)."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that must be allowed: a command (`spoken`: as it stands, and by its bare name where it has a path),
    a file (`paths`: all names it has), or the call as a whole. `text`: an address or a query.
    """

    shown: str
    command: Command | None = None
    spoken: tuple[Spoken, Spoken | None] | None = None
    paths: tuple[str, ...] = ()
    text: str | None = None
    is_free: bool = False

    @property
    def programs(self) -> tuple[str, ...]:
        """The program as it was called, and its bare name."""
        assert self.command is not None
        program = self.command.words[0].text or ""
        bare = posixpath.basename(program)
        return (program,) if bare == program else (program, bare)


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked. `units` must be allowed one by one; `whole` stands for all of it at once."""

    tool: str
    command: str | None
    cwd: str | None
    units: tuple[Unit, ...]
    reading: Reading | None = None

    @property
    def whole(self) -> Unit:
        return Unit(self.command or self.tool, paths=tuple(path for unit in self.units for path in unit.paths))

    @property
    def doubts(self) -> tuple[Doubt, ...]:
        return self.reading.doubts if self.reading else ()

    @property
    def is_blind(self) -> bool:
        """Not even the programs that it may run are known."""
        return self.reading is not None and self.reading.is_blind

    def shown(self, doubt: Doubt) -> str:
        return (self.command or "")[doubt.start : doubt.end]


def call_of(approval: Approval, directory: str | None, resolved: Mapping[str, str]) -> Call:
    """The call that an approval asks for. resolved: paths of its files without links, where they differ."""
    tool = approval.tool or {ApprovalKind.COMMAND: BASH, ApprovalKind.EDIT: "Edit"}.get(approval.kind, "")
    if approval.command is not None:
        return command_call(approval.command, approval.cwd or directory, directory)
    units = []
    for named in files_of(approval):
        path = posixpath.join(directory, named) if directory else named
        units.append(Unit(path, paths=(path, resolved[path]) if path in resolved else (path,)))
    text = next((value for name in _TEXTS if isinstance(value := approval.input.get(name), str)), None)
    return Call(tool, None, approval.cwd, tuple(units) or (Unit(text or tool, text=text),))


def files_of(approval: Approval) -> list[str]:
    """Paths of the files that it is about, as it names them: those that change, or where it reads."""
    if approval.files or approval.tool not in _READS:
        return [file.path for file in approval.files]
    return [value for name in _PATHS if isinstance(value := approval.input.get(name), str)] or ["."]


def command_call(command: str, cwd: str | None, directory: str | None) -> Call:
    """A shell command, read."""
    reading = read_commands(command)
    units = tuple(_unit(one, cwd, directory) for one in reading.commands)
    return Call(BASH, command, cwd, units, reading)


def _unit(command: Command, cwd: str | None, directory: str | None) -> Unit:
    spoken = Spoken.of(command.words)
    program = command.words[0].text or ""
    bare = posixpath.basename(program)
    by_name = Spoken.of((Word(bare), *command.words[1:])) if bare != program else None
    shown = " ".join("…" if word.text is None else word.text for word in command.words)
    return Unit(shown, command, (spoken, by_name), is_free=_is_free(command, cwd, directory))


def _is_free(command: Command, cwd: str | None, directory: str | None) -> bool:
    texts = [word.text for word in command.words]
    if texts[0] not in _FREE:
        return False
    if texts[0] != "cd":
        return True
    if len(texts) != 2 or texts[1] is None or texts[1].startswith("-") or ".." in texts[1].split("/"):
        return False
    return directory is not None and is_inside(posixpath.join(cwd or directory, texts[1]), directory)


def is_inside(path: str, directory: str) -> bool:
    """Is the path at or below the directory? Text alone."""
    root = posixpath.normpath(directory)
    full = posixpath.normpath(posixpath.join(root, path))
    return full == root or root == "/" or full.startswith(root + "/")


def place_of(call: Call, unit: Unit, directory: str | None) -> Match:
    """Is all that it touches inside the directory: YES, surely not (NO), or not known (MAYBE)?"""
    if directory is None:
        return Match.MAYBE
    if unit.paths:
        return Match.YES if all(is_inside(path, directory) for path in unit.paths) else Match.NO
    if unit.command is None and call.reading is not None:
        return min((place_of(call, one, directory) for one in call.units), default=Match.MAYBE)
    if unit.command is None:
        return Match.MAYBE
    cwd = call.cwd or directory
    places = [_place_of_word(word, cwd, directory) for word in unit.command.words[1:]]
    if unit.command.words[0].text not in ("cd", None) and any(_moves(one) for one in call.units):
        places.append(Match.MAYBE)
    if not is_inside(cwd, directory):
        places.append(Match.NO)
    return min(places, default=Match.YES)


def _moves(unit: Unit) -> bool:
    return unit.command is not None and unit.command.words[0].text in ("cd", "pushd", "popd")


def _place_of_word(word: Word, cwd: str, directory: str) -> Match:
    """A word is inside when it cannot name anything else; one that hides a path in an option is not known."""
    text = word.text
    if text is None:
        return Match.MAYBE
    parts = text.split("/")
    if text.startswith("/"):
        return Match.YES if is_inside(text, directory) and ".." not in parts else Match.NO
    if text.startswith("~") or ".." in parts:
        return Match.YES if not text.startswith("~") and is_inside(posixpath.join(cwd, text), directory) else Match.NO
    if "/" in text and (text.startswith("-") or any(sign in text for sign in "=:,@")):
        return Match.MAYBE
    return Match.YES


__all__ = ["SYSTEM_DIRECTORIES", "Call", "Unit", "call_of", "command_call", "is_inside", "place_of"]
