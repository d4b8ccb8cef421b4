"""Tool calls of a turn, each with one beginning and one end.

An agent may announce a call before it knows the call's input, ask about one that it never announced, and never say
how one ended; people see none of that.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from tetherd.agents.acp.naming import tool_name
from tetherd.agents.acp.output import output_of, rendered
from tetherd.agents.acp.told import Told
from tetherd.agents.showing import bounded_input, cut
from tetherd.domain.events import AgentEvent, ToolCallFinished, ToolCallStarted
from tetherd.plugin import JsonObject

TITLE_LIMIT = 2000
REMEMBERED_LIMIT = 4096
OPEN_LIMIT = 32
FINISHED_LIMIT = 32
"""Bounds of what is remembered: it is stored with every append."""

UNTOLD = "The turn ended before the agent said how this ended."
REJECTED = "Rejected."
"""Gemini CLI says no more of a call that was rejected."""

_ENDED = ("completed", "failed")


class Call(BaseModel):
    """What is remembered of a call that has not ended. `tool` None until people have been told of it."""

    tool: str | None = None
    title: str = ""
    kind: str | None = None
    name: str | None = None
    command: str | None = None
    cwd: str | None = None
    paths: list[str] = []
    is_rejected: bool = False
    shown: str = ""
    """Its output so far, for agents that show it as it comes and then end the call without a word."""

    def learn(self, told: Told) -> None:
        self.title = cut(told.title or self.title, TITLE_LIMIT)
        self.kind = told.kind or self.kind
        self.name = told.name or self.name
        self.command = _if_short(told.command) or self.command
        cwd = told.raw_input.get("cwd")
        self.cwd = _if_short(cwd if isinstance(cwd, str) else None) or self.cwd
        paths = list(dict.fromkeys((*self.paths, *told.paths)))
        if sum(map(len, paths)) <= REMEMBERED_LIMIT:
            self.paths = paths
        if told.content is not None and told.status == "in_progress":
            self.shown = cut(rendered(told.content), REMEMBERED_LIMIT)


class CallsState(BaseModel):
    """`open` in the order in which they began, `finished` the newest ids of those that ended."""

    open: dict[str, Call] = {}
    finished: list[str] = []


class ToolCalls:
    """One run's calls."""

    def __init__(self, state: CallsState) -> None:
        self._state = state

    def mention(self, told: Told, how: Literal["begin", "update", "ask"]) -> list[AgentEvent]:
        """What a message about a call makes known: its beginning, its end, both or neither.

        An update of a call that has ended means nothing any more; a new call may have an old one's id.
        """
        call_id = told.tool_call_id
        if call_id in self._state.finished:
            if how == "update":
                return []
            self._state.finished.remove(call_id)
        known = self._state.open.get(call_id)
        call = known or self._remember(call_id, Call())
        call.learn(told)
        events: list[AgentEvent] = []
        if call.tool is None and (known or how == "ask" or not told.is_bare):
            events.append(_begun(call_id, call, told.raw_input, makes_file=told.makes_file))
        if told.status in _ENDED and how != "ask":
            is_silent = told.content is None and told.raw_output is None
            events.append(self._end(call_id, call.shown if is_silent else output_of(told), told.status == "completed"))
        return events

    def known(self, call_id: str) -> Call:
        """What is remembered of a call that was just mentioned."""
        return self._state.open.get(call_id) or Call()

    def reject(self, call_id: str) -> None:
        """A person has said no to it; how the agent ends it may come, or not."""
        if call := self._state.open.get(call_id):
            call.is_rejected = True

    def end_turn(self) -> list[AgentEvent]:
        """An end for every call that is still open: what a turn began does not outlive it."""
        events: list[AgentEvent] = []
        for call_id, call in list(self._state.open.items()):
            if call.tool is None:
                events.append(_begun(call_id, call, {}, makes_file=False))
            events.append(self._end(call_id, call.shown or (REJECTED if call.is_rejected else UNTOLD), ok=False))
        return events

    def _remember(self, call_id: str, call: Call) -> Call:
        while len(self._state.open) >= OPEN_LIMIT:
            del self._state.open[next(iter(self._state.open))]
        self._state.open[call_id] = call
        return call

    def _end(self, call_id: str, output: str, ok: bool) -> AgentEvent:
        del self._state.open[call_id]
        self._state.finished = [*self._state.finished, call_id][-FINISHED_LIMIT:]
        return ToolCallFinished(tool_call_id=call_id, ok=ok, output=output)


def _begun(call_id: str, call: Call, raw_input: JsonObject, *, makes_file: bool) -> AgentEvent:
    call.tool = tool_name(call.kind, call.name, call.title, makes_file=makes_file)
    title = call.title or call.tool
    return ToolCallStarted(tool_call_id=call_id, tool=call.tool, title=title, input=bounded_input(raw_input))


def _if_short(value: str | None) -> str | None:
    """Half a command is worse than none, so what is too long to be remembered is not remembered."""
    return value if value is not None and len(value) <= REMEMBERED_LIMIT else None
