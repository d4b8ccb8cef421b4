"""JSON from strangers: what even valid JSON may not hold."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from tetherd.errors import Rejected

# Deeper than any tool input that was seen; Python's own parsers and everybody's printers recurse.
MAX_DEPTH = 64
# SQLite, orjson and most other languages end here.
MAX_INTEGER = 2**63 - 1


class NotJson(Rejected):
    """The body is not JSON in UTF-8."""

    code = "not_json"
    status = 400


class UnfitJson(Rejected):
    """JSON, but it holds what would break somebody later on."""

    code = "invalid"
    status = 422


class TextTooLong(Rejected):
    code = "text_too_long"
    status = 422

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"a text is longer than {limit} bytes")

    def facts(self) -> dict[str, object]:
        return {"limit": self.limit}


def read_json(raw: bytes, text_limit: int, images: str | None = None) -> object:
    """What `raw` says. Raises NotJson, UnfitJson or TextTooLong unless everything behind us can hold it.

    images: a member whose texts may be as long as the body.
    Refused are lone surrogates, NaN and infinities, keys given twice, nesting and integers without end.
    """
    try:
        value: object = json.loads(raw.decode(), object_pairs_hook=_once_each, parse_constant=_no_constant)
    except RecursionError:
        raise UnfitJson(f"nested deeper than {MAX_DEPTH} levels") from None
    except UnicodeDecodeError as error:
        raise NotJson(f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    except ValueError as error:  # JSONDecodeError, and integers of more than 4,300 digits
        raise NotJson(f"the body is not JSON: {error}") from None
    if images is not None and isinstance(value, dict) and images in value:
        _check_values(value[images], len(raw))
        _check_values({member: inner for member, inner in value.items() if member != images}, text_limit)
    else:
        _check_values(value, text_limit)
    return value


def _check_values(value: Any, text_limit: int) -> None:
    waiting = [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise UnfitJson(f"nested deeper than {MAX_DEPTH} levels")
        match one:
            case str():
                _check_text(one, text_limit)
            case dict():
                for key, inner in one.items():
                    _check_text(key, text_limit)
                    waiting.append((inner, depth + 1))
            case list():
                waiting.extend((inner, depth + 1) for inner in one)
            case int() if abs(one) > MAX_INTEGER:
                raise UnfitJson("an integer does not fit into 64 bits")
            case float() if one in (float("inf"), float("-inf")):
                raise UnfitJson("a number is too large")
            case _:
                pass


def _check_text(text: str, text_limit: int) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise UnfitJson("a text holds half a surrogate pair, which is no character") from None
    if size > text_limit:
        raise TextTooLong(text_limit)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise UnfitJson("an object has the same key twice")
    return made


def _no_constant(word: str) -> NoReturn:
    raise UnfitJson(f"{word} is not JSON")
