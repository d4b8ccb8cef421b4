"""The real agents as tests drive them: set up for the scripted model, with their own words for what all can do."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.agents.programs import real_program

Json = dict[str, Any]


@dataclass(frozen=True)
class RealAgent:
    """One adapter with the real program behind it.

    set_up: writes what the program needs below the home; returns the daemon's further environment.
    shell, edit: the call of the program's own tool, from a command, or from a file's path and two texts.
    shows_output: it tells what a command wrote. shows_context: its diffs have the lines around a change.
    before_edit: a call that the program wants first, by the file's path.
    refusal: what of a rejection is in the model's next request; None where the turn ends with it.
    """

    adapter: str
    program: str
    set_up: Callable[[Path, str], Mapping[str, str]]
    shell: Callable[[str], Json]
    edit: Callable[[str, str, str], Json]
    refusal: str | None
    has_cost: bool
    has_tokens: bool = True
    shows_output: bool = True
    shows_context: bool = True
    before_edit: Callable[[str], Json] | None = None

    def environment(self, home: Path, url: str) -> dict[str, str]:
        """Skips the test when the program is not there."""
        word = self.adapter.upper().removesuffix("_RPC")
        return {f"TETHER_{word}_COMMAND": str(real_program(self.program)), **self.set_up(home, url)}


def _pi(home: Path, url: str) -> dict[str, str]:
    model: Json = {"id": "scripted", "contextWindow": 100_000, "maxTokens": 8000, "input": ["text", "image"]}
    model["cost"] = {"input": 1, "output": 2, "cacheRead": 0.1, "cacheWrite": 0}
    provider = {"baseUrl": f"{url}/v1", "api": "openai-completions", "apiKey": "x", "models": [model]}
    folder = home / ".pi" / "agent"
    folder.mkdir(parents=True)
    (folder / "models.json").write_text(json.dumps({"providers": {"loopback": provider}}))
    return {"TETHER_PI_MODEL": "loopback/scripted"}


PI = RealAgent(
    adapter="pi_rpc",
    program="pi",
    set_up=_pi,
    shell=lambda command: {"tool": "bash", "input": {"command": command}},
    edit=lambda path, old, new: {
        "tool": "edit",
        "input": {"path": path, "edits": [{"oldText": old, "newText": new}]},
    },
    refusal="not in this file",
    has_cost=True,
)


def _opencode(home: Path, url: str) -> dict[str, str]:
    model: Json = {
        "tool_call": True,
        "attachment": True,
        "modalities": {"input": ["text", "image"], "output": ["text"]},
        "limit": {"context": 100_000, "output": 8000},
        "cost": {"input": 1, "output": 2},
    }
    options = {"baseURL": f"{url}/v1", "apiKey": "x"}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {"scripted": model}}
    config = {"small_model": "loopback/scripted", "provider": {"loopback": provider}}
    folder = home / "config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.json").write_text(json.dumps(config))
    return {"TETHER_OPENCODE_MODEL": "loopback/scripted", "TETHER_AGENT_ENV": "OPENCODE_DISABLE_MODELS_FETCH",
            "OPENCODE_DISABLE_MODELS_FETCH": "1"}  # fmt: skip


OPENCODE = RealAgent(
    adapter="opencode",
    program="opencode",
    set_up=_opencode,
    shell=lambda command: {"tool": "bash", "input": {"command": command, "description": "as the script says"}},
    edit=lambda path, old, new: {"tool": "edit", "input": {"filePath": path, "oldString": old, "newString": new}},
    before_edit=lambda path: {"tool": "read", "input": {"filePath": path}},
    refusal=None,
    has_cost=True,
)


def _gemini(home: Path, url: str) -> dict[str, str]:
    return {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": url, "TETHER_GEMINI_MODEL": "gemini-2.5-flash"}


GEMINI = RealAgent(
    adapter="gemini",
    program="gemini",
    set_up=_gemini,
    shell=lambda command: {"tool": "run_shell_command", "input": {"command": command}},
    edit=lambda path, old, new: {
        "tool": "replace",
        "input": {"file_path": path, "old_string": old, "new_string": new, "instruction": "as the script says"},
    },
    refusal="cancelled",
    has_cost=False,
    shows_output=False,
)


def _claude_acp(home: Path, url: str) -> dict[str, str]:
    return {"ANTHROPIC_API_KEY": "x", "ANTHROPIC_BASE_URL": url, "TETHER_CLAUDE_ACP_MODEL": "claude-sonnet-4-5"}


CLAUDE_ACP = RealAgent(
    adapter="claude_acp",
    program="claude-acp",
    set_up=_claude_acp,
    shell=lambda command: {"tool": "Bash", "input": {"command": command, "description": "as the script says"}},
    edit=lambda path, old, new: {"tool": "Edit", "input": {"file_path": path, "old_string": old, "new_string": new}},
    before_edit=lambda path: {"tool": "Read", "input": {"file_path": path}},
    refusal="User refused permission to run tool",
    has_cost=True,
    shows_context=False,
)

CODEX_CONFIG = """
model = "gpt-5.5"
model_provider = "scripted"
check_for_update_on_startup = false
[model_providers.scripted]
name = "scripted"
base_url = "URL/v1"
wire_api = "responses"
supports_websockets = false
request_max_retries = 0
stream_max_retries = 0
[analytics]
enabled = false
"""


def _codex_acp(home: Path, url: str) -> dict[str, str]:
    folder = home / "codex"
    folder.mkdir()
    (folder / "config.toml").write_text(CODEX_CONFIG.replace("URL", url))
    return {"CODEX_HOME": str(folder), "OPENAI_API_KEY": "x", "TETHER_CODEX_ACP_UNASKED_READS": "allow"}


def _patch(path: str, old: str, new: str) -> Json:
    text = f"*** Begin Patch\n*** Update File: {path}\n@@\n one\n-{old}\n+{new}\n three\n*** End Patch"
    return {"tool": "apply_patch", "text": text}


CODEX_ACP = RealAgent(
    adapter="codex_acp",
    program="codex-acp",
    set_up=_codex_acp,
    shell=lambda command: {"tool": "exec_command", "input": {"cmd": command}},
    edit=_patch,
    refusal=None,
    has_cost=False,
    has_tokens=False,
)

AGENTS = (PI, OPENCODE, GEMINI, CLAUDE_ACP, CODEX_ACP)
