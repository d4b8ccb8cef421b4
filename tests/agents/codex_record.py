"""Records conversations with a real Codex.

`python -m tests.agents.codex_record [NAME ...]` writes them as transcripts, without what is of the machine or changes
with every run. The model is scripted, so that every scene comes out alike.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from tests.agents.codex_talk import CodexTalk, codex_home, codex_talk, launch_spec, ready
from tests.emulators.model_api import ModelApi, open_model_api
from tests.emulators.script import Call, Step, prompt
from tetherd.domain.approval import Answer
from tetherd.domain.events import NoticeRaised

TRANSCRIPTS = Path(__file__).parent / "transcripts"
MCP_SERVER = Path(__file__).parent / "mcp_server.py"
HANG_SECONDS = 120
LOOK_SECONDS = 0.02
REGISTERED_SECONDS = 1
"""A command runs for a moment before Codex has it in its list."""
LIFELESS = ("account/rateLimits/updated", "thread/started", "remoteControl/status/changed", "thread/readState/changed")
"""Without news, large, or about the machine."""
YES, NO = Answer(decision="approve"), Answer(decision="reject")


@dataclass
class Stage:
    """Where a scene plays: a project, Codex's settings, a model."""

    api: ModelApi
    project: Path
    settings: Path

    async def play(self, name: str, scene: Scene, vendor_session_id: str | None = None, **settings: Any) -> CodexTalk:
        """One run of Codex, written down."""
        env = codex_home(self.settings, self.api, **settings)
        spec = launch_spec(str(self.project), vendor_session_id)
        async with codex_talk(spec, env) as talk:
            await scene(talk)
        note = {"agent": "codex app-server", "version": "0.169.0", "vendor_session_id": vendor_session_id}
        rows = [("note", note), *talk.said]
        text = "".join(json.dumps({"dir": kind, "msg": _bare(one)}) + "\n" for kind, one in rows if not _lifeless(one))
        stand_ins = {
            self.project: "/project",
            self.settings: "/codex",
            self.api.url: "http://model",
            MCP_SERVER: "/mcp_server.py",
            sys.executable: "/python",
        }
        for name_here, stand_in in stand_ins.items():
            text = text.replace(str(name_here), stand_in)
        (TRANSCRIPTS / f"codex-{name}.jsonl").write_text(text)
        return talk


Scene = Callable[[CodexTalk], Awaitable[None]]


def shell(command: str, **more: Any) -> Call:
    return Call(tool="exec_command", input={"cmd": command, **more})


def patch(*lines: str) -> Call:
    return Call(tool="apply_patch", text="\n".join(("*** Begin Patch", *lines, "*** End Patch", "")))


async def turn(talk: CodexTalk, *steps: Step, answers: tuple[Answer | None, ...] = (), text: str = "") -> None:
    """A prompt, and an answer to everything that is asked in its turn."""
    await talk.prompt(prompt(*steps, text=text))
    for answer in answers:
        await talk.answer(await talk.asked(), answer)
    await talk.completed()


async def work(talk: CodexTalk) -> None:
    await ready(talk)
    done = Step(say="done")
    await turn(talk, Step(say="Grüße 🙂, at your service", chunks=4, think="a thought"), text="hello")
    await turn(talk, Step(say="I run it", call=(shell("echo one; echo two"),)), done, answers=(YES,))
    await turn(talk, Step(call=(shell("echo half; exit 3"),)), done, answers=(YES,))
    await turn(talk, Step(call=(shell("touch no.txt"),)), done, answers=(NO,))
    await turn(talk, Step(call=(patch("*** Add File: a.txt", "+hello", "+there"),)), done, answers=(YES,))
    change = ("*** Update File: a.txt", "*** Move to: b.txt", "@@", " hello", "-there", "+you")
    await turn(
        talk,
        Step(call=(patch(*change, "*** Add File: sub/c.txt", "+c"),)),
        answers=(Answer(decision="reject", reason="keep its name"),),
    )
    await turn(talk, Step(call=(patch(*change),)), done, answers=(YES,))
    await turn(talk, Step(call=(patch("*** Delete File: b.txt"),)), done, answers=(YES,))
    await turn(talk, Step(call=(shell("echo a"), shell("echo b"))), done, answers=(YES, NO))
    escalated = shell("echo out", sandbox_permissions="require_escalated", justification="It needs the network")
    await turn(talk, Step(call=(escalated,)), done, answers=(YES,))
    await turn(
        talk, Step(call=(shell("touch end.txt"),)), done, answers=(Answer(decision="reject", choice=("cancel",)),)
    )


async def interrupts(talk: CodexTalk) -> None:
    await ready(talk)
    server = shell("sleep 600; touch never.txt", yield_time_ms=300)
    await turn(talk, Step(call=(server,)), Step(say="a server runs"), answers=(YES,), text="in the background")
    await talk.prompt(prompt(Step(call=(shell("echo begun; touch begun.txt; sleep 601; touch never.txt"),))))
    await talk.answer(await talk.asked(), YES)
    while not (talk.directory / "begun.txt").exists():  # noqa: ASYNC110 - another process's file rings no bell
        await trio.sleep(LOOK_SECONDS)
    await trio.sleep(REGISTERED_SECONDS)
    await talk.interrupt()
    await talk.completed()
    await talk.hear_answer("end-")
    await talk.prompt(prompt(Step(say="a b c d e f", chunks=3, hold="middle", hold_after=2)))
    await talk.hear_method("item/agentMessage/delta")
    await talk.interrupt()
    await talk.completed()
    await talk.prompt(prompt(Step(call=(shell("touch no.txt"),))))
    await talk.answer(await talk.asked(), None)
    await talk.interrupt()
    await talk.completed()
    await turn(talk, Step(say="still here"), text="a follow-up")


