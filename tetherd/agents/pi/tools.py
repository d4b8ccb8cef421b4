"""Pi's tool calls: our names for them, what they are called, what they brought, and their ends."""

from __future__ import annotations

from pydantic import BaseModel

from tetherd.agents.jsonlines import table, tables, text
from tetherd.agents.showing import bounded_input, cut
from tetherd.domain.events import AgentEvent, ToolCallFinished, ToolCallStarted
from tetherd.plugin import JsonObject

NAMES = {
    "bash": "Bash",
    "read": "Read",
    "edit": "Edit",
    "write": "Write",
    "grep": "Grep",
    "find": "Glob",
    "ls": "LS",
}
"""Pi's tools in our vocabulary; those of extensions keep their own names."""

NAME_LIMIT = 100
TITLE_LIMIT = 2000
OPEN_LIMIT = 64
UNTOLD = "The turn ended before the agent said how this ended."


class CallsState(BaseModel):
    """The ids of calls that have begun and not ended, in that order."""

    open: list[str] = []


class ToolCalls:
    """One run's calls; each has one beginning and one end."""

    def __init__(self, state: CallsState) -> None:
        self._state = state

    def begin(self, call_id: str, tool: str, given: JsonObject) -> list[AgentEvent]:
        if call_id in self._state.open:
            return []
        self._state.open = [*self._state.open, call_id][-OPEN_LIMIT:]
        title = title_of(tool, given)
        return [ToolCallStarted(tool_call_id=call_id, tool=tool_name(tool), title=title, input=bounded_input(given))]

    def end(self, call_id: str, output: str, *, ok: bool) -> list[AgentEvent]:
        if call_id not in self._state.open:
            return []
        self._state.open.remove(call_id)
        return [ToolCallFinished(tool_call_id=call_id, ok=ok, output=output)]

    def end_all(self) -> list[AgentEvent]:
        """What a run of the agent began does not outlive it."""
        return [event for call_id in list(self._state.open) for event in self.end(call_id, UNTOLD, ok=False)]


def tool_name(tool: str) -> str:
    return NAMES.get(tool, tool[:NAME_LIMIT] or "other")


def title_of(tool: str, given: JsonObject) -> str:
    """What a person reads first: the command's first line, the file, or the name of a tool that we do not know."""
    if tool == "bash":
        return cut((text(given, "command") or "").strip().partition("\n")[0], TITLE_LIMIT) or tool
    told = (text(given, "pattern"), text(given, "path")) if tool in NAMES else ()
    return cut(" ".join([tool, *(word for word in told if word)]), TITLE_LIMIT)


def result_text(result: JsonObject) -> str:
    """The text of a tool's result; what is no text leaves a mark, and an edit its diff."""
    parts = [text(block, "text") or f"[{text(block, 'type') or 'block'}]" for block in tables(result, "content")]
    diff = text(table(result, "details"), "diff")
    return "\n".join([*parts, *([diff] if diff else [])])
