"""Tool calls of a turn, each with one beginning and one end.

A command may go on when its turn has ended, and its item ends later; an item may be asked about a line after it began.
"""

from __future__ import annotations

from pydantic import BaseModel

from tetherd.agents.codex.changes import files_of, title_of, tool_of
from tetherd.agents.codex.items import beginning_of, output_of, succeeded
from tetherd.agents.jsonlines import text
from tetherd.agents.showing import bounded_input
from tetherd.domain.approval import FileShown
from tetherd.domain.events import AgentEvent, ToolCallFinished, ToolCallStarted
from tetherd.plugin import JsonObject

OPEN_LIMIT = 64
FINISHED_LIMIT = 64
SHOWN_LIMIT = 4096
CHANGES_LIMIT = 8
"""Bounds of what is remembered: it is stored with every append."""

GOES_ON = "The turn ended while this was running; it goes on in the background."
TOO_MANY = "Too many calls are open at once; how this one ended is not known."
UNTOLD = "The turn ended before Codex said how this ended."
CUT_OFF = "The turn was interrupted while this was running."


class Call(BaseModel):
    """A call that has not ended. `shown` is the newest of its output, for the case that nobody tells how it ended."""

    is_command: bool = False
    shown: str = ""


class Changes(BaseModel):
    """A file change between its beginning and the question about it."""

    tool: str
    title: str
    files: list[FileShown]


class CallsState(BaseModel):
    """`open` in the order in which they began, `finished` the newest ids of those that ended."""

    open: dict[str, Call] = {}
    finished: list[str] = []
    changes: dict[str, Changes] = {}


class Calls:
    def __init__(self, state: CallsState) -> None:
        self._state = state

    def begin(self, item_id: str, item: JsonObject) -> list[AgentEvent]:
        """An item has begun; told once, however often it is."""
        beginning = beginning_of(item)
        if beginning is None or item_id in self._state.open or item_id in self._state.finished:
            return []
        events: list[AgentEvent] = []
        while len(self._state.open) >= OPEN_LIMIT:
            events.append(self._end(next(iter(self._state.open)), TOO_MANY, ok=False))
        self._state.open[item_id] = Call(is_command=text(item, "type") == "commandExecution")
        return [
            *events,
            ToolCallStarted(
                tool_call_id=item_id,
                tool=beginning.tool,
                title=beginning.title,
                input=bounded_input(beginning.input),
            ),
        ]

    def remember_changes(self, item_id: str, item: JsonObject) -> None:
        """What a file change will do: the question about it does not say."""
        while len(self._state.changes) >= CHANGES_LIMIT:
            del self._state.changes[next(iter(self._state.changes))]
        self._state.changes[item_id] = Changes(tool=tool_of(item), title=title_of(item), files=files_of(item))

    def take_changes(self, item_id: str) -> Changes | None:
        """They are asked about once; then the question itself has them."""
        return self._state.changes.pop(item_id, None)

    def note_output(self, item_id: str, chunk: str) -> None:
        if call := self._state.open.get(item_id):
            call.shown = (call.shown + chunk)[-SHOWN_LIMIT:]

    def end(self, item_id: str, item: JsonObject) -> list[AgentEvent]:
        """An item has ended. Late words about one that its turn has closed mean nothing any more."""
        self._state.changes.pop(item_id, None)
        events = self.begin(item_id, item)
        if item_id not in self._state.open:
            return events
        return [*events, self._end(item_id, output_of(item), ok=succeeded(item))]

    def end_turn(self, *, interrupted: bool) -> list[AgentEvent]:
        """An end for every call that is still open: what a turn began does not outlive it on the record."""
        self._state.changes.clear()
        events: list[AgentEvent] = []
        for item_id, call in list(self._state.open.items()):
            goes_on = call.is_command and not interrupted
            why = GOES_ON if goes_on else CUT_OFF if interrupted else UNTOLD
            events.append(self._end(item_id, f"{call.shown}\n{why}" if call.shown else why, ok=goes_on))
        return events

    def open_commands(self) -> list[str]:
        return [item_id for item_id, call in self._state.open.items() if call.is_command]

    def _end(self, item_id: str, output: str, *, ok: bool) -> AgentEvent:
        del self._state.open[item_id]
        self._state.finished = [*self._state.finished, item_id][-FINISHED_LIMIT:]
        return ToolCallFinished(tool_call_id=item_id, ok=ok, output=output)
