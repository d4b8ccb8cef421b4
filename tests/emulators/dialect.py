"""What a dialect of the scripted model is: how one vendor's API is read and spoken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any, Protocol

from tests.emulators.conversation import Entry
from tests.emulators.script import Step

Json = dict[str, Any]


class Mark(Enum):
    TOLD = "the stream has begun, nothing is said yet"
    PIECE = "a piece of `say` has gone out"


TOLD, PIECE = Mark.TOLD, Mark.PIECE

Frame = bytes | Mark
"""Server-sent events, and between them the places where a script may hold, wait or cut."""


class Dialect(Protocol):
    name: str

    def takes(self, path: str) -> bool:
        """Is a POST to this path a turn of the model?"""

    def key(self, headers: dict[str, str]) -> str | None:
        """The API key in a request."""

    def streams(self, path: str, body: Json) -> bool: ...

    def is_aside(self, body: Json) -> bool:
        """Is it something the program asks for itself, such as a title?"""

    def aside(self, body: Json) -> Step: ...

    def read(self, body: Json) -> list[Entry]:
        """The conversation. Raises KeyError or TypeError if the request is not what the API takes."""

    def whole(self, step: Step, body: Json) -> Json: ...

    def frames(self, step: Step, body: Json) -> Iterator[Frame]: ...

    def error(self, status: int, message: str) -> Json: ...


def bearer(headers: dict[str, str]) -> str | None:
    return headers.get("authorization", "").removeprefix("Bearer ") or None


def event(data: Json, name: str | None = None) -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


def of_schema(schema: Json) -> Any:
    """The smallest thing that a simple JSON schema allows."""
    if schema.get("enum"):
        return schema["enum"][0]
    match str(schema.get("type")).lower():  # Gemini shouts: OBJECT
        case "object":
            wanted = schema.get("required", [])
            return {name: of_schema(part) for name, part in schema.get("properties", {}).items() if name in wanted}
        case "array":
            return []
        case "boolean":
            return False
        case "integer" | "number":
            return 0
        case _:
            return "ok"
