"""What a provider of models offers to a turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tetherd.agents.workers.core.content import AnswerPart, Message
from tetherd.agents.workers.core.usage import Usage
from tetherd.agents.workers.messages import JsonObject


class Stop(StrEnum):
    """Why an answer ended."""

    DONE = "done"
    TOOLS = "tools"
    LENGTH = "length"
    """It reached the most tokens that an answer may have: a call at its end may be half."""
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    text: str


@dataclass(frozen=True, slots=True)
class Used:
    """What this answer has used so far; replaces what was told before."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finished:
    """The whole answer, and the last that comes."""

    parts: tuple[AnswerPart, ...]
    stop: Stop


Piece = Said | Thought | Used | Finished


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """A tool as the model is told of it; `schema` is the JSON schema of its input."""

    name: str
    description: str
    schema: JsonObject


class Provider(Protocol):
    """One model of one vendor."""

    name: str
    model: str

    @property
    def context_tokens(self) -> int | None:
        """How many the model can take; None where nobody knows, or load() has not been called."""

    async def load(self) -> None:
        """Import what is slow to import. Raises ModelFailed when it is not installed."""

    def answer(
        self, system: str, messages: Sequence[Message], tools: Sequence[ToolOffer]
    ) -> AbstractAsyncContextManager[AsyncIterator[Piece]]:
        """Ask for one answer. Raises ModelFailed, here or in mid-stream; cancelling ends the request."""
