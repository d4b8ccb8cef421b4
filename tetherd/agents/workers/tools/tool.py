"""What a tool is, and what it can do with its call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tetherd.agents.workers.core.provider import ToolOffer
from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.tools.commands import Commands
from tetherd.agents.workers.tools.place import CannotDo, Directory, Place

Kind = Literal["read", "search", "edit", "execute"]

TEXT_LIMIT = 64 * 1024
"""Characters of a result: what is more would fill the model's context for nothing."""


class Input(BaseModel):
    """A tool's input. Its JSON schema, descriptions included, is what the model is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_Given = TypeVar("_Given", bound=Input)


class Rejected(Exception):
    """A person said no; the text is their reason, or empty."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a call brought. `content` is what people see where that is not the text."""

    text: str
    is_error: bool = False
    content: tuple[JsonObject, ...] = ()


class Call(Protocol):
    """One call of a tool, as the tool sees it."""

    directory: Directory
    commands: Commands

    async def announce(
        self, title: str, kind: Kind, raw_input: JsonObject, *content: JsonObject, place: Place | None = None
    ) -> None:
        """Tell people what is about to happen; once, before anything does."""

    async def ask(self) -> None:
        """Ask a person whether what was announced may happen. Raises Rejected."""

    async def ask_to_read(self, place: Place) -> None:
        """Ask whether a file outside the directory may be read; inside it, nobody is asked. Raises Rejected."""


@dataclass(frozen=True, slots=True)
class Tool:
    """`name` is what the model calls it, `shown` our word for it (rules are written against that).

    `run` takes the input as the model gave it. It raises CannotDo, or Rejected from one of the call's questions.
    """

    name: str
    shown: str
    description: str
    given: type[Input]
    run: Callable[[Call, JsonObject], Awaitable[Done]]

    @property
    def offer(self) -> ToolOffer:
        schema = self.given.model_json_schema()
        return ToolOffer(self.name, self.description, schema)


Tools = Mapping[str, Tool]


def read_input(kind: type[_Given], given: JsonObject) -> _Given:
    """The input, checked. Raises CannotDo with what is wrong, for the model to mend."""
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'input'}: {one['msg']}" for one in error.errors())
        raise CannotDo(f"wrong input: {wrong}") from None


def cut(text: str, limit: int = TEXT_LIMIT) -> str:
    """The beginning of a long text, and how much is left out."""
    return text if len(text) <= limit else f"{text[:limit]}\n(cut here: {len(text) - limit} more characters)"
