"""One turn: ask the model, do what it wants, until it wants nothing more."""

from __future__ import annotations

from collections.abc import Callable

import trio

from tetherd.agents.workers.core.agent import Agent
from tetherd.agents.workers.core.content import (
    Answered,
    AnswerPart,
    Asked,
    Brought,
    Text,
    ToolResult,
    ToolUse,
    clean,
    complete,
)
from tetherd.agents.workers.core.conversation import Conversation
from tetherd.agents.workers.core.desk import Desk
from tetherd.agents.workers.core.failures import ModelFailed
from tetherd.agents.workers.core.prompt import system_prompt
from tetherd.agents.workers.core.provider import Finished, Said, Stop, Thought, Used
from tetherd.agents.workers.core.toolcall import INTERRUPTED, ToolCall
from tetherd.agents.workers.core.usage import Usage
from tetherd.agents.workers.tools.commands import Commands
from tetherd.agents.workers.tools.place import Directory
from tetherd.backoff import Backoff

ANSWERS = 200
"""The most answers of one turn: a model that goes in circles is stopped by this at the latest."""
TRIES = 3
LONGEST_WAIT_SECONDS = 60.0


class Turn:
    """What is left when it is cancelled in the middle is put right by abandon()."""

    def __init__(
        self,
        agent: Agent,
        desk: Desk,
        conversation: Conversation,
        directory: Directory,
        commands: Commands,
        end_turn: Callable[[], None],
    ) -> None:
        """`end_turn` cancels whoever runs this."""
        self.usage = Usage()
        """Of all answers that have ended."""
        self._agent = agent
        self._provider = agent.provider
        self._desk = desk
        self._conversation = conversation
        self._directory = directory
        self._commands = commands
        self._end_turn = end_turn
        self._system = system_prompt(directory.given)
        self._said: list[str] = []
        self._used = Usage()
        self._wanted: list[ToolUse] = []
        self._results: list[ToolResult] = []
        self._call: ToolCall | None = None

    async def run(self, asked: Asked) -> str:
        """Returns the stop reason. Raises ModelFailed, and OSError when the conversation cannot be kept."""
        self._conversation.add(asked)
        await self._provider.load()
        for _ in range(ANSWERS):
            finished = await self._answer()
            self._said.clear()
            answered = Answered(model=self._provider.model, parts=finished.parts)
            self._conversation.add(answered)
            if answered.calls:
                await self._use_tools(answered.calls)
            elif finished.stop is Stop.REFUSED:
                return "refusal"
            else:
                return "max_tokens" if finished.stop is Stop.LENGTH else "end_turn"
        return "max_turn_requests"

    async def abandon(self) -> None:
        """After a cancel or a failure: what was said is kept, every call has a result. Raises OSError."""
        self._count()
        if said := "".join(self._said):
            self._said.clear()
            self._conversation.add(Answered(model=self._provider.model, parts=(Text(text=clean(said)),)))
        if self._call:
            self._results.append(await self._call.abandon())
            self._call = None
        if self._wanted:
            for use in self._wanted[len(self._results) :]:
                self._results.append(ToolResult(call_id=use.call_id, text=INTERRUPTED, is_error=True))
            self._conversation.add(Brought(results=tuple(self._results)))

    async def _use_tools(self, uses: tuple[ToolUse, ...]) -> None:
        self._wanted = list(uses)
        for use in uses:
            self._call = ToolCall(self._desk, use, self._directory, self._commands, self._end_turn)
            result = await self._call.run(self._agent.tools)
            self._call = None
            self._results.append(result)
        self._conversation.add(Brought(results=tuple(self._results)))
        self._wanted, self._results = [], []

    async def _answer(self) -> Finished:
        """One whole answer. What may pass is tried again, as long as nobody has been told a word of the answer."""
        delays = Backoff()
        for last in (*[False] * (TRIES - 1), True):
            try:
                return await self._stream()
            except ModelFailed as failure:
                self._count()
                wait = next(delays) if failure.retry_after_seconds is None else failure.retry_after_seconds
                if last or not failure.is_passing or self._said or wait > LONGEST_WAIT_SECONDS:
                    raise
                why = self._agent.discreet(str(failure))
                await self._desk.think(self._desk.new_id("thought"), f"{why} Trying again in {wait:.0f} s.")
                await trio.sleep(wait)
        raise AssertionError("the last try returns or raises")

    async def _stream(self) -> Finished:
        offers = [tool.offer for tool in self._agent.tools.values()]
        messages = complete(self._conversation.messages)
        message_id, thought_id = self._desk.new_id("msg"), self._desk.new_id("thought")
        finished: Finished | None = None
        async with self._provider.answer(self._system, messages, offers) as pieces:
            async for piece in pieces:
                match piece:
                    case Said(text=text):
                        self._said.append(text)
                        await self._desk.say(message_id, text)
                    case Thought(text=text):
                        await self._desk.think(thought_id, text)
                    case Used(usage=usage):
                        self._used = usage
                    case Finished():
                        finished = Finished(tuple(map(_cleaned, piece.parts)), piece.stop)
        if finished is None:
            raise AssertionError("a provider ends with the whole answer, or raises")
        self._count()
        return finished

    def _count(self) -> None:
        """Add what the answer has used to the turn, and keep it: whoever is killed in mid-turn has paid for it."""
        used, self._used = self._used, Usage()
        if used == Usage():
            return
        self.usage += used
        self._conversation.note(used)


def _cleaned(part: AnswerPart) -> AnswerPart:
    return part.model_copy(update={"text": clean(part.text)}) if isinstance(part, Text) else part
