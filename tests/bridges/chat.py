"""A Telegram bridge in a chat, with everything around it in memory and time that is virtual."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import trio

from tests.emulators.telegram import Chat, Message, Telegram
from tests.emulators.telegram_http import InProcess
from tests.emulators.telegram_people import Person
from tests.fakes.control import FakeControl
from tests.fakes.rules import FakeRules
from tests.fakes.sync_database import SyncDatabase
from tetherd.bridge import BridgePort
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import Approval, ApprovalKind, FileShown, Option
from tetherd.domain.ids import Actor, ApprovalId, InputId, Principal, Role, RunId, SessionId, approval_id_for
from tetherd.errors import TetherError
from tetherd.storage.bridge_state import BridgeStore
from tetherd_bridges.telegram.bridge import SETTINGS, TelegramBridge
from tetherd_bridges.web import open_web

TOKEN = "123456789:" + "A" * 35
ADA, BOB, EVE = 11, 12, 666
START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OWNER = Actor(principal=Principal(role=Role.OWNER, name="owner"), surface="cli")
RUN = RunId("r-000000000001")


class Scene:
    """Ada and Bob may give commands, Eve may not. `control` is the daemon's part, `group` what people see."""

    def __init__(self, *, limits: bool = False, private: bool = False, directories: tuple[Path, ...] = ()) -> None:
        self.telegram = Telegram(TOKEN, limits=limits)
        self.group = self.telegram.forum()
        self.ada = Person(self.telegram, ADA, "Ada", "ada")
        self.bob = Person(self.telegram, BOB, "Bob")
        self.eve = Person(self.telegram, EVE, "Eve", "eve")
        self.control = FakeControl()
        self.bridge = TelegramBridge(lambda: open_web(InProcess(self.telegram)))
        self.rules = FakeRules(self.control)
        self.database = SyncDatabase()
        self.state = BridgeStore(cast(Any, self.database), "telegram")
        self.troubles: list[str | None] = []
        self.failure: BaseException | None = None
        self.ahead = timedelta()
        """So much later it is for the bridge than the virtual clock says."""
        self.settings = {
            "TELEGRAM_ALLOWED_USER_IDS": f"{ADA},{BOB}",
            "TELEGRAM_FORUM_GROUP_ID": str(self.group.chat_id),
        }
        if private:
            self.settings = {"TELEGRAM_ALLOWED_USER_IDS": f"{ADA}"}
        self.files_dir = Path("/nowhere")
        self._directories = directories
        self._numbers = iter(range(1, 10_000))

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """One life of the bridge."""
        values = {"TELEGRAM_BOT_TOKEN": TOKEN, **self.settings}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._run, self.port(values))
            await pause()
            yield
            await pause()
            nursery.cancel_scope.cancel()
        assert self.telegram.violations == []

    def port(self, values: dict[str, str]) -> BridgePort:
        return BridgePort(
            control=self.control,
            rules=self.rules,
            state=self.state,
            settings={one.field: one.parse(values[one.key]) for one in SETTINGS if one.key in values},
            directories=self._directories,
            adapters=frozenset({"demo", "claude"}),
            default_adapter="demo",
            files_dir=self.files_dir,
            now=lambda: START + self.ahead + timedelta(seconds=trio.current_time()),
            report=self.troubles.append,
        )

    async def _run(self, port: BridgePort) -> None:
        try:
            await self.bridge.run(port)
        except* (TetherError, ValueError, AssertionError) as group:
            self.failure = group

    # -- the daemon's side -------------------------------------------------------------------------------------------

    async def session(self, name: str = "Work", prompt: str = "go") -> SessionId:
        """A session whose agent has begun a turn."""
        session_id = SessionId(f"s-{next(self._numbers):012}")
        await self.control.submit(
            cmd.CreateSession(
                session_id=session_id, by=OWNER, name=name, adapter="demo", external=False, directory="/work"
            )
        )
        await self.control.submit(
            cmd.SendInput(session_id=session_id, by=OWNER, input_id=InputId(f"i-{session_id}"), text=prompt)
        )
        self.control.say(session_id, ev.AgentReady())
        return session_id

    def write(self, session_id: SessionId, text: str) -> None:
        message_id = f"m{next(self._numbers)}"
        self.control.say(session_id, ev.MessageWritten(message_id=message_id, offset=0, text=text, final=True))

    def ask(self, session_id: SessionId, title: str = "Run ls", **more: Any) -> ApprovalId:
        request_id = f"q{next(self._numbers)}"
        approval_id = approval_id_for(RUN, request_id)
        fields: dict[str, Any] = {"kind": ApprovalKind.COMMAND, "command": "ls -la", "tool": "Bash", **more}
        approval = Approval(approval_id=approval_id, run_id=RUN, request_id=request_id, title=title, **fields)
        self.control.say(session_id, ev.ApprovalRequested(approval=approval))
        return approval_id

    def question(self, session_id: SessionId, *labels: str) -> ApprovalId:
        options = tuple(Option(option_id=f"o-{label}", label=label, decision="approve") for label in labels)
        return self.ask(session_id, "Which one?", kind=ApprovalKind.QUESTION, options=options, command=None, tool=None)

    def edit(self, session_id: SessionId, diff: str) -> ApprovalId:
        files = (FileShown(path="/work/a.py", diff=diff),)
        return self.ask(session_id, "Edit a.py", kind=ApprovalKind.EDIT, command=None, tool="Edit", files=files)

    def end_turn(self, session_id: SessionId) -> None:
        self.control.say(session_id, ev.TurnCompleted(outcome="completed"))

    def inputs(self, session_id: SessionId) -> list[str]:
        return [one.text for one in self.control.events(session_id) if isinstance(one, ev.InputAccepted)]

    def resolutions(self, session_id: SessionId) -> list[ev.ApprovalResolved]:
        return [one for one in self.control.events(session_id) if isinstance(one, ev.ApprovalResolved)]

    # -- what people see ---------------------------------------------------------------------------------------------

    def thread(self, name: str = "Work") -> list[Message]:
        return self.group.in_topic(name)

    def thread_id(self, name: str = "Work") -> int:
        return max(number for number, topic in self.group.topics.items() if topic.name == name)

    def question_shown(self, name: str = "Work") -> Message:
        """The newest message with buttons."""
        return [one for one in self.thread(name) if one.keyboard][-1]

    def texts(self, chat: Chat | None = None) -> list[str]:
        """What the bot has written, as it stands now."""
        return [one.text for one in (chat or self.group).messages.values() if one.sender["is_bot"]]


async def pause(seconds: float = 30.0) -> None:
    """Let virtual time pass until all that can happen has happened."""
    await trio.sleep(seconds)


async def eventually(look: Callable[[], object], what: str) -> None:
    """For what depends on a thread, which a virtual clock does not wait for."""
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline, what
        await trio.sleep(1)
