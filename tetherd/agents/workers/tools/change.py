"""A change of one file: shown as a diff, asked for, then done if nothing has moved meanwhile."""

from __future__ import annotations

import trio

from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.tools.files import replace_file
from tetherd.agents.workers.tools.place import CannotDo, Place
from tetherd.agents.workers.tools.tool import Call, Done


async def change(call: Call, verb: str, place: Place, shown: JsonObject, old: bytes | None, new: bytes) -> Done:
    """Replace `old`, None for no file, with `new`. Raises CannotDo or Rejected."""
    if old == new:
        raise CannotDo(f"{place.shown} holds exactly that already")
    before = None if old is None else old.decode(errors="replace")
    diff = {"type": "diff", "path": place.shown, "oldText": before, "newText": new.decode()}
    title = f"{verb} {call.directory.short(place)}"
    await call.announce(title, "edit", {"path": place.shown, **shown}, diff, place=place)
    await call.ask()
    await trio.to_thread.run_sync(replace_file, place, new, old)
    return Done(f"{place.shown} is {'made' if old is None else 'changed'}.", content=(diff,))
