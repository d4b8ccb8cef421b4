"""Getting the real agents: what goes wrong is said, and nothing is half there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agents import programs

ROOT = Path(__file__).parents[2]

NPM = """#!/bin/sh
echo called >> "$NPM_CALLS"
case "$*" in *pi-coding*) echo 'npm error code ETARGET' ; exit 1 ;; esac
[ -z "$OFFLINE" ] || { echo 'npm error code ENOTFOUND' ; exit 1; }
mkdir -p node_modules/.bin
printf '#!/bin/sh\\nexit %s\\n' "${BROKEN:-0}" > node_modules/.bin/claude
chmod +x node_modules/.bin/claude
cp node_modules/.bin/claude node_modules/.bin/codex
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm of ours, and a home for agents; each call of npm is a line in this file."""
    npm = tmp_path / "bin" / "npm"
    npm.parent.mkdir()
    npm.write_text(NPM)
    npm.chmod(0o755)
    calls = tmp_path / "calls"
    calls.write_text("")
    monkeypatch.setenv("PATH", f"{npm.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("NPM_CALLS", str(calls))
    monkeypatch.setenv("TETHERD_TEST_AGENTS", str(tmp_path / "agents"))
    return calls


def test_what_is_there_is_not_installed_again(calls: Path, tmp_path: Path) -> None:
    programs.main(["claude"])
    programs.main(["claude"])
    assert len(calls.read_text().splitlines()) == 1
    assert programs.real_program("claude") == tmp_path / "agents/claude/node_modules/.bin/claude"


def test_another_version_is_replaced(calls: Path, tmp_path: Path) -> None:
    programs.main(["claude"])
    (tmp_path / "agents/claude/.package").write_text("@anthropic-ai/claude-code@0.0.1")
    assert programs.installed("claude") is None
    programs.main(["claude"])
    assert programs.installed("claude") is not None


def test_one_that_cannot_be_had_does_not_stop_the_others(calls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    programs.main(["pi", "claude"])
    assert "pi-coding-agent@0.74.2: npm error code ETARGET" in capsys.readouterr().err
    assert programs.installed("pi") is None
    assert programs.installed("claude") is not None


def test_without_a_network_it_asks_once(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OFFLINE", "1")
    programs.main(["claude", "codex"])
    said = capsys.readouterr().err
    assert said.count("ENOTFOUND") == 2 and "NOT INSTALLED" in said
    assert len(calls.read_text().splitlines()) == 1


def test_without_npm_it_says_so(
    calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    programs.main(["claude", "codex"])
    assert capsys.readouterr().err.count("there is no npm here") == 2


def test_a_program_that_does_not_run_is_not_there(
    calls: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BROKEN", "3")
    programs.main(["claude"])
    assert "claude ended with 3" in capsys.readouterr().err
    assert programs.installed("claude") is None


WANTING = """
from tests.agents.programs import real_program

def test_one(): real_program("claude")
def test_two(): real_program("claude")
"""


def test_a_test_without_its_program_is_skipped_and_counted(calls: Path, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests/conftest.py").read_text())
    (tmp_path / "test_wanting.py").write_text(WANTING)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "test_wanting.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 skipped" in done.stdout
    assert "NOT TESTED: 2 tests want the real claude (@anthropic-ai/claude-code@" in done.stdout
