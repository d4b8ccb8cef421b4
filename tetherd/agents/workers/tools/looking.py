"""Running the search program, for `glob` and `grep`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.tools import searching
from tetherd.agents.workers.tools.commands import Output
from tetherd.agents.workers.tools.place import CannotDo, Place
from tetherd.agents.workers.tools.tool import Call

LIMIT_SECONDS = 30
ROW_BYTES = 4096
_PROGRAM = os.path.realpath(searching.__file__)


@dataclass(frozen=True, slots=True)
class Rows:
    """What was found, in the program's words; `is_partial` when there was more."""

    rows: tuple[JsonObject, ...]
    is_partial: bool


async def look(
    call: Call, place: Place, *, glob: str | None, pattern: str | None, ignore_case: bool, limit: int
) -> Rows:
    """At most `limit` rows. Raises CannotDo."""
    wanted = searching.Wanted(str(place.real), glob, pattern, ignore_case, limit)
    output = Output(head_bytes=(limit + 1) * ROW_BYTES, tail_bytes=0)
    try:
        ran = await call.commands.run(
            (sys.executable, "-I", "-S", _PROGRAM),
            call.directory.real,
            given=json.dumps(wanted._asdict()).encode(),
            output=output,
            limit_seconds=LIMIT_SECONDS,
        )
    except OSError as error:
        raise CannotDo(f"the search cannot be started: {error}") from None
    rows = tuple(_rows(ran.output))
    if wrong := next((row["error"] for row in rows if "error" in row), None):
        raise CannotDo(f"{place.shown}: {wrong}")
    if ran.code is None:
        raise CannotDo(f"it took longer than {LIMIT_SECONDS} s; look in a smaller directory, or for something simpler")
    if ran.code != 0:
        raise CannotDo(f"the search failed: {ran.output[-500:]}")
    found = tuple(row for row in rows if "path" in row)
    return Rows(found, is_partial=len(found) < len(rows))


def _rows(output: str) -> Iterator[JsonObject]:
    for line in output.splitlines():
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except ValueError:
                yield {"left_out": True}  # cut in the middle
