"""A conversation told again, as session/load wants it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tetherd.agents.workers.core.content import Answered, Asked, Brought, Message, Text, ToolUse, complete
from tetherd.agents.workers.messages import JsonObject, text_block, text_content
from tetherd.agents.workers.tools.tool import Tools


def history(messages: Sequence[Message], tools: Tools) -> Iterator[JsonObject]:
    """Session updates in order. Images and thoughts are left out."""
    for number, message in enumerate(complete(messages)):
        match message:
            case Asked(parts=parts):
                text = "\n".join(part.text for part in parts if isinstance(part, Text))
                yield {"sessionUpdate": "user_message_chunk", "content": text_block(text or "(an image)")}
            case Answered(parts=parts):
                for part in parts:
                    if isinstance(part, Text):
                        yield {
                            "sessionUpdate": "agent_message_chunk",
                            "messageId": f"kept_{number}",
                            "content": text_block(part.text),
                        }
                    elif isinstance(part, ToolUse):
                        yield _call(part, tools)
            case Brought(results=results):
                for result in results:
                    yield {
                        "sessionUpdate": "tool_call_update",
                        "toolCallId": result.call_id,
                        "status": "failed" if result.is_error else "completed",
                        "content": [text_content(result.text)],
                    }


def _call(use: ToolUse, tools: Tools) -> JsonObject:
    tool = tools.get(use.name)
    name = tool.shown if tool else use.name
    update: JsonObject = {"sessionUpdate": "tool_call", "toolCallId": use.call_id, "title": name, "name": name}
    return {**update, "kind": "other", "status": "pending", "rawInput": use.input}
