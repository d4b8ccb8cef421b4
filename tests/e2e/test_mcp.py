"""tether-mcp: a program that joins by MCP, with the SDK's own client and with the real Claude Code."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import mcp
import pytest
import trio

from tests.e2e.claude import call, claude_daemon
from tests.e2e.daemon import Daemon, fresh_daemon, messages
from tests.emulators.script import prompt

HANG_SECONDS = 60.0
CONTRIB = Path(__file__).parents[2] / "contrib"

Json = dict[str, Any]


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with fresh_daemon() as daemon:
        yield daemon


@asynccontextmanager
async def joined(daemon: Daemon) -> AsyncIterator[mcp.Client]:
    """A client of a tether-mcp of its own."""
    server = mcp.StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "tetherd.mcp"], env=daemon.environ, cwd=str(daemon.home)
    )
    with trio.fail_after(HANG_SECONDS):
        async with mcp.Client(server) as client:
            yield client


async def told(client: mcp.Client, tool: str, **given: Any) -> Json:
    answer = await client.call_tool(tool, given)
    assert not answer.is_error, answer.content
    assert answer.structured_content is not None
    return answer.structured_content


async def refused(client: mcp.Client, tool: str, **given: Any) -> str:
    answer = await client.call_tool(tool, given)
    assert answer.is_error
    return "".join(part.text for part in answer.content if part.type == "text")


async def in_thread(job: Any, *given: Any, **more: Any) -> Any:
    return await trio.to_thread.run_sync(partial(job, *given, **more))


async def test_the_tools_say_what_they_take_and_whether_they_write(daemon: Daemon) -> None:
    async with joined(daemon) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    writes = {name for name, tool in tools.items() if tool.annotations and not tool.annotations.read_only_hint}
    assert writes == {"create_session", "send_output", "request_approval", "finish_session"}
    assert set(tools) - writes == {"check_input", "get_decision", "get_session_status"}
    assert all(tool.description and tool.output_schema for tool in tools.values())
    assert "context" not in tools["request_approval"].input_schema["properties"]


async def test_a_program_tells_asks_and_hears(daemon: Daemon) -> None:
    async with joined(daemon) as client:
        session = (await told(client, "create_session", name="Nightly build"))["session_id"]
        await told(client, "send_output", session_id=session, text="I begin.")
        assert messages(await in_thread(daemon.events, session)) == ["I begin."]
        results: list[Json] = []

        async def ask() -> None:
            results.append(
                await told(client, "request_approval", session_id=session, title="Deploy?", command="make deploy")
            )

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            approval = await in_thread(daemon.wait_for_approval, session)
            assert (approval["title"], approval["command"]) == ("Deploy?", "make deploy")
            status = await told(client, "get_session_status", session_id=session)
            assert (status["state"], status["waiting_for"]) == ("awaiting_approval", ["Deploy?"])
            said = await in_thread(daemon.tetherctl, "reject", approval["approval_id"], "--reason", "not on Friday")
            assert said.returncode == 0, said.stderr
        (decision,) = results
        assert (decision["decision"], decision["reason"]) == ("reject", "not on Friday")
        assert "owner" in decision["by"]
        assert (await told(client, "check_input", session_id=session))["inputs"] == []
        await in_thread(daemon.tetherctl, "input", session, "go on with the docs")
        heard = await told(client, "check_input", session_id=session, wait_seconds=30)
        assert heard == {"inputs": ["go on with the docs"], "interrupted": False, "session_ended": False}
        await told(client, "finish_session", session_id=session)
        ended = await in_thread(daemon.session, session)
        assert (ended["state"], ended["ending"]["reason"]) == ("ended", "finished")


async def test_a_question_that_does_not_wait_is_answered_later(daemon: Daemon) -> None:
    async with joined(daemon) as client:
        session = (await told(client, "create_session", name="Paint"))["session_id"]
        asked = await told(
            client, "request_approval", session_id=session, title="Which?", options=["red", "blue"], wait=False
        )
        assert asked["decision"] == "pending"
        approval = await in_thread(daemon.wait_for_approval, session)
        assert approval["kind"] == "question"
        await in_thread(daemon.tetherctl, "approve", approval["approval_id"], "--choice", "blue")
        decision = await told(client, "get_decision", session_id=session, request_id=asked["request_id"])
        assert (decision["decision"], decision["choice"]) == ("approve", ["blue"])


async def test_whoever_waits_is_told_of_an_interrupt(daemon: Daemon) -> None:
    async with joined(daemon) as client:
        session = (await told(client, "create_session", name="Long"))["session_id"]
        results: list[Json] = []

        async def ask() -> None:
            results.append(await told(client, "request_approval", session_id=session, title="May I?"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await in_thread(daemon.wait_for_approval, session)
            await in_thread(daemon.tetherctl, "interrupt", session)
        assert results[0]["decision"] == "closed"
        assert (await told(client, "check_input", session_id=session))["interrupted"] is True


async def test_it_waits_through_the_death_of_the_daemon(daemon: Daemon) -> None:
    async with joined(daemon) as client:
        session = (await told(client, "create_session", name="Patient"))["session_id"]
        results: list[Json] = []

        async def ask() -> None:
            results.append(await told(client, "request_approval", session_id=session, title="Still there?"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            approval = await in_thread(daemon.wait_for_approval, session)
            await in_thread(daemon.kill)
            await in_thread(daemon.start)
            await in_thread(daemon.tetherctl, "approve", approval["approval_id"])
        assert results[0]["decision"] == "approve"


async def test_what_cannot_be_is_explained(daemon: Daemon) -> None:
    async with joined(daemon) as client:
        assert "call create_session first" in await refused(client, "send_output", session_id="s-x", text="a")
        session = (await told(client, "create_session", name="Short"))["session_id"]
        assert "tetherd refused" in await refused(client, "create_session", name="\x1b[2J")
        await told(client, "finish_session", session_id=session, failed=True, detail="no disk")
        assert "resume it first" in await refused(client, "send_output", session_id=session, text="late")
        ended = await in_thread(daemon.session, session)
        assert (ended["ending"]["reason"], ended["ending"]["detail"]) == ("failed", "no disk")


def test_without_a_daemon_it_says_so(daemon: Daemon) -> None:
    daemon.stop()
    said = daemon.run([sys.executable, "-P", "-m", "tetherd.mcp"])
    assert (said.returncode, said.stdout) == (3, "")
    assert said.stderr.splitlines()[-1] == "start it:  tether start"


def test_the_real_claude_code_joins_by_its_own_configuration() -> None:
    """Claude Code that somebody runs by hand, with tether-mcp among its servers: it tells and asks from afar."""
    with claude_daemon() as (daemon, model):
        daemon.start()
        project = daemon.home / "by-hand"
        project.mkdir()
        (project / "servers.json").write_text((CONTRIB / "mcp-claude-code.json").read_text())
        argv = [daemon.environ["TETHER_CLAUDE_COMMAND"], "-p", "--mcp-config", str(project / "servers.json")]
        argv += ["--strict-mcp-config", "--allowedTools", "mcp__tether", "--output-format", "json"]
        session_id = "found:s-[0-9a-z]{12}"
        steps = [
            {"call": [call("mcp__tether__create_session", name="By hand")]},
            {"call": [call("mcp__tether__send_output", session_id=session_id, text="I begin.")]},
            {"call": [call("mcp__tether__request_approval", session_id=session_id, title="Deploy?")]},
            {"say": "Then not."},
        ]
        done: list[subprocess.CompletedProcess[str]] = []
        by_hand = threading.Thread(target=lambda: done.append(daemon.run([*argv, prompt(*steps)], cwd=project)))
        by_hand.start()
        try:
            approval = daemon.wait_for_approval()
            daemon.tetherctl("reject", approval["approval_id"], "--reason", "not on a Friday")
        finally:
            by_hand.join()
        assert json.loads(done[0].stdout)["result"] == "Then not.", done[0].stderr
        model.wait_for_turn_with("not on a Friday")
        (session,) = daemon.get("/api/sessions")["sessions"]
        assert (session["name"], session["adapter"]) == ("By hand", "external")
        assert (session["by"]["surface"], messages(daemon.events(session["session_id"]))) == ("mcp", ["I begin."])
