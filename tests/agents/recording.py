"""Records a real agent: driven through its adapter's codec, against the scripted model."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import trio

from tests.agents.driving import Driven, driven, environment_beside
from tests.agents.programs import PROGRAMS, home
from tests.agents.trimming import trimmed
from tests.emulators.model_api import ModelApi
from tests.emulators.script import Step, prompt
from tetherd.domain.approval import Answer, Approval
from tetherd.domain.effects import AgentCommand, InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent, AgentReady, ApprovalRequested, TurnCompleted
from tetherd.domain.ids import InputId, RunId, SessionId
from tetherd.domain.images import Image
from tetherd.domain.modes import Mode
from tetherd.plugin import AgentAdapter, AgentCodec, LaunchSpec

APPROVED = Answer(decision="approve")

E = TypeVar("E", bound=AgentEvent)


@dataclass
class Recording:
    """One run that is being recorded. Numbers of the outbox begin with 1 and count what encode() made."""

    api: ModelApi
    program: Driven
    codec: AgentCodec
    directory: Path
    events: list[AgentEvent] = field(default_factory=list)
    heard: str = ""
    """All the text that was streamed."""
    conversation: str = ""
    """The agent's own name for it."""
    _seen: int = 0
    _sent: int = 0
    _news: trio.Event = field(default_factory=trio.Event)

    async def prompt(self, *steps: dict[str, Any] | Step, text: str = "", images: Sequence[Image] = ()) -> None:
        """A prompt with these steps; without any, the text alone."""
        words = prompt(*steps, text=text) if steps else text
        await self._send(Prompt(InputId(f"i-{self._sent + 1}"), words, tuple(images)))

    async def answer(self, approval: Approval, answer: Answer | None) -> None:
        await self._send(Verdict(approval, answer))

    async def interrupt(self) -> None:
        await self._send(InterruptTurn())

    async def event(self, *kinds: type[E]) -> E:
        """The next event of one of these kinds; those before it are passed over."""
        while True:
            news = self._news
            while self._seen < len(self.events):
                event = self.events[self._seen]
                self._seen += 1
                if isinstance(event, kinds):
                    return event
            await news.wait()

    async def hears(self, text: str) -> None:
        """Returns once this text was streamed."""
        while True:
            news = self._news
            if text in self.heard:
                return
            await news.wait()

    async def approval(self) -> Approval:
        return (await self.event(ApprovalRequested)).approval

    async def turn(self) -> TurnCompleted:
        """The end of the turn; on the way there everything is approved."""
        while isinstance(event := await self.event(TurnCompleted, ApprovalRequested), ApprovalRequested):
            await self.answer(event.approval, APPROVED)
        assert isinstance(event, TurnCompleted)
        return event

    async def listen_forever(self) -> None:
        """Feed the codec until the program ends."""
        while True:
            try:
                message = await self.program.until(lambda _: True)
            except EOFError:
                return
            fed = self.codec.feed(json.dumps(message).encode())
            for frame in fed.frames:
                await self.program.send(frame)
            self.events += fed.events
            self.heard += "".join(delta.text for delta in fed.deltas)
            self._news.set()
            self._news = trio.Event()

    async def _send(self, command: AgentCommand) -> None:
        self._sent += 1
        await self.program.send(self.codec.encode(command, self._sent))


Scenario = Callable[[Recording], Awaitable[None]]


@dataclass(frozen=True)
class Continued:
    """A run that goes on with a conversation, or with a copy of it."""

    conversation: str
    copied: bool = False

    @property
    def in_spec(self) -> dict[str, str]:
        """The member of LaunchSpec that says so."""
        return {"fork_of" if self.copied else "vendor_session_id": self.conversation}


@dataclass(frozen=True)
class Recorded:
    """An agent that is recorded.

    settings: the adapter's, for a program at this path. environment: for a model API at this address, with this key;
    None: without any. scenarios: each in a run of its own. continuing: each in a run that resumes (False) or forks
    (True) the conversation of a run before it, which is not recorded.
    """

    adapter: AgentAdapter
    settings: Callable[[Path], Mapping[str, str]]
    environment: Callable[[str, str | None], Mapping[str, str]]
    scenarios: Mapping[str, Scenario]
    continuing: Mapping[str, tuple[bool, Scenario]] = field(default_factory=dict)


@asynccontextmanager
async def recording(
    adapter: AgentAdapter,
    settings: Mapping[str, str],
    environment: Mapping[str, str],
    api: ModelApi,
    directory: Path,
    continued: Continued | None = None,
    run_id: str = "r-1",
) -> AsyncIterator[Recording]:
    """A run of the agent as tetherd launches it, once it is ready. At the end its input is closed.

    Runs of one conversation need ids of their own: prompts are named after the run, and no agent takes one twice.
    """
    spec = LaunchSpec(
        session_id=SessionId("s-1"),
        run_id=RunId(run_id),
        directory=str(directory),
        mode=Mode.ASK,
        **(continued.in_spec if continued else {}),
        settings=settings,
        environment={**environment_beside(directory), **environment},
    )
    launch = adapter.launch(spec)
    argv = launch.resumed.argv if launch.resumed else launch.argv
    async with driven(argv, directory, launch.environment) as program, trio.open_nursery() as nursery:
        running = Recording(api, program, adapter.codec(spec, None), directory)
        nursery.start_soon(running.listen_forever)
        for frame in running.codec.open():
            await program.send(frame)
        running.conversation = (await running.event(AgentReady)).vendor_session_id
        yield running
        await program.finish()


def write(path: Path, name: str, running: Recording, continued: Continued | None) -> None:
    """The transcript, one JSON object a line; the first says what it is of, and how LaunchSpec differed."""
    package, _, version = PROGRAMS[name].package.rpartition("@")
    note: dict[str, Any] = {"agent": package, "version": version, "recorded": f"{datetime.now(UTC):%Y-%m}"}
    if continued:
        note["spec"] = continued.in_spec
    places = {
        str(running.directory): "/project",
        str(running.directory.parent): "/recording",
        str(home()): "/agents",
        running.api.url: "http://127.0.0.1:9",
    }
    records: list[dict[str, Any]] = [{"dir": "note", "msg": note}]
    records += [
        {"dir": record.direction, "msg": record.message}
        for record in running.program.records
        if record.direction in ("in", "out", "err")
    ]
    rows = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in trimmed(records, places)]
    path.write_text("\n".join(rows) + "\n")
