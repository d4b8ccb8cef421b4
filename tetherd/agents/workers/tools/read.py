"""The tool `read`: a text file, or a part of it."""

from __future__ import annotations

from typing import Annotated

import trio
from pydantic import Field

from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.tools.files import read_file, text_of
from tetherd.agents.workers.tools.place import CannotDo
from tetherd.agents.workers.tools.tool import TEXT_LIMIT, Call, Done, Input, Tool, read_input

LINES = 2000
LINE_LIMIT = 2000
"""Characters of one line: minified files have lines of megabytes."""


class ReadInput(Input):
    path: Annotated[str, Field(description="The file, absolute or relative to the working directory.")]
    offset: Annotated[int, Field(ge=1, description="The first line to read, from 1.")] = 1
    limit: Annotated[int, Field(ge=1, le=LINES, description="How many lines to read at most.")] = LINES


async def _read(call: Call, raw: JsonObject) -> Done:
    given = read_input(ReadInput, raw)
    place = call.directory.locate(given.path)
    shown = {"path": place.shown, **given.model_dump(exclude_defaults=True, exclude={"path"})}
    await call.announce(f"Read {call.directory.short(place)}", "read", shown, place=place)
    await call.ask_to_read(place)
    data = await trio.to_thread.run_sync(read_file, place)
    if data is None:
        raise CannotDo(f"there is no file {place.shown}")
    return Done(_part(text_of(place, data), given.offset, given.limit))


def _part(text: str, offset: int, limit: int) -> str:
    """The lines with their numbers, and a word on what is left out."""
    lines = text.split("\n")
    if lines[-1] == "":
        del lines[-1]
    if not lines:
        return "(the file is empty)"
    shown: list[str] = []
    room = TEXT_LIMIT
    for number, line in enumerate(lines[offset - 1 : offset - 1 + limit], offset):
        line = line.removesuffix("\r")
        row = f"{number}\t{line[:LINE_LIMIT]}" + ("..." if len(line) > LINE_LIMIT else "")
        room -= len(row) + 1
        if room < 0:
            break
        shown.append(row)
    after = offset + len(shown)
    if not shown or after <= len(lines):
        shown.append(f"(the file has {len(lines)} lines; read on with offset {min(after, len(lines))})")
    return "\n".join(shown)


TOOL = Tool(
    "read",
    "Read",
    "Read a text file. Lines come with their numbers and a tab, which are not part of the file.",
    ReadInput,
    _read,
)
