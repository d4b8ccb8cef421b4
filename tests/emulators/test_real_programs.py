"""Each dialect of the scripted model, heard by a real agent that speaks it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.agents.driving import Driven, Json, driven
from tests.agents.programs import real_program
from tests.emulators.model_api import ModelApi, open_model_api
from tests.emulators.script import prompt

pytestmark = pytest.mark.agents

KEY = "sk-of-the-test"


@dataclass
class Talk:
    """A session with a real agent. `turn` sends a prompt and waits until the agent is done, approving everything.

    shell: the name of its shell tool, and of that tool's argument.
    asks_again: after a stream that was cut.
    """

    program: Driven
    turn: Callable[[str], Awaitable[None]]
    shell: tuple[str, str]
    asks_again: bool = True


Opening = Callable[[ModelApi, Path], Any]


@asynccontextmanager
async def claude(api: ModelApi, directory: Path) -> AsyncIterator[Talk]:
    words = (
        "-p --input-format stream-json --output-format stream-json --verbose --permission-prompt-tool stdio --model m"
    )
    env = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    async with driven([real_program("claude"), *words.split()], directory, env) as program:

        async def turn(text: str) -> None:
            await program.say({"type": "user", "message": {"role": "user", "content": text}})
            while (frame := await program.until(lambda m: m["type"] in ("result", "control_request")))[
                "type"
            ] != "result":
                allowed = {"behavior": "allow", "updatedInput": frame["request"]["input"]}
                response = {"subtype": "success", "request_id": frame["request_id"], "response": allowed}
                await program.say({"type": "control_response", "response": response})

        yield Talk(program, turn, ("Bash", "command"))


CODEX_CONFIG = """
model = "gpt-5.5"
model_provider = "scripted"
check_for_update_on_startup = false
[model_providers.scripted]
name = "scripted"
base_url = "URL/v1"
wire_api = "responses"
env_key = "SCRIPTED_KEY"
supports_websockets = false
[analytics]
enabled = false
"""


@asynccontextmanager
async def codex(api: ModelApi, directory: Path) -> AsyncIterator[Talk]:
    settings = directory.parent / "codex"
    settings.mkdir()
    (settings / "config.toml").write_text(CODEX_CONFIG.replace("URL", api.url))
    env = {"CODEX_HOME": str(settings), "SCRIPTED_KEY": KEY, "RUST_LOG": "error"}
    async with driven([real_program("codex"), "app-server"], directory, env) as program:
        client = {"name": "tetherd", "title": "tetherd", "version": "0.1"}
        await program.say({"id": 1, "method": "initialize", "params": {"clientInfo": client}})
        await program.until(lambda m: m.get("id") == 1)
        await program.say({"method": "initialized"})
        where = {"cwd": str(directory), "approvalPolicy": "untrusted", "sandbox": "danger-full-access"}
        await program.say({"id": 2, "method": "thread/start", "params": where})
        thread = (await program.until(lambda m: m.get("id") == 2))["result"]["thread"]["id"]

        async def turn(text: str) -> None:
            given = {"threadId": thread, "input": [{"type": "text", "text": text, "text_elements": []}]}
            await program.say({"id": 3, "method": "turn/start", "params": given})
            while (frame := await program.until(_asks_or_ends))["method"] != "turn/completed":
                await program.say({"id": frame["id"], "result": {"decision": "accept"}})

        yield Talk(program, turn, ("exec_command", "cmd"))


def _asks_or_ends(message: Json) -> bool:
    method = message.get("method", "")
    return method == "turn/completed" or method.endswith("requestApproval")


@asynccontextmanager
async def pi(api: ModelApi, directory: Path) -> AsyncIterator[Talk]:
    settings = directory.parent / "pi"
    settings.mkdir()
    model = {"id": "scripted", "reasoning": True, "contextWindow": 100_000, "maxTokens": 8000}
    provider = {"baseUrl": f"{api.url}/v1", "api": "openai-completions", "apiKey": KEY, "models": [model]}
    (settings / "models.json").write_text(json.dumps({"providers": {"scripted": provider}}))
    env = {"PI_CODING_AGENT_DIR": str(settings), "PI_OFFLINE": "1", "PI_SKIP_VERSION_CHECK": "1", "PI_TELEMETRY": "0"}
    words = "--mode rpc --provider scripted --model scripted --no-extensions"
    async with driven([real_program("pi"), *words.split()], directory, env) as program:

        async def turn(text: str) -> None:
            await program.say({"id": "1", "type": "prompt", "message": text})
            await program.until(lambda m: m["type"] == "agent_end" and not m.get("willRetry"))

        yield Talk(program, turn, ("bash", "command"))


@asynccontextmanager
async def acp(program: Driven, directory: Path, shell: tuple[str, str]) -> AsyncIterator[Talk]:
    abilities = {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False}
    hello = {"protocolVersion": 1, "clientCapabilities": abilities}
    await program.say({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
    await program.until(lambda m: m.get("id") == 1)
    where = {"cwd": str(directory), "mcpServers": []}
    await program.say({"jsonrpc": "2.0", "id": 2, "method": "session/new", "params": where})
    session = (await program.until(lambda m: m.get("id") == 2 and "method" not in m))["result"]["sessionId"]

    async def turn(text: str) -> None:
        given = {"sessionId": session, "prompt": [{"type": "text", "text": text}]}
        await program.say({"jsonrpc": "2.0", "id": 9, "method": "session/prompt", "params": given})
        while "method" in (frame := await program.until(lambda m: "id" in m)):
            options = frame["params"]["options"]
            once = next(option["optionId"] for option in options if option["kind"] == "allow_once")
            result = {"outcome": {"outcome": "selected", "optionId": once}}
            await program.say({"jsonrpc": "2.0", "id": frame["id"], "result": result})

    yield Talk(program, turn, shell)


@asynccontextmanager
async def opencode(api: ModelApi, directory: Path) -> AsyncIterator[Talk]:
    model = {"tool_call": True, "reasoning": True, "limit": {"context": 100_000, "output": 8000}}
    options = {"baseURL": f"{api.url}/v1", "apiKey": KEY}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {"scripted": model}}
    config = {
        "model": "scripted/scripted",
        "small_model": "scripted/scripted",
        "autoupdate": False,
        "share": "disabled",
        "permission": {"bash": "ask"},
        "provider": {"scripted": provider},
    }
    offs = ("AUTOUPDATE", "MODELS_FETCH", "LSP_DOWNLOAD", "DEFAULT_PLUGINS")
    env = {"OPENCODE_CONFIG_CONTENT": json.dumps(config), **{f"OPENCODE_DISABLE_{off}": "1" for off in offs}}
    async with (
        driven([real_program("opencode"), "acp"], directory, env) as program,
        acp(program, directory, ("bash", "command")) as talk,
    ):
        yield talk


@asynccontextmanager
async def gemini(api: ModelApi, directory: Path) -> AsyncIterator[Talk]:
    env = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": api.url, "GEMINI_CLI_NO_RELAUNCH": "true"}
    command = [real_program("gemini"), "--acp", "--skip-trust", "-m", "gemini-2.5-pro"]
    async with (
        driven(command, directory, env) as program,
        acp(program, directory, ("run_shell_command", "command")) as talk,
    ):
        talk.asks_again = False
        yield talk


@asynccontextmanager
async def claude_acp(api: ModelApi, directory: Path) -> AsyncIterator[Talk]:
    env = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY, "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    command = [real_program("claude-acp")]
    async with driven(command, directory, env) as program, acp(program, directory, ("Bash", "command")) as talk:
        yield talk


@asynccontextmanager
async def codex_acp(api: ModelApi, directory: Path) -> AsyncIterator[Talk]:
    settings = directory.parent / "codex"
    settings.mkdir()
    (settings / "config.toml").write_text(CODEX_CONFIG.replace("URL", api.url))
    env = {"CODEX_HOME": str(settings), "SCRIPTED_KEY": KEY, "RUST_LOG": "error"}
    command = [
        real_program("codex-acp"),
        "-c",
        'approval_policy="untrusted"',
        "-c",
        'sandbox_mode="danger-full-access"',
    ]
    async with driven(command, directory, env) as program, acp(program, directory, ("exec_command", "cmd")) as talk:
        yield talk


AGENTS = [claude, codex, pi, opencode, gemini, claude_acp, codex_acp]


@pytest.mark.parametrize("opening", AGENTS)
async def test_a_real_agent_follows_a_script(opening: Opening, tmp_path: Path) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    with trio.fail_after(240):
        async with open_model_api(accept_key=KEY) as api, opening(api, directory) as talk:
            tool, argument = talk.shell
            extra = {"description": "of the test"} if tool in ("Bash", "bash") else {}
            calls = [{"tool": tool, "input": {argument: f"echo made{n} > f{n}; echo told{n}", **extra}} for n in (1, 2)]
            think = {"think": "a thought of mine"}
            await talk.turn(
                prompt({**think, "say": "first of all", "chunks": 3, "call": calls}, {"say": "the end"}, text="hello")
            )
            first, second = api.turns
            assert first.prompts[-1].startswith("hello")
            assert [result.text.count(f"told{n}") for n, result in enumerate(second.results, 1)] == [1, 1]
            assert (directory / "f1").read_text() == "made1\n"
            heard = json.dumps(talk.program.said())
            assert "a thought of mine" in heard and "the end" in heard
            cut = {"say": "ab", "chunks": 2, "cut": 1, "times": 1}
            failing = [{"status": 500, "times": 1}, *([cut] if talk.asks_again else [])]
            await talk.turn(prompt(*failing, {"say": "it recovers"}))
            assert "it recovers" in json.dumps(talk.program.said()[-20:])
            await talk.turn("no script at all")
            assert api.turns[-1].step and api.turns[-1].step.say == "ok"
            assert {turn.dialect for turn in api.turns} == {first.dialect}
