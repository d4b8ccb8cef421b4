"""A real Codex at the other end of our codec, and what was said: for tests, and for recordings."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.agents.driving import Driven, driven
from tests.agents.programs import real_program
from tests.emulators.model_api import ModelApi
from tetherd.agents.codex.codec import CodexCodec
from tetherd.domain.approval import Answer, Approval
from tetherd.domain.effects import AgentCommand, InterruptTurn, Prompt, Verdict
from tetherd.domain.events import AgentEvent, AgentReady, ApprovalRequested, TurnCompleted
from tetherd.domain.ids import InputId, RunId, SessionId
from tetherd.domain.modes import Mode
from tetherd.plugin import LaunchSpec

CONFIG = """\
model = "gpt-5.5"
model_provider = "scripted"
check_for_update_on_startup = false
{more}
[model_providers.scripted]
name = "scripted"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
supports_websockets = false
request_max_retries = {retries}
stream_max_retries = {retries}
[analytics]
enabled = false
{tables}
"""
KEY = "sk-of-the-test"

Json = dict[str, Any]
Event = TypeVar("Event", bound=AgentEvent)


def codex_home(folder: Path, api: ModelApi, *, more: str = "", tables: str = "", retries: int = 0) -> dict[str, str]:
    """Settings of Codex in `folder` that lead to `api`; returns the environment that leads Codex there."""
    folder.mkdir(exist_ok=True)
    text = CONFIG.format(url=api.url, more=more, tables=tables, retries=retries)
    (folder / "config.toml").write_text(text)
    return {"CODEX_HOME": str(folder), "SCRIPTED_KEY": KEY, "RUST_LOG": "error"}


def launch_spec(
    directory: str, vendor_session_id: str | None = None, fork_of: str | None = None, run_id: str = "r-1", **own: str
) -> LaunchSpec:
    return LaunchSpec(
        session_id=SessionId("s-1"),
        run_id=RunId(run_id),
        directory=directory,
        mode=Mode.ASK,
        vendor_session_id=vendor_session_id,
        fork_of=fork_of,
        settings=own,
    )


@dataclass
class CodexTalk:
    """`said` is all of it in order: what was done (`do`), what went in and what came out."""

    program: Driven
    codec: CodexCodec
    directory: Path
    said: list[tuple[str, Any]] = field(default_factory=list)
    events: list[AgentEvent] = field(default_factory=list)
    _seen: int = 0
    _seq: int = 0

    async def until(self, wanted: type[Event], test: Callable[[Event], bool] = lambda _: True) -> Event:
        """The next such event; the codec's own frames are sent meanwhile."""
        while True:
            while self._seen < len(self.events):
                event = self.events[self._seen]
                self._seen += 1
                if isinstance(event, wanted) and test(event):
                    return event
            await self._hear()

    async def do(self, what: Json, command: AgentCommand) -> None:
        """Send a command. `what` is how a recording has it, enough to send it again."""
        self._seq += 1
        self.said.append(("do", what))
        await self._send(self.codec.encode(command, self._seq))

    async def prompt(self, text: str) -> None:
        await self.do({"prompt": text}, Prompt(InputId(f"i-{self._seq}"), text))

    async def asked(self) -> Approval:
        return (await self.until(ApprovalRequested)).approval

    async def answer(self, approval: Approval, answer: Answer | None) -> None:
        given = answer.model_dump(mode="json", exclude_defaults=True) if answer else None
        await self.do({"verdict": approval.request_id, "answer": given}, Verdict(approval, answer))

    async def interrupt(self) -> None:
        await self.do({"interrupt": True}, InterruptTurn())

    async def completed(self) -> TurnCompleted:
        return await self.until(TurnCompleted)

    async def hear_method(self, method: str) -> None:
        """Until a notification of that name has been read, now or earlier in the turn that runs."""
        while not any(kind == "out" and one.get("method") == method for kind, one in self.said[self._last_do() :]):
            await self._hear()

    async def hear_answer(self, prefix: str) -> None:
        """Until our newest request whose id begins so has been answered."""
        while not any(kind == "out" and str(one.get("id", "")).startswith(prefix) for kind, one in self.said):
            await self._hear()

    def _last_do(self) -> int:
        return max((place for place, (kind, _) in enumerate(self.said) if kind == "do"), default=0)

    async def open(self) -> None:
        for frame in self.codec.open():
            await self._send(frame)

    async def _hear(self) -> None:
        message = await self.program.until(lambda _: True)
        self.said.append(("out", message))
        fed = self.codec.feed(json.dumps(message).encode())
        self.events += fed.events
        for frame in fed.frames:
            await self._send(frame)

    async def _send(self, frame: bytes) -> None:
        for line in frame.splitlines():
            message = json.loads(line)
            self.said.append(("in", message))
            await self.program.say(message)


@asynccontextmanager
async def codex_talk(spec: LaunchSpec, env: dict[str, str]) -> AsyncIterator[CodexTalk]:
    """Codex in the session's directory; its thread is ready, or was refused with a notice."""
    command = [real_program("codex"), "app-server"]
    async with driven(command, Path(spec.directory), env) as program:
        talk = CodexTalk(program, CodexCodec(spec, None), Path(spec.directory))
        await talk.open()
        yield talk


async def ready(talk: CodexTalk) -> str:
    """The thread's id."""
    thread_id = (await talk.until(AgentReady)).vendor_session_id
    assert thread_id is not None
    return thread_id
