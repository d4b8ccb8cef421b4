"""Where rules are kept, so that those about something else need not be looked at.

A thousand rules are a thousand patterns; what a pattern certainly begins with says where to look for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tetherd.domain.calls import BASH, Call, Unit, is_inside
from tetherd.domain.patterns import Glob, ToolPattern
from tetherd.domain.rule import Rule


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule with its patterns parsed. `start` is what a matching command begins with."""

    rule: Rule
    tool: ToolPattern
    adapter: Glob | None
    start: str = ""

    @classmethod
    def of(cls, rule: Rule) -> Ready:
        tool = ToolPattern.parse(rule.tool)
        parts = tool.argument.parts if tool.argument else ("",)
        start = parts[0].rstrip(" ") if len(parts) > 1 else parts[0]
        return cls(rule, tool, Glob.parse(rule.adapter) if rule.adapter else None, start)


@dataclass(slots=True)
class _Drawer:
    """Rules about one tool's arguments, by the first two words (or names of directories) that are certain."""

    by_start: dict[str, dict[str | None, list[Ready]]] = field(default_factory=dict)
    others: list[Ready] = field(default_factory=list)

    def put(self, ready: Ready, between: str) -> None:
        argument = ready.tool.argument
        assert argument is not None
        certain = argument.parts[0].split(between)
        if len(argument.parts) > 1:
            certain = certain[:-1]
        if not certain or "." in certain or ".." in certain:
            self.others.append(ready)
        else:
            seconds = self.by_start.setdefault(certain[0], {})
            seconds.setdefault(certain[1] if len(certain) > 1 else None, []).append(ready)

    def about(self, starts: Iterable[tuple[str, ...]]) -> Iterator[Ready]:
        """All that might match what begins so. Nobody knows what comes after the words of a start, if less than two."""
        yield from self.others
        for start in starts:
            if not start:
                for first in self.by_start:
                    yield from self.about([(first,)])
                return
            seconds = self.by_start.get(start[0])
            if not seconds:
                continue
            if len(start) == 1:
                for some in seconds.values():
                    yield from some
            else:
                yield from seconds.get(None, ())
                yield from seconds.get(start[1], ())


class Shelves:
    """All rules, by tool."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._exact: dict[str, list[Ready]] = {}
        self._whole: dict[str, list[Ready]] = {}
        self._drawers: dict[str, _Drawer] = {}
        self._any_tool: list[Ready] = []
        for rule in rules:
            self._put(Ready.of(rule))

    def _put(self, ready: Ready) -> None:
        tool = ready.tool
        if ready.rule.exact is not None:
            self._exact.setdefault(ready.rule.exact, []).append(ready)
        elif "*" in tool.name:
            self._any_tool.append(ready)
        elif tool.argument is None:
            self._whole.setdefault(tool.name, []).append(ready)
        else:
            between = " " if tool.name == BASH else "/"
            self._drawers.setdefault(tool.name, _Drawer()).put(ready, between)

    def about_whole(self, call: Call) -> Iterator[Ready]:
        """Rules that take the call as one: of any argument, or of just this text."""
        if call.command is not None:
            yield from self._exact.get(call.command, ())
        for name in _names_of(call.tool):
            yield from self._whole.get(name, ())
        for ready in self._any_tool:
            if ready.tool.argument is None and ready.tool.fits(call.tool):
                yield ready

    def about(self, call: Call, unit: Unit, directory: str | None) -> Iterator[Ready]:
        """Rules that may be about this command or file."""
        for name in _names_of(call.tool):
            if drawer := self._drawers.get(name):
                yield from _beginning_like(unit, drawer.about(_starts_of(unit, directory)))
        for ready in self._any_tool:
            if ready.tool.argument is not None and ready.tool.fits(call.tool):
                yield ready


def _names_of(tool: str) -> tuple[str, ...]:
    """Names in rules that are about this tool: writing a whole file is an edit, too."""
    return (tool, "Edit") if tool == "Write" else (tool,)


def _starts_of(unit: Unit, directory: str | None) -> Iterator[tuple[str, ...]]:
    if unit.command is not None:
        words = unit.command.words
        second = words[1].text if len(words) > 1 else ""
        for program in unit.programs:
            yield (program,) if second is None else (program, second)
        return
    if not unit.paths:
        yield tuple((unit.text or "").split("/")[:2]) if unit.text else ()
    for path in unit.paths:
        parts = tuple(part for part in path.split("/") if part)
        yield ("", *parts[:1])
        if directory is not None and is_inside(path, directory):
            depth = len([part for part in directory.split("/") if part])
            yield parts[depth : depth + 2] or ("",)


def _beginning_like(unit: Unit, some: Iterable[Ready]) -> Iterable[Ready]:
    """Those among them whose pattern begins like the command does."""
    if not unit.spoken:
        return some
    known = tuple({one.known for one in unit.spoken if one is not None})
    if all(one is None or one.is_sure for one in unit.spoken):
        if len(known) == 1:  # the usual case, and with a thousand rules for one program the one that must be quick
            text = known[0]
            return [ready for ready in some if text.startswith(ready.start)]
        return [ready for ready in some if any(text.startswith(ready.start) for text in known)]
    return [ready for ready in some if any(t.startswith(ready.start) or ready.start.startswith(t) for t in known)]
