"""What the model says: stream events, whole messages, tool results.

Text comes twice, in pieces as it is written and whole in an `assistant` frame; a block is known by the id of its
message. Sub-agents, local commands and errors come whole alone.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, JsonValue

from tetherd.agents.claude.calls import Calls, CallsState
from tetherd.agents.gathering import Gathering, GatheringState
from tetherd.agents.jsonlines import integer, table, text
from tetherd.domain.events import AgentEvent, MessageWritten, ThinkingWritten
from tetherd.domain.ids import RunId
from tetherd.plugin import Fed, JsonObject

SYNTHETIC = "<synthetic>"


class MessagesState(BaseModel):
    """`streamed` is the message whose text comes in pieces; `whole` counts those that came whole."""

    gathering: GatheringState = GatheringState()
    calls: CallsState = CallsState()
    streamed: str | None = None
    whole: int = 0


class Messages:
    """One run's messages. The state is shared with the codec's snapshot."""

    def __init__(self, run_id: RunId, state: MessagesState) -> None:
        self._run_id = run_id
        self._state = state
        self.gathering = Gathering(run_id, state.gathering)
        self.calls = Calls(state.calls)

    def streamed(self, message: JsonObject) -> Fed:
        """A stream_event: the vendor's own event of its API. None of those of sub-agents are sent."""
        event = table(message, "event")
        if text(message, "parent_tool_use_id") is not None:
            return Fed()
        match text(event, "type"):
            case "message_start":
                self._state.streamed = text(table(event, "message"), "id")
                return Fed(self.gathering.close())
            case "content_block_delta":
                return self._delta(event)
            case "content_block_stop" | "message_stop":
                return Fed(self.gathering.close())
            case _:
                return Fed()

    def assistant(self, message: JsonObject) -> Fed:
        """A frame with one block of a message; the same message id comes again with the next block."""
        body = table(message, "message")
        parent = text(message, "parent_tool_use_id")
        is_streamed = parent is None and text(body, "id") is not None and text(body, "id") == self._state.streamed
        events: list[AgentEvent] = []
        for block in _blocks(body.get("content")):
            match text(block, "type"):
                case "tool_use" | "server_tool_use" | "mcp_tool_use":
                    events += [*self.gathering.close(), *self.calls.begin(block, parent)]
                case "text" if not is_streamed and not _is_error(message):
                    events += self._whole("message", text(block, "text") or "", parent)
                case "thinking" if not is_streamed:
                    events += self._whole("thinking", text(block, "thinking") or "", parent)
                case _:
                    pass
        return Fed(events)

    def user(self, message: JsonObject) -> Fed:
        """Tool results. What people said stands in our log already, and so does that they interrupted."""
        events: list[AgentEvent] = []
        for block in _blocks(table(message, "message").get("content")):
            if text(block, "type") == "tool_result":
                events += self.calls.end(block)
        return Fed(events)

    def cut_off(self) -> list[AgentEvent]:
        """The answer broke off, and is asked for again."""
        self._state.streamed = None
        return self.gathering.close()

    def end_turn(self) -> list[AgentEvent]:
        self._state.streamed = None
        return [*self.gathering.close(), *self.calls.end_turn()]

    def _delta(self, event: JsonObject) -> Fed:
        delta = table(event, "delta")
        block = f"{self._state.streamed}.{integer(event, 'index')}"
        match text(delta, "type"):
            case "text_delta":
                return self._piece("message", block, text(delta, "text") or "")
            case "thinking_delta":
                return self._piece("thinking", block, text(delta, "thinking") or "")
            case _:
                return Fed()

    def _piece(self, kind: Literal["message", "thinking"], block: str, piece: str) -> Fed:
        events, delta = self.gathering.add(kind, block, piece)
        return Fed(events, [delta] if delta else [])

    def _whole(self, kind: Literal["message", "thinking"], words: str, parent: str | None) -> list[AgentEvent]:
        if not words:
            return []
        self._state.whole += 1
        written = MessageWritten if kind == "message" else ThinkingWritten
        part = written(
            message_id=f"{self._run_id}.w{self._state.whole}",
            offset=0,
            text=words,
            final=True,
            parent_tool_call_id=parent,
        )
        return [*self.gathering.close(), part] if parent is None else [part]


def _blocks(content: JsonValue) -> list[JsonObject]:
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _is_error(message: JsonObject) -> bool:
    """The words of an error of the API: the result of the turn says them too."""
    return text(table(message, "message"), "model") == SYNTHETIC and bool(
        text(message, "error") or message.get("isApiErrorMessage")
    )
