"""What Claude Code is recorded doing: one scenario a transcript."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from tests.agents.recording import APPROVED, Recorded, Recording, Scenario
from tests.emulators.script import prompt
from tetherd.agents.adapters.claude import ClaudeAdapter
from tetherd.domain.approval import Answer
from tetherd.domain.events import ApprovalWithdrawn
from tetherd.domain.images import Image

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

COLOURS: dict[str, Any] = {
    "question": "Which colour?",
    "header": "Colour",
    "multiSelect": False,
    "options": [{"label": "Red", "description": "like fire"}, {"label": "Blue", "description": "like the sea"}],
}


def call(tool: str, **given: Any) -> dict[str, Any]:
    return {"tool": tool, "input": given}


def bash(command: str, **given: Any) -> dict[str, Any]:
    return call("Bash", command=command, description="of the test", **given)


async def text(run: Recording) -> None:
    await run.prompt({"say": "Good morning.", "chunks": 3}, text="hello")
    await run.turn()
    await run.prompt(text="and again")
    await run.turn()


async def thinking(run: Recording) -> None:
    await run.prompt(
        {"think": "Let me see.", "say": "I have thought.", "usage": {"input": 7, "output": 3, "cache_read": 20}}
    )
    await run.turn()


async def approved(run: Recording) -> None:
    await run.prompt({"say": "I run it.", "call": [bash("echo hi > made.txt")]}, {"say": "Done."})
    await run.answer(await run.approval(), APPROVED)
    await run.turn()


async def edited_input(run: Recording) -> None:
    await run.prompt({"call": [bash("echo one")]}, {"say": "Done."})
    edited = {"command": "echo two", "description": "of the person"}
    await run.answer(await run.approval(), Answer(decision="approve", updated_input=edited))
    await run.turn()


async def denied(run: Recording) -> None:
    await run.prompt(
        {"call": [call("Write", file_path=f"{run.directory}/no.txt", content="no\n")]}, {"say": "Then not."}
    )
    await run.answer(await run.approval(), Answer(decision="reject", reason="not in this folder"))
    await run.turn()


async def reversed_answers(run: Recording) -> None:
    paths = [run.directory.parent / "outside" / name for name in ("one.txt", "two.txt")]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"this is {path.name}\n")
    await run.prompt({"call": [call("Read", file_path=str(path)) for path in paths]}, {"say": "Read."})
    first, second = await run.approval(), await run.approval()
    await run.answer(second, Answer(decision="reject", reason="the second not"))
    await run.answer(first, APPROVED)
    await run.turn()


async def question(run: Recording) -> None:
    await run.prompt({"call": [call("AskUserQuestion", questions=[COLOURS])]}, {"say": "Blue it is."})
    asked = await run.approval()
    await run.answer(asked, Answer(decision="approve", choice=(asked.options[1].option_id,)))
    await run.turn()


async def plan(run: Recording) -> None:
    """The plan is in a file that the program names to the model alone."""
    write = call("Write", file_path=r"found:/[^ \"\\]+/plans/[a-z-]+\.md", content="1. Look\n2. Leap\n")
    leave = call("ExitPlanMode")
    await run.prompt(
        {"call": [call("EnterPlanMode")]},
        {"call": [write]},
        {"call": [leave]},
        {"say": "Once more.", "call": [leave]},
        {"say": "I leap."},
    )
    while (asked := await run.approval()).kind != "plan":
        await run.answer(asked, APPROVED)
    await run.answer(asked, Answer(decision="reject", reason="look twice"))
    await run.answer(await run.approval(), APPROVED)
    await run.turn()


async def interrupted_command(run: Recording) -> None:
    began = run.directory.parent / "began"
    os.mkfifo(began)
    await run.prompt({"call": [bash(f"echo > {began}; sleep 600")]}, {"say": "never"})
    await run.answer(await run.approval(), APPROVED)
    await trio.to_thread.run_sync(began.read_text, abandon_on_cancel=True)
    await run.interrupt()
    await run.turn()
    await run.prompt(text="go on")
    await run.turn()


async def interrupted_stream(run: Recording) -> None:
    await run.prompt({"say": "This is going to be cut short.", "chunks": 3, "hold": "stream", "hold_after": 2})
    await run.hears("ing to be ")
    await run.interrupt()
    await run.turn()
    await run.prompt({"say": "Here again."})
    await run.turn()


async def interrupted_approval(run: Recording) -> None:
    await run.prompt({"call": [bash("echo never")]}, {"say": "never"})
    asked = await run.approval()
    await run.interrupt()
    await run.event(ApprovalWithdrawn)
    await run.turn()
    assert asked.command == "echo never"


async def background(run: Recording) -> None:
    await _leave_behind(run, {"say": "I have seen that it ended."})
    await run.turn()  # begun by itself


async def meanwhile(run: Recording) -> None:
    """A prompt that arrives in a turn that has begun by itself."""
    await _leave_behind(run, {"say": "I have seen that it ended.", "chunks": 2, "hold": "busy"})
    await run.hears("I have seen")
    await run.prompt({"say": "And now this."})
    run.api.release("busy")
    await run.turn()


async def _leave_behind(run: Recording, *following: dict[str, Any]) -> None:
    """A turn that leaves a command running, which ends after the turn."""
    gate = run.directory.parent / "gate"
    os.mkfifo(gate)
    command = bash(f"cat {gate}", run_in_background=True)
    await run.prompt({"call": [command]}, {"say": "It runs."}, *following)
    await run.turn()
    await trio.to_thread.run_sync(gate.write_text, "late\n", abandon_on_cancel=True)


async def sub_agent(run: Recording) -> None:
    own = prompt({"say": "I look.", "call": [bash("echo from below")]}, {"say": "That is all there is."})
    task = call("Task", description="look around", subagent_type="general-purpose", prompt=own)
    await run.prompt({"call": [task]}, {"say": "It looks."}, {"say": "It has looked."})
    await run.turn()
    await run.turn()  # begun by itself, when the sub-agent has ended


async def slash_command(run: Recording) -> None:
    await run.prompt(text="/cost")
    await run.turn()


async def image(run: Recording) -> None:
    await run.prompt({"say": "A pixel."}, images=[Image(media_type="image/png", data=PIXEL)])
    await run.turn()
    shown = run.api.turns[-1]
    assert shown.has(PIXEL)


async def refused_request(run: Recording) -> None:
    await run.prompt({"status": 400, "message": "the request is not to its liking"})
    await run.turn()
    await run.prompt({"say": "Well again."})
    await run.turn()


async def retried(run: Recording) -> None:
    cut = {"say": "This will break", "chunks": 2, "cut": 1, "times": 1}
    await run.prompt({"status": 529, "times": 1}, cut, {"say": "This will not."})
    await run.turn()


async def wrong_key(run: Recording) -> None:
    run.api.accept_key = "another"
    await run.prompt(text="hello")
    await run.turn()


async def no_key(run: Recording) -> None:
    await run.prompt(text="hello")
    await run.turn()


async def goes_on(run: Recording) -> None:
    await run.prompt({"say": "I remember."}, text="still there?")
    await run.turn()
    assert run.api.turns[-1].has("Good morning.")


SCENARIOS: dict[str, Scenario] = {
    "text": text,
    "thinking": thinking,
    "approved": approved,
    "edited-input": edited_input,
    "denied": denied,
    "reversed": reversed_answers,
    "question": question,
    "plan": plan,
    "interrupted-command": interrupted_command,
    "interrupted-stream": interrupted_stream,
    "interrupted-approval": interrupted_approval,
    "background": background,
    "meanwhile": meanwhile,
    "sub-agent": sub_agent,
    "slash-command": slash_command,
    "image": image,
    "refused-request": refused_request,
    "retried": retried,
    "wrong-key": wrong_key,
    "no-key": no_key,
}


def _settings(program: Path) -> Mapping[str, str]:
    return {"command": str(program), "model": "claude-sonnet-4-5"}


def _environment(address: str, key: str | None) -> Mapping[str, str]:
    found = {"ANTHROPIC_BASE_URL": address, "CLAUDE_CODE_MAX_RETRIES": "2"}
    return found if key is None else {**found, "ANTHROPIC_API_KEY": key}


CLAUDE = Recorded(
    adapter=ClaudeAdapter(),
    settings=_settings,
    environment=_environment,
    scenarios=SCENARIOS,
    continuing={"resumed": (False, goes_on), "forked": (True, goes_on)},
)
