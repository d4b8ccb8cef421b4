"""Patterns of rules: tools, commands, files.

`*` stands for anything; in a file's pattern it stays within one name and `**` does not. A command is compared as
text: its words joined by blanks, a word that is not plain in quotes, so that no two commands look alike.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from tetherd.domain.shell import Word
from tetherd.errors import Rejected

_TOOL = re.compile(r"(?P<name>[A-Za-z_*][\w*./:-]*)(?:\((?P<argument>.*)\))?", re.DOTALL)
_PLAIN = re.compile(r"[\w@%+=:,./{}^~#?!-]+")
_UNKNOWN = "\ufffc"
"""Stands for a word that is only known when it runs; a word that holds this very sign is put in quotes."""
_MANY_LIMIT = 3


class BadPattern(Rejected):
    """This is not a pattern; the message says why."""

    code = "bad_pattern"
    status = 422


class Match(IntEnum):
    """Does it match: surely not, perhaps, surely."""

    NO = 0
    MAYBE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class ToolPattern:
    """`Bash(git log *)`: a tool's name, which may hold `*`, and what its argument is like; None for any argument."""

    name: str
    argument: Glob | None
    names: Glob
    """The name as a pattern."""

    @classmethod
    def parse(cls, text: str) -> ToolPattern:
        """Raises BadPattern."""
        found = _TOOL.fullmatch(text)
        if found is None:
            raise BadPattern(f"{text!r} is not a tool, like Bash(git log *), Edit(src/**) or mcp__server__tool")
        name, argument = found["name"], found["argument"]
        if argument is None:
            return cls(name, None, Glob.parse(name))
        if not argument.strip() or argument != argument.strip() or _UNKNOWN in argument:
            raise BadPattern(f"{text!r}: this is no argument to compare with; for any argument write {name}")
        if name == "Bash" and argument.endswith(":*"):
            raise BadPattern(f"{text!r}: write {name}({argument[:-2]} *)")
        if name.startswith("mcp__"):
            raise BadPattern(f"{text!r}: the arguments of MCP tools have no one text to compare with; write {name}")
        return cls(name, Glob.parse(argument), Glob.parse(name))

    def fits(self, tool: str) -> bool:
        """Is it about this tool? `Edit` is about writing whole files, too."""
        return self.names.covers(tool) or (tool == "Write" and self.name == "Edit")


@dataclass(frozen=True, slots=True)
class Glob:
    """A text with `*` for any other text; `parts` are what stands between the stars."""

    text: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Glob:
        return cls(text, tuple(text.split("*")))

    def without_last_words(self) -> Glob:
        """The same without the ` *` at its end."""
        return Glob(self.text[:-2], (*self.parts[:-2], self.parts[-2][:-1]))

    def covers(self, text: str) -> bool:
        """Is the whole of `text` like this? In time linear in it."""
        parts = self.parts
        if len(parts) == 1:
            return text == parts[0]
        first, last = parts[0], parts[-1]
        if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for part in parts[1:-1]:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True


@dataclass(frozen=True, slots=True)
class Spoken:
    """A command as the text that patterns are compared with. Made once for all rules.

    `text` has unknown words as a sign that no pattern holds; `short` are the same texts with words that may be none
    left out, in every combination; `known` is the beginning that is certain; `is_sure`: no word is unknown.
    """

    text: str
    short: tuple[str, ...]
    known: str
    is_sure: bool

    @classmethod
    def of(cls, words: Sequence[Word]) -> Spoken:
        rendered = [_UNKNOWN if word.text is None else rendered_word(word.text) for word in words]
        many = [at for at, word in enumerate(words) if word.text is None and not word.is_one]
        text = " ".join(rendered)
        first = next((at for at, word in enumerate(words) if word.text is None), None)
        known = text if first is None else " ".join([*rendered[:first], ""])
        short: list[str] = []
        for bits in range(1, 1 << min(len(many), _MANY_LIMIT)):
            gone = {at for number, at in enumerate(many[:_MANY_LIMIT]) if bits >> number & 1}
            short.append(" ".join(word for at, word in enumerate(rendered) if at not in gone))
        if len(many) > _MANY_LIMIT:
            short.append(" ".join(word for at, word in enumerate(rendered) if at not in many))
        return cls(text, tuple(short), known, first is None)


def rendered_word(word: str) -> str:
    """The word as a pattern writes it: as it is when it is plain, else in single quotes. No two look alike."""
    return word if _PLAIN.fullmatch(word) else "'" + word.replace("'", "'\\''") + "'"


def match_command(glob: Glob, spoken: Spoken) -> Match:
    """Is the command like this pattern? ` *` at the end also stands for no further word at all."""
    if all(_covers_command(glob, text) for text in (spoken.text, *spoken.short)):
        return Match.YES
    if spoken.is_sure:
        return Match.NO
    start = glob.parts[0]
    if len(glob.parts) > 1:
        start = start.rstrip(" ")
    return Match.MAYBE if spoken.known.startswith(start) or start.startswith(spoken.known) else Match.NO


def _covers_command(glob: Glob, text: str) -> bool:
    if glob.covers(text):
        return True
    return glob.text.endswith(" *") and glob.without_last_words().covers(text)


def match_path(pattern: str, path: str, directory: str | None) -> bool:
    """Is the file like this pattern? Both may be relative to `directory`; text alone, links are resolved before."""
    if not pattern.startswith("/"):
        if directory is None:
            return False
        pattern = posixpath.join(directory, pattern)
    if not path.startswith("/"):
        if directory is None:
            return False
        path = posixpath.join(directory, path)
    wanted = [part for part in pattern.split("/") if part not in ("", ".")]
    given = [part for part in posixpath.normpath(path).split("/") if part]
    return _match_parts(wanted, given)


def _match_parts(wanted: Sequence[str], given: Sequence[str]) -> bool:
    """`**` is any number of names, also none. Dynamic, so that no pattern takes long."""
    reachable = {0}
    for part in wanted:
        if part == "**":
            reachable = set(range(min(reachable), len(given) + 1)) if reachable else set()
        else:
            glob = Glob.parse(part)
            reachable = {at + 1 for at in reachable if at < len(given) and glob.covers(given[at])}
        if not reachable:
            return False
    return len(given) in reachable
