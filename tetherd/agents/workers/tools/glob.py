"""The tool `glob`: files by name."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.tools.looking import look
from tetherd.agents.workers.tools.tool import Call, Done, Input, Tool, cut, read_input

FILES = 200


class GlobInput(Input):
    pattern: Annotated[
        str, Field(min_length=1, max_length=500, description="Such as `**/*.py`, `src/*.{ts,tsx}` or `README*`.")
    ]
    path: Annotated[str, Field(description="Where to look; the working directory by default.")] = "."


async def _glob(call: Call, raw: JsonObject) -> Done:
    given = read_input(GlobInput, raw)
    place = call.directory.locate(given.path)
    where = "" if given.path == "." else f" in {call.directory.short(place)}"
    shown = {"path": place.shown, "pattern": given.pattern}
    await call.announce(f"Glob {given.pattern}{where}", "search", shown, place=place)
    await call.ask_to_read(place)
    found = await look(call, place, glob=given.pattern, pattern=None, ignore_case=False, limit=FILES)
    rows = [str(row["path"]) for row in found.rows]
    if found.is_partial:
        rows.append(f"(only the first {FILES}; there are more)")
    return Done(cut("\n".join(rows)) or "(no such file)")


TOOL = Tool(
    "glob",
    "Glob",
    "Find files by name; paths come relative to where was looked. Links are not followed, and what version control "
    "and package managers keep for themselves is left out.",
    GlobInput,
    _glob,
)
