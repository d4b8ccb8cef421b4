"""Numbered .sql files, applied once and forward only."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from sqlite3 import Connection

from tetherd.errors import Misconfigured


def migrate(connection: Connection, path: Path) -> None:
    """Bring the database at `path` to this version; a copy of what was there stays beside it.

    Raises Misconfigured when a newer tetherd has written it.
    """
    steps = _steps()
    (current,) = connection.execute("PRAGMA user_version").fetchone()
    newest = max(steps)
    if current > newest:
        raise Misconfigured(f"{path} was written by a newer tetherd (schema {current}; this one knows {newest})")
    if 0 < current < newest:
        backup = path.with_name(f"{path.name}.before-{newest}")
        backup.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(backup),))
    for number in range(current + 1, newest + 1):
        connection.executescript(f"BEGIN IMMEDIATE;\n{steps[number]}\nPRAGMA user_version = {number};\nCOMMIT;")


def _steps() -> dict[int, str]:
    found = {}
    for file in (files("tetherd.storage") / "migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_\w+\.sql", file.name):
            found[int(match[1])] = file.read_text(encoding="utf-8")
    return found
