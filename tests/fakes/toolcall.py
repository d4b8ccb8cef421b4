"""A call of a tool that notes what it is asked, and answers as the test says."""

from __future__ import annotations

import os
from pathlib import Path

from tetherd.agents.workers.messages import JsonObject
from tetherd.agents.workers.tools.commands import Commands
from tetherd.agents.workers.tools.place import Directory, Place
from tetherd.agents.workers.tools.tool import Kind, Rejected


class FakeCall:
    """See tools.tool.Call. `before_answer` happens while the person still thinks."""

    def __init__(self, directory: Path, *, allows: bool = True) -> None:
        self.directory = Directory(directory)
        self.commands = Commands({"PATH": os.environ["PATH"]})
        self.allows = allows
        self.announced: list[tuple[str, Kind, JsonObject, tuple[JsonObject, ...]]] = []
        self.asked: list[str] = []
        self.before_answer = lambda: None

    async def announce(
        self, title: str, kind: Kind, raw_input: JsonObject, *content: JsonObject, place: Place | None = None
    ) -> None:
        self.announced.append((title, kind, raw_input, content))

    async def ask(self) -> None:
        self._ask(self.announced[-1][0])

    async def ask_to_read(self, place: Place) -> None:
        if not place.is_inside:
            self._ask(f"read {place.shown}")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        self.before_answer()
        if not self.allows:
            raise Rejected("no")
