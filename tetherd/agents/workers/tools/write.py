"""The tool `write`: a whole file."""

from __future__ import annotations

from typing import Annotated

import trio
from pydantic import Field

from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.tools.change import change
from tetherd.agents.workers.tools.files import read_file
from tetherd.agents.workers.tools.tool import Call, Done, Input, Tool, read_input


class WriteInput(Input):
    path: Annotated[str, Field(description="The file, absolute or relative to the working directory.")]
    content: Annotated[str, Field(description="All that the file will hold.")]


async def _write(call: Call, raw: JsonObject) -> Done:
    given = read_input(WriteInput, raw)
    place = call.directory.locate(given.path)
    if not place.is_inside and place.real.exists():
        await call.ask_to_read(place)  # to show what changes
    old = await trio.to_thread.run_sync(read_file, place)
    return await change(call, "Write", place, {"content": given.content}, old, given.content.encode())


TOOL = Tool(
    "write",
    "Write",
    "Make a file, or replace all that it holds. A person is asked first. To change a part of a file use `edit`.",
    WriteInput,
    _write,
)
