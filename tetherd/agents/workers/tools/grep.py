"""The tool `grep`: lines in files."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.tools.looking import look
from tetherd.agents.workers.tools.tool import Call, Done, Input, Tool, cut, read_input

LINES = 200


class GrepInput(Input):
    pattern: Annotated[
        str, Field(min_length=1, max_length=1000, description="A regular expression as Python has them, for one line.")
    ]
    path: Annotated[str, Field(description="A file or a directory; the working directory by default.")] = "."
    glob: Annotated[str | None, Field(max_length=500, description="Only in files of such names, as for `glob`.")] = None
    ignore_case: bool = False


async def _grep(call: Call, raw: JsonObject) -> Done:
    given = read_input(GrepInput, raw)
    place = call.directory.locate(given.path)
    where = "" if given.path == "." else f" in {call.directory.short(place)}"
    shown = {"path": place.shown, **given.model_dump(exclude_defaults=True, exclude={"path"})}
    await call.announce(f"Grep {given.pattern}{where}", "search", shown, place=place)
    await call.ask_to_read(place)
    found = await look(call, place, glob=given.glob, pattern=given.pattern, ignore_case=given.ignore_case, limit=LINES)
    rows = [f"{row['path']}:{row['line']}: {row['text']}" for row in found.rows]
    if found.is_partial:
        rows.append(f"(only the first {LINES} lines; there are more)")
    return Done(cut("\n".join(rows)) or "(nothing found)")


TOOL = Tool(
    "grep",
    "Grep",
    "Find lines in text files. Links are not followed, and what version control and package managers keep for "
    "themselves is left out.",
    GrepInput,
    _grep,
)
