"""One call of a tool, from its announcement to its result."""

from __future__ import annotations

from collections.abc import Callable

from tetherd.agents.workers.core.content import ToolResult, ToolUse, clean
from tetherd.agents.workers.core.desk import Desk
from tetherd.agents.workers.messages import ALLOW, JsonObject, text_content
from tetherd.agents.workers.tools.commands import Commands
from tetherd.agents.workers.tools.place import CannotDo, Directory, Place
from tetherd.agents.workers.tools.tool import Done, Kind, Rejected, Tool, Tools, cut

REJECTED = "The person rejected this."
INTERRUPTED = "The person interrupted this. It may have happened, in part or as a whole."


class ToolCall:
    """See tools.tool.Call. `end_turn` is called when the client cancels a question, which is to cancel the turn."""

    def __init__(
        self, desk: Desk, use: ToolUse, directory: Directory, commands: Commands, end_turn: Callable[[], None]
    ) -> None:
        self.directory = directory
        self.commands = commands
        self._desk = desk
        self._use = use
        self._end_turn = end_turn
        self._shown_as = ""
        self._open: list[JsonObject] = []

    async def run(self, tools: Tools) -> ToolResult:
        """Carry it out. Whatever goes wrong with it is for the model to read."""
        tool = tools.get(self._use.name)
        try:
            if tool is None:
                raise CannotDo(f"there is no tool {self._use.name!r}; there are {', '.join(tools)}")
            if self._use.broken is not None:
                raise CannotDo("the input is no JSON object, or was cut off")
            done = await self._carry_out(tool)
        except CannotDo as error:
            done = Done(str(error), is_error=True)
        except Rejected as error:
            done = Done(f"{REJECTED} Their reason: {error}" if str(error) else REJECTED, is_error=True)
        await self._finish(tool, done)
        return ToolResult(call_id=self._use.call_id, text=clean(cut(done.text)), is_error=done.is_error)

    async def abandon(self) -> ToolResult:
        """After a cancel: nothing stays open."""
        for call in self._open:
            await self._change(call, "failed", text_content("cancelled"))
        return ToolResult(call_id=self._use.call_id, text=INTERRUPTED, is_error=True)

    # -- what a tool may do ------------------------------------------------------------------------------------------

    async def announce(
        self, title: str, kind: Kind, raw_input: JsonObject, *content: JsonObject, place: Place | None = None
    ) -> None:
        await self._begin(title, self._shown_as, kind, raw_input, *content, place=place)

    async def ask(self) -> None:
        call = self._open[-1]
        answer = await self._desk.ask(call)
        if answer.option is None:
            self._end_turn()
        if answer.option != ALLOW:
            raise Rejected(answer.reason)
        await self._change(call, "in_progress")

    async def ask_to_read(self, place: Place) -> None:
        if place.is_inside:
            return
        if self._open:
            await self.ask()
            return
        await self._begin(f"Read {place.shown}", "Read", "read", {"path": place.shown}, place=place)
        await self.ask()
        await self._change(self._open.pop(), "completed", text_content("read, to show what would change"))

    # -- telling it --------------------------------------------------------------------------------------------------

    async def _carry_out(self, tool: Tool) -> Done:
        self._shown_as = tool.shown
        return await tool.run(self, self._use.input)

    async def _begin(
        self, title: str, name: str, kind: Kind, raw_input: JsonObject, *content: JsonObject, place: Place | None = None
    ) -> None:
        call: JsonObject = {"toolCallId": self._desk.new_id("call"), "title": title, "name": name, "kind": kind}
        call |= {"status": "pending", "rawInput": raw_input, "content": list(content)}
        if place is not None:
            call["locations"] = [{"path": place.shown}]
        self._open.append(call)
        await self._desk.update("tool_call", **call)

    async def _finish(self, tool: Tool | None, done: Done) -> None:
        if not self._open:  # it went wrong before there was anything to announce
            name = tool.shown if tool else self._use.name[:100]
            call = {"toolCallId": self._desk.new_id("call"), "title": name, "name": name, "kind": "other"}
            self._open.append(call)
            await self._desk.update("tool_call", **call, status="pending", rawInput=self._use.input)
        content = done.content or (text_content(cut(done.text)),)
        for call in self._open:
            await self._change(call, "failed" if done.is_error else "completed", *content)
        self._open.clear()

    async def _change(self, call: JsonObject, status: str, *content: JsonObject) -> None:
        fields: JsonObject = {"content": list(content)} if content else {}
        await self._desk.update("tool_call_update", toolCallId=call["toolCallId"], status=status, **fields)
