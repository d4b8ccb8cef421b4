"""The tool `edit`: exact text for other text."""

from __future__ import annotations

from typing import Annotated

import trio
from pydantic import Field

from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.tools.change import change
from tetherd.agents.workers.tools.files import read_file, text_of
from tetherd.agents.workers.tools.place import CannotDo
from tetherd.agents.workers.tools.tool import Call, Done, Input, Tool, read_input


class EditInput(Input):
    path: Annotated[str, Field(description="The file, absolute or relative to the working directory.")]
    old: Annotated[str, Field(min_length=1, description="What stands there now, exactly, with its whitespace.")]
    new: Annotated[str, Field(description="What shall stand there.")]
    all: Annotated[bool, Field(description="Replace every occurrence; otherwise there must be exactly one.")] = False


async def _edit(call: Call, raw: JsonObject) -> Done:
    given = read_input(EditInput, raw)
    place = call.directory.locate(given.path)
    await call.ask_to_read(place)  # whether the old text is in a file would tell what the file holds
    data = await trio.to_thread.run_sync(read_file, place)
    if data is None:
        raise CannotDo(f"there is no file {place.shown}")
    new = _replaced(text_of(place, data), given)
    shown = given.model_dump(exclude_defaults=True, exclude={"path"})
    return await change(call, "Edit", place, shown, data, new.encode())


def _replaced(text: str, given: EditInput) -> str:
    """Raises CannotDo when the old text is not there, or more than once."""
    old, new = given.old, given.new
    if old not in text and "\r\n" in text:
        # what a model is shown of such a file has no carriage returns
        old, new = (part.replace("\r\n", "\n").replace("\n", "\r\n") for part in (old, new))
    count = text.count(old)
    if count == 0:
        raise CannotDo("the old text is not in the file; read it again")
    if count > 1 and not given.all:
        raise CannotDo(f"the old text stands there {count} times: give more of what is around it, or set `all`")
    if old == new:
        raise CannotDo("the old and the new text are the same")
    return text.replace(old, new)


TOOL = Tool(
    "edit",
    "Edit",
    "Replace exact text in a file. A person is asked first. Read the file before.",
    EditInput,
    _edit,
)
