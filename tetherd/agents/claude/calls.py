"""Tool calls: each has one beginning and one end, also when the program never says how it ended."""

from __future__ import annotations

import orjson
from pydantic import BaseModel, JsonValue

from tetherd.agents.claude.permissions import title_of
from tetherd.agents.claude.tools import our_name
from tetherd.agents.jsonlines import table, text
from tetherd.agents.showing import bounded_input
from tetherd.domain.events import AgentEvent, ToolCallFinished, ToolCallStarted
from tetherd.plugin import JsonObject

OPEN_LIMIT = 64
"""Calls that are remembered as open: they are stored with every append."""
UNTOLD = "The turn ended before the agent said how this ended."


class CallsState(BaseModel):
    """Open calls in the order in which they began, each with the call of the sub-agent that it belongs to."""

    open: dict[str, str | None] = {}


class Calls:
    """One run's calls, those of its sub-agents among them."""

    def __init__(self, state: CallsState) -> None:
        self._state = state

    def begin(self, block: JsonObject, parent: str | None) -> list[AgentEvent]:
        """A tool_use block, which comes whole."""
        call_id, name = text(block, "id"), text(block, "name")
        if call_id is None or name is None or call_id in self._state.open:
            return []
        events: list[AgentEvent] = []
        if len(self._state.open) >= OPEN_LIMIT:
            events.append(self._end(next(iter(self._state.open)), UNTOLD, ok=False))
        self._state.open[call_id] = parent
        given = table(block, "input")
        started = ToolCallStarted(
            tool_call_id=call_id,
            tool=our_name(name),
            title=title_of(name, given),
            input=bounded_input(given),
            parent_tool_call_id=parent,
        )
        return [*events, started]

    def end(self, block: JsonObject) -> list[AgentEvent]:
        """A tool_result block."""
        call_id = text(block, "tool_use_id")
        if call_id is None or call_id not in self._state.open:
            return []
        return [self._end(call_id, output_of(block.get("content")), ok=block.get("is_error") is not True)]

    def end_unread(self, call_id: str, why: str) -> list[AgentEvent]:
        """Its result came, and was too long to be read."""
        return [self._end(call_id, why, ok=True)] if call_id in self._state.open else []

    def end_turn(self) -> list[AgentEvent]:
        """An end for what the turn leaves open. Sub-agents may go on in the background, and their calls with them."""
        return [self._end(call_id, UNTOLD, ok=False) for call_id, parent in [*self._state.open.items()] if not parent]

    def end_all(self) -> list[AgentEvent]:
        return [self._end(call_id, UNTOLD, ok=False) for call_id in [*self._state.open]]

    def _end(self, call_id: str, output: str, *, ok: bool) -> AgentEvent:
        del self._state.open[call_id]
        return ToolCallFinished(tool_call_id=call_id, ok=ok, output=output)


def output_of(content: JsonValue) -> str:
    """What a tool brought, as text: an image is named, anything else stands as its JSON."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        return orjson.dumps(content).decode()
    return "\n".join(_part(part) for part in content)


def _part(part: JsonValue) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        match text(part, "type"):
            case "text":
                return text(part, "text") or ""
            case "image" | "document" as kind:
                return f"({kind}: {text(table(part, 'source'), 'media_type') or 'of a kind unknown'})"
            case _:
                pass
    return orjson.dumps(part).decode()
