"""A conversation's messages, the same for every provider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from tetherd.agents.workers.messages import JsonObject


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Text(_Part):
    type: Literal["text"] = "text"
    text: str


class Image(_Part):
    """`data` in base64."""

    type: Literal["image"] = "image"
    media_type: str
    data: str


class Thinking(_Part):
    """What the model thought, as its provider wants to have it back: unchanged, and to the same model only."""

    type: Literal["thinking"] = "thinking"
    raw: JsonObject


class ToolUse(_Part):
    """The model wants a tool. `broken` holds what it sent as input where that is no JSON object."""

    type: Literal["tool_use"] = "tool_use"
    call_id: str
    name: str
    input: JsonObject = {}
    broken: str | None = None


class ToolResult(_Part):
    type: Literal["tool_result"] = "tool_result"
    call_id: str
    text: str
    is_error: bool = False


AnswerPart = Annotated[Text | Thinking | ToolUse, Field(discriminator="type")]


class Asked(_Part):
    """What a person said."""

    kind: Literal["asked"] = "asked"
    parts: tuple[Annotated[Text | Image, Field(discriminator="type")], ...]


class Answered(_Part):
    """One answer of the model, of which `model` is the name."""

    kind: Literal["answered"] = "answered"
    model: str
    parts: tuple[AnswerPart, ...]

    @property
    def calls(self) -> tuple[ToolUse, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolUse))

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))


class Brought(_Part):
    """What the tools of the answer before brought."""

    kind: Literal["brought"] = "brought"
    results: tuple[ToolResult, ...]


Message = Asked | Answered | Brought

UNTOLD = "Nobody knows how this ended: the agent was ended before. It may have happened, in part or as a whole."


def complete(messages: Sequence[Message]) -> list[Message]:
    """The messages as an API takes them: every call has its result, right behind it, and no message is empty.

    A process that is killed leaves calls without results, and answers without a word.
    """
    whole: list[Message] = []
    for index, message in enumerate(messages):
        if isinstance(message, Brought):
            continue
        if isinstance(message, Answered) and not (message.calls or message.text.strip()):
            continue
        whole.append(message)
        if isinstance(message, Answered) and message.calls:
            following = messages[index + 1] if index + 1 < len(messages) else None
            known = {one.call_id: one for one in following.results} if isinstance(following, Brought) else {}
            lost = [ToolResult(call_id=call.call_id, text=UNTOLD, is_error=True) for call in message.calls]
            whole.append(Brought(results=tuple(known.get(one.call_id, one) for one in lost)))
    return whole


def clean(text: str) -> str:
    """The text with U+FFFD for halves of surrogate pairs: no API takes them, and one would spoil a conversation."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def clean_json(value: Any) -> Any:
    """The same for all texts in a JSON value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    if isinstance(value, dict):
        return {clean(key): clean_json(item) for key, item in value.items()}
    return value
