"""The agents that we know on the Agent Client Protocol: how they are started so that they ask."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.agents.acp_replay import launch_spec
from tests.agents.programs import PROGRAMS
from tetherd.agents.acp.preset import AcpPreset, CannotFork
from tetherd.agents.adapters.claude_acp import ClaudeAcpAdapter
from tetherd.agents.adapters.codex_acp import CodexAcpAdapter, ReadsAreNotAsked
from tetherd.agents.adapters.gemini import POLICY, GeminiAdapter
from tetherd.agents.adapters.opencode import OpenCodeAdapter
from tetherd.agents.adapters.pi_rpc import PiAdapter
from tetherd.domain.modes import Mode
from tetherd.plugin import LaunchSpec, load_adapters, takes_images

PRESETS = [ClaudeAcpAdapter, CodexAcpAdapter, GeminiAdapter, OpenCodeAdapter]


def spec(adapter: AcpPreset, *, mode: Mode = Mode.AUTO, more: Any = None, **settings: str) -> LaunchSpec:
    own = {setting.field: setting.default for setting in adapter.settings}
    environment = {"PATH": "/bin", "HOME": "/home/dev"}
    return replace(launch_spec(), mode=mode, settings=own | settings, environment=environment, **(more or {}))


@pytest.mark.parametrize("make", PRESETS)
def test_all_are_installed_and_go_on_with_a_conversation_and_copy_none(make: Callable[[], AcpPreset]) -> None:
    adapter = make()
    assert type(load_adapters()[adapter.name]) is make
    assert takes_images(adapter)  # type: ignore[arg-type]
    assert adapter.profile.tested_with == PROGRAMS[adapter.name.replace("_", "-")].version
    given = spec(adapter, command="/opt/it --flag", more={"vendor_session_id": "v"})
    launch = adapter.launch(given)
    begin = launch.argv.index("/opt/it")
    assert (launch.argv[begin + 1], launch.conversation) == ("--flag", "v")
    assert adapter.program(given.settings) == "/opt/it"
    assert launch.environment["PATH"] == "/bin"
    with pytest.raises(CannotFork):
        adapter.launch(spec(adapter, more={"fork_of": "v"}))


def test_names_with_hyphens_are_short_names() -> None:
    assert (ClaudeAcpAdapter.aliases, CodexAcpAdapter.aliases) == (("claude-acp",), ("codex-acp",))


@pytest.mark.parametrize(
    ("adapter", "file"),
    [
        (PiAdapter(), ".pi/agent/auth.json"),
        (OpenCodeAdapter(), ".local/share/opencode/auth.json"),
        (GeminiAdapter(), ".gemini/oauth_creds.json"),
        (ClaudeAcpAdapter(), ".claude/.credentials.json"),
        (CodexAcpAdapter(), ".codex/auth.json"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_how_it_would_log_in(adapter: Any, file: str, tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path)}
    assert adapter.login({}, environment) == "not logged in"
    assert adapter.login({}, {**environment, "OPENAI_API_KEY": "x"}) == "API key"
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("{}")
    assert adapter.login({}, environment) == "not logged in"
    (tmp_path / file).write_text('{"token": "x"}')
    assert adapter.login({}, environment) == "logged in"


def test_opencode_is_told_to_ask_in_each_of_its_places() -> None:
    launch = OpenCodeAdapter().launch(spec(OpenCodeAdapter(), model="a/b"))
    config = json.loads(launch.environment["OPENCODE_CONFIG_CONTENT"])
    common = json.loads(launch.environment["OPENCODE_PERMISSION"])
    assert launch.argv == ("opencode", "acp")
    assert config["model"] == "a/b"
    for rules in (common, config["permission"], *(agent["permission"] for agent in config["agent"].values())):
        assert next(iter(rules)) == "*"  # the last rule that fits wins
        assert {rules[name] for name in ("*", "bash", "edit", "webfetch", "task", "external_directory")} == {"ask"}


def test_opencode_does_not_start_where_others_could_have_left_it_something() -> None:
    inside = {"directory": "/home/dev/src/[shop]"}
    launch = OpenCodeAdapter().launch(spec(OpenCodeAdapter(), more=inside))
    assert launch.environment["OPENCODE_DISABLE_PROJECT_CONFIG"] == "1"
    assert launch.unless[:2] == ("/home/dev/src/[[]shop]/.opencode", "/home/dev/src/[[]shop]/opencode.json")
    assert "/home/.opencode" in launch.unless
    assert "/home/dev/.opencode" not in launch.unless  # the user's own
    trusted = OpenCodeAdapter().launch(spec(OpenCodeAdapter(), more={**inside, "is_trusted": True}))
    assert "OPENCODE_DISABLE_PROJECT_CONFIG" not in trusted.environment
    assert trusted.unless == ()


def test_gemini_gets_a_policy_above_all_others() -> None:
    launch = GeminiAdapter().launch(spec(GeminiAdapter(), model="gemini-x"))
    assert ("--admin-policy", str(POLICY)) == launch.argv[4:6]
    assert launch.argv[-2:] == ("--model", "gemini-x")
    assert "--skip-trust" not in launch.argv
    assert "--skip-trust" in GeminiAdapter().launch(spec(GeminiAdapter(), more={"is_trusted": True})).argv
    (rule,) = tomllib.loads(POLICY.read_text())["rule"]
    assert (rule["decision"], rule["priority"]) == ("ask_user", 999)
    assert {"run_shell_command", "replace", "write_file", "web_fetch", "mcp_*"} <= set(rule["toolName"])


def test_gemini_does_not_load_a_session_in_the_minute_of_its_record(tmp_path: Path) -> None:
    chats = tmp_path / ".gemini" / "tmp" / "project" / "chats"
    chats.mkdir(parents=True)
    resumed = {"vendor_session_id": "0123456789abcdef"}
    launch = GeminiAdapter().launch(spec(GeminiAdapter(), command="echo started", more=resumed))
    clock = tmp_path / "bin" / "date"
    clock.parent.mkdir()
    clock.write_text(
        f"#!/bin/sh\necho x >> {tmp_path}/looks; [ $(wc -l < {tmp_path}/looks) -lt 2 ] && echo now || echo later\n"
    )
    clock.chmod(0o755)
    (chats / "session-now-01234567.jsonl").touch()
    environ = {"HOME": str(tmp_path), "PATH": f"{clock.parent}:/usr/bin:/bin"}
    said = subprocess.run(launch.argv, env=environ, text=True, capture_output=True, check=True).stdout
    assert said.startswith("started --acp")
    assert (tmp_path / "looks").read_text().count("x") == 2


def test_claude_takes_a_projects_settings_where_it_is_trusted_alone() -> None:
    for is_trusted, sources in ((False, ["user"]), (True, ["user", "project", "local"])):
        given = spec(ClaudeAcpAdapter(), model="opus", more={"is_trusted": is_trusted})
        meta: Any = ClaudeAcpAdapter().terms(given).session_meta
        options = meta["claudeCode"]["options"]
        assert options["settingSources"] == sources
        assert {"Bash", "Edit", "Write", "WebFetch"} <= set(options["settings"]["permissions"]["ask"])
        assert ClaudeAcpAdapter().launch(given).environment["ANTHROPIC_MODEL"] == "opus"


def test_codex_is_told_to_trust_no_command() -> None:
    launch = CodexAcpAdapter().launch(spec(CodexAcpAdapter(), model="gpt-x"))
    assert launch.argv[1:] == (
        "-c", 'approval_policy="untrusted"', "-c", 'sandbox_mode="danger-full-access"', "-c", 'model="gpt-x"',
    )  # fmt: skip


@pytest.mark.parametrize("mode", [Mode.ASK, Mode.EDITS])
def test_codex_is_not_started_where_its_reads_would_have_to_be_asked(mode: Mode) -> None:
    with pytest.raises(ReadsAreNotAsked) as refused:
        CodexAcpAdapter().launch(spec(CodexAcpAdapter(), mode=mode))
    assert "the adapter codex" in str(refused.value.hint)
    assert CodexAcpAdapter().launch(spec(CodexAcpAdapter(), mode=mode, unasked_reads="allow"))