async def cut_off(talk: CodexTalk) -> None:
    """It is killed in the middle of an answer, as far as its rollout goes: its input ends."""
    await ready(talk)
    await turn(talk, Step(say="one"), text="first")
    await talk.prompt(prompt(Step(say="a b c d e f", chunks=3, hold="end", hold_after=2)))
    await talk.hear_method("item/agentMessage/delta")


async def after_resume(talk: CodexTalk) -> None:
    await ready(talk)
    await turn(talk, Step(say="again"), text="second")


async def mcp(talk: CodexTalk) -> None:
    await ready(talk)
    for tool, answer in (("look", YES), ("change", Answer(decision="reject", reason="not that one"))):
        call = Call(tool=tool, namespace="mcp__notes", input={"name": "x"})
        await turn(talk, Step(call=(call,)), Step(say="done"), answers=(answer,))


async def questions(talk: CodexTalk) -> None:
    await ready(talk)
    colours = [{"label": "Red (Recommended)", "description": "warm"}, {"label": "Blue", "description": "cold"}]
    asked = [
        {"id": "colour", "header": "Colour", "question": "Which colour?", "options": colours},
        {"id": "name", "header": "Name", "question": "Which name?", "options": colours},
    ]
    both, one = ({"questions": asked}, {"questions": asked[:1]})
    given = Answer(decision="approve", choice=("colour/Blue",), text="Fred")
    for questions, answer in ((both, given), (one, Answer(decision="approve", choice=("colour/Blue",))), (one, NO)):
        call = Call(tool="request_user_input", input=questions)
        await turn(talk, Step(call=(call,)), Step(say="done"), answers=(answer,))


async def failures(talk: CodexTalk) -> None:
    await ready(talk)
    await turn(talk, Step(status=400, message="no such model"))
    await turn(talk, Step(status=401, message="no such key"))
    await turn(talk, Step(status=500, times=1), Step(say="it recovers"))
    await turn(talk, Step(stream_error="context_length_exceeded", message="too long"))
    await turn(talk, Step(say="a b c d", chunks=4, cut=2, times=1), Step(say="whole at last"))


async def rules(talk: CodexTalk) -> None:
    await talk.until(NoticeRaised, lambda notice: notice.code == "agent_refused")


async def _record(wanted: list[str]) -> None:
    async def in_stage(names: tuple[str, ...], record: Callable[[Stage], Awaitable[object]]) -> None:
        if wanted and not set(wanted) & set(names):
            return
        with TemporaryDirectory() as folder, trio.fail_after(HANG_SECONDS):
            async with open_model_api() as api:
                stage = Stage(api, Path(folder) / "project", Path(folder) / "codex")
                stage.project.mkdir()
                await record(stage)

    async def resumed(stage: Stage) -> None:
        before = await stage.play("cut-off", cut_off)
        await stage.play("resume", after_resume, before.codec.snapshot()["handshake"]["thread_id"])  # type: ignore[index,call-overload,arg-type]
        await stage.play("resume-unknown", after_resume, "00000000-0000-0000-0000-000000000000")

    async def ruled(stage: Stage) -> None:
        (stage.settings / "rules").mkdir(parents=True)
        (stage.settings / "rules" / "default.rules").write_text('prefix_rule(pattern=["touch"], decision="allow")\n')
        await stage.play("rules", rules)

    server = f'[mcp_servers.notes]\ncommand = "{sys.executable}"\nargs = ["{MCP_SERVER}"]\n'
    server += 'default_tools_approval_mode = "approve"\n[mcp_servers.notes.tools.change]\napproval_mode = "approve"\n'
    ask = "suppress_unstable_features_warning = true\n[features]\ndefault_mode_request_user_input = true"
    await in_stage(("work",), lambda stage: stage.play("work", work))
    await in_stage(("interrupts",), lambda stage: stage.play("interrupts", interrupts))
    await in_stage(("cut-off", "resume"), resumed)
    await in_stage(("mcp",), lambda stage: stage.play("mcp", mcp, tables=server))
    await in_stage(("questions",), lambda stage: stage.play("questions", questions, more=ask))
    await in_stage(("failures",), lambda stage: stage.play("failures", failures, retries=2))
    await in_stage(("rules",), ruled)


def _lifeless(message: Any) -> bool:
    return isinstance(message, dict) and message.get("method") in LIFELESS


def _bare(value: Any) -> Any:
    """Without what is empty, of the machine, or different in every run."""
    if isinstance(value, dict):
        if "config" in value and "origins" in value:
            kept = ("projects", "mcp_servers")
            return {"config": {key: _bare(value["config"].get(key)) for key in kept}, "origins": {}}
        gone = ("emittedAtMs", "path") if "emittedAtMs" in value or "cliVersion" in value else ()
        return {key: _bare(one) for key, one in value.items() if key not in gone and one is not None}
    if isinstance(value, list):
        return [_bare(one) for one in value]
    return value


if __name__ == "__main__":
    trio.run(_record, sys.argv[1:])
