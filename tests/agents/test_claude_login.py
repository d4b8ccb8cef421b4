"""claude_auto: the way that there is, or both ways out."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import pytest

from tetherd.agents.adapters.claude import ClaudeAdapter
from tetherd.agents.adapters.claude_auto import ClaudeAutoAdapter
from tetherd.agents.adapters.demo import DemoAdapter
from tetherd.agents.claude.login import Means, choose, look
from tetherd.agents.programs import Programs
from tetherd.errors import Misconfigured
from tetherd.plugin import Chooser

CHOSEN = {
    (True, True, True): "claude_subprocess",
    (True, True, False): "claude_subprocess",
    (True, False, True): "claude_subprocess",
    (False, False, True): "claude_api",
    (False, True, True): "claude_api",
}


@pytest.mark.parametrize(("program", "login", "key"), list(product((True, False), repeat=3)))
def test_the_table(program: bool, login: bool, key: bool) -> None:
    means = Means(program, login, key)
    if (program, login, key) in CHOSEN:
        assert choose(means).adapter == CHOSEN[program, login, key]
    else:
        with pytest.raises(Misconfigured, match="log in, or set ANTHROPIC_API_KEY"):
            choose(means)


def test_what_there_is_is_seen_with_the_agents_own_eyes(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "claude"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    bare = {"PATH": "/nowhere", "HOME": str(tmp_path)}
    assert look("claude", bare) == Means(False, False, False)
    assert look("claude --x", bare | {"PATH": str(program.parent), "ANTHROPIC_API_KEY": "k"}) == Means(
        True, False, True
    )
    assert look(str(program), bare | {"CLAUDE_CODE_OAUTH_TOKEN": "t"}) == Means(True, True, False)
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / ".credentials.json").write_text("{}")
    assert look("claude", bare).login
    assert not look("claude", bare | {"CLAUDE_CONFIG_DIR": str(tmp_path / "other")}).login


def test_the_adapter_chooses_for_claude_code_as_it_is_set(tmp_path: Path) -> None:
    adapter = ClaudeAutoAdapter()
    assert isinstance(adapter, Chooser)
    environments = {"claude_subprocess": {"PATH": "/nowhere", "HOME": str(tmp_path), "ANTHROPIC_API_KEY": "k"}}
    assert adapter.choose({"claude_subprocess": {"command": "claude"}}, environments).adapter == "claude_api"


async def test_it_is_listed_as_what_it_would_choose(tmp_path: Path) -> None:
    adapters = {"claude_auto": ClaudeAutoAdapter(), "claude_api": DemoAdapter()}
    settings = {"claude_subprocess": {"command": "claude"}}
    bare = {"PATH": "/nowhere", "HOME": str(tmp_path)}
    for environment, program in ((bare, None), (bare | {"ANTHROPIC_API_KEY": "k"}, "claude_api")):
        environments = {"claude_subprocess": environment}
        _, view = await Programs(adapters, settings, environments).describe("claude_auto")
        assert (view.found, view.program, view.default) == (program is not None, program, True)


async def test_the_program_is_asked_for_its_version_once_and_again_when_it_has_changed(tmp_path: Path) -> None:
    program, asked = tmp_path / "claude", tmp_path / "asked"

    def install(version: str) -> None:
        program.write_text(f'#!/bin/sh\necho "$KEPT $1" >> {asked}\necho "{version} (Claude Code)"\n')
        program.chmod(0o755)

    install("2.1.330")
    environments = {"claude_subprocess": {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KEPT": "yes"}}
    settings = {"claude_subprocess": {"command": f"{program} --flag", "model": ""}}
    programs = Programs({"claude_subprocess": ClaudeAdapter()}, settings, environments)
    for version in ("2.1.330", "2.1.330", "2.1.4000"):
        if version == "2.1.4000":
            install(version)
        (view,) = await programs.describe("demo")
        assert (view.version, view.tested_with, view.login) == (version, "2.1.330", "not logged in")
        assert "images" in view.abilities
    assert asked.read_text() == "yes --version\n" * 2
