"""Lines of JSON from an agent, read leniently.

A member of the wrong type counts as absent: agents change faster than we do.
"""

from __future__ import annotations

import re

import orjson

from tetherd.domain.events import OutputUnrecognised
from tetherd.plugin import JsonObject

HEAD_BYTES = 4096

_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.", re.DOTALL
)
"""A pair of surrogates, half of one, any other escape: in this order, and the last one so that the text `\\\\ud800`
(a backslash and five characters) is left alone."""
_HALF_PAIR = 6
"""Bytes of the escape of half a surrogate pair, a length that no other match has."""


def parse(line: bytes) -> JsonObject | None:
    """The JSON object of a line; None when it is none. Bytes and escapes that are no characters become U+FFFD."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        try:
            value = orjson.loads(_repaired(line))
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, dict) else None


def _repaired(line: bytes) -> bytes:
    readable = line.decode(errors="replace").encode()
    return _ESCAPES.sub(lambda match: rb"\ufffd" if len(match[0]) == _HALF_PAIR else match[0], readable)


def unrecognised(line: bytes, why: str, size: int | None = None) -> OutputUnrecognised:
    """What is kept of a line that means nothing to us; `size` where `line` is only its head."""
    head = line[:HEAD_BYTES].decode(errors="replace")
    return OutputUnrecognised(head=head, size=len(line) if size is None else size, why=why)


# -- members of an object --------------------------------------------------------------------------------------------


def text(of: JsonObject, key: str) -> str | None:
    value = of.get(key)
    return value if isinstance(value, str) else None


def integer(of: JsonObject, key: str) -> int | None:
    value = of.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def table(of: JsonObject, key: str) -> JsonObject:
    """The object at `key`, or an empty one."""
    value = of.get(key)
    return value if isinstance(value, dict) else {}


def tables(of: JsonObject, key: str) -> list[JsonObject]:
    """The objects in the list at `key`, in order."""
    value = of.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
