"""Judges requests and answers by the published description of the Bot API."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

SPEC = Path(__file__).parent.parent / "data" / "telegram-bot-api-10.1.json"

Json = dict[str, Any]


class Invalid(Exception):
    """What is wrong, and where."""


@cache
def spec() -> Json:
    found: Json = json.loads(SPEC.read_text())
    return found


def read_request(method: str, given: Json, *, is_form: bool) -> Json:
    """The parameters as values of their types. Raises Invalid. Forms carry everything as text, files as Upload."""
    fields = {field["name"]: field for field in spec()["methods"][method].get("fields", [])}
    for name in given:
        if name not in fields:
            raise Invalid(f"{method} has no parameter {name}")
    values: Json = {}
    for name, field in fields.items():
        if name not in given:
            if field["required"]:
                raise Invalid(f"{method}: {name} is missing")
            continue
        value = _from_text(given[name], field["types"]) if is_form else given[name]
        check(value, field["types"], f"{method}.{name}")
        values[name] = value
    return values


def check_answer(method: str, result: Any) -> None:
    """Raise Invalid unless the method may return this."""
    check(result, spec()["methods"][method]["returns"], method)


def check(value: Any, types: list[str], where: str) -> None:
    """Raise Invalid unless the value is of one of the types."""
    problems = []
    for kind in types:
        problem = _problem(value, kind, where)
        if problem is None:
            return
        problems.append(problem)
    raise Invalid(max(problems, key=len))


def _problem(value: Any, kind: str, where: str) -> str | None:
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            return f"{where} is no array"
        inner = kind.removeprefix("Array of ")
        problems = (_problem(one, inner, f"{where}[{n}]") for n, one in enumerate(value))
        return next((one for one in problems if one), None)
    match kind:
        case "Integer":
            return None if isinstance(value, int) and not isinstance(value, bool) else f"{where} is no integer"
        case "Float":
            return None if isinstance(value, int | float) and not isinstance(value, bool) else f"{where} is no number"
        case "Boolean":
            return None if isinstance(value, bool) else f"{where} is no boolean"
        case "String":
            return None if isinstance(value, str) else f"{where} is no string"
        case "InputFile":
            return None if isinstance(value, Upload) else f"{where} is no file"
        case _:
            return _object_problem(value, kind, where)


def _object_problem(value: Any, kind: str, where: str) -> str | None:
    described = spec()["types"][kind]
    if subtypes := described.get("subtypes"):
        problems = [_problem(value, one, where) for one in subtypes]
        return None if None in problems else max((one for one in problems if one), key=len)
    if not isinstance(value, dict):
        return f"{where} is no {kind}"
    fields = {field["name"]: field for field in described.get("fields", [])}
    for name, held in value.items():
        if name not in fields:
            return f"{where}: {kind} has no {name}"
        problems = [_problem(held, one, f"{where}.{name}") for one in fields[name]["types"]]
        if None not in problems:
            return max((one for one in problems if one), key=len)
    missing = [name for name, field in fields.items() if field["required"] and name not in value]
    return f"{where}: {kind} without {missing[0]}" if missing else None


class Upload:
    """A file in a form."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data


def _from_text(value: Any, types: list[str]) -> Any:
    if isinstance(value, Upload) or not isinstance(value, str):
        return value
    for kind in types:
        try:
            if kind == "Integer":
                return int(value)
            if kind == "Float":
                return float(value)
            if kind == "Boolean" and value.lower() in ("true", "false", "1", "0"):
                return value.lower() in ("true", "1")
            if kind not in ("String", "InputFile", "Boolean"):
                return json.loads(value)
        except ValueError:
            continue
    return value
