"""policy.toml: rules that a person writes.

    [[rule]]
    allow = ["Bash(git status)", "Bash(git log *)"]

    [[rule]]
    deny = "Bash(git push*)"
    message = "Leave pushing to me."

A rule says allow, ask or deny, what it is about, and what narrows it: exact, adapter, directory, session, path,
asked_by, expires.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tetherd.domain.rule import Effect, Rule
from tetherd.envfile import read_text, require_own
from tetherd.errors import Misconfigured, Rejected

NAME = "policy.toml"
RULE_LIMIT = 10_000

_HEADER = re.compile(r"\s*\[\[\s*(?:rule|\"rule\"|'rule')\s*\]\]\s*(?:#.*)?")
_SYNTAX = re.compile(
    r"(?P<why>.*?) \(at line (?P<line>\d+), column \d+\)|(?P<end>.*) \(at end of document\)", re.DOTALL
)
_NARROWING = {
    "exact": "exact",
    "adapter": "adapter",
    "directory": "directory",
    "session": "session_id",
    "path": "path",
    "asked_by": "asked_by",
    "expires": "expires_at",
    "message": "message",
}
_EFFECTS = tuple(effect.value for effect in Effect)


class BadPolicy(Misconfigured):
    """The file cannot be read as rules. `line` is None where no line is to blame."""

    def __init__(self, where: str, line: int | None, why: str) -> None:
        self.line = line
        super().__init__(f"{where}, line {line}: {why}" if line else f"{where}: {why}")


def load_policy(path: Path) -> str:
    """The text of the file, empty when there is none. Raises Misconfigured when it cannot be read or trusted."""
    text = read_text(path)
    if path.exists():
        require_own(path)
    return text


def parse_policy(text: str, where: str = NAME) -> tuple[Rule, ...]:
    """The rules in their order. where: the file's name, for errors. Raises BadPolicy."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX.fullmatch(str(error))
        last = text.count("\n") + 1
        line = int(found["line"]) if found and found["line"] else last if found else None
        raise BadPolicy(where, line, (found and (found["why"] or found["end"])) or str(error)) from error
    lines = [at for at, line in enumerate(text.splitlines(), 1) if _HEADER.fullmatch(line)]
    for key in document:
        if key != "rule":
            raise BadPolicy(where, _line_of(text, key), f"{key} is not known here; rules begin with [[rule]]")
    tables = document.get("rule", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise BadPolicy(where, _line_of(text, "rule"), "rules begin with [[rule]]")
    if len(tables) > RULE_LIMIT:
        raise BadPolicy(where, None, f"more than {RULE_LIMIT} rules")
    known = lines if len(lines) == len(tables) else [0] * len(tables)  # a text of several lines may look like a header
    return tuple(rule for table, line in zip(tables, known, strict=True) for rule in _rules(table, line, where))


def _rules(table: Mapping[str, Any], line: int, where: str) -> Iterator[Rule]:
    said = [key for key in table if key in _EFFECTS]
    for key in table:
        if key not in _NARROWING and key not in _EFFECTS:
            near = difflib.get_close_matches(key, [*_NARROWING, *_EFFECTS], 1)
            raise BadPolicy(where, line or None, f"{key} is not known" + (f": did you mean {near[0]}?" if near else ""))
    if len(said) != 1:
        raise BadPolicy(where, line or None, "a rule says one of allow, ask and deny")
    tools = table[said[0]] if isinstance(table[said[0]], list) else [table[said[0]]]
    if not tools:
        raise BadPolicy(where, line or None, f"{said[0]} names no tool")
    for number, tool in enumerate(tools):
        fields = {_NARROWING[key]: _value(key, value) for key, value in table.items() if key in _NARROWING}
        place = f"line-{line}" + (f".{number + 1}" if len(tools) > 1 else "")
        try:
            yield Rule.model_validate(
                {"rule_id": place, "effect": said[0], "tool": tool, "line": line or None, **fields}
            )
        except ValidationError as error:
            raise BadPolicy(where, line or None, _problem(error)) from error
        except Rejected as error:
            raise BadPolicy(where, line or None, str(error)) from error


def _value(key: str, value: Any) -> Any:
    if key == "expires" and isinstance(value, datetime) and value.tzinfo is None:
        return value.astimezone(UTC)  # TOML's local time
    if key == "asked_by" and isinstance(value, str):
        return [value]
    return value


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    names = {field: key for key, field in _NARROWING.items()}
    field = str(first["loc"][0]) if first["loc"] else ""
    return f"{names.get(field, field)}: {first['msg']}" if field else first["msg"].removeprefix("Value error, ")


def _line_of(text: str, key: str) -> int | None:
    """The first line that speaks of this key of the document."""
    pattern = re.compile(rf"\s*(?:\[+\s*)?[\"']?{re.escape(key)}\b")
    return next((at for at, line in enumerate(text.splitlines(), 1) if pattern.match(line)), None)
