"""What is made from the API's description is current, and the app's own checks pass."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.ui.browser import ROOT

UI = ROOT / "ui"
BIN = UI / "node_modules" / ".bin"

needs_npm = pytest.mark.skipif(not BIN.is_dir(), reason="the web app's own tests need npm and its packages (make ui)")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """A program of the UI's packages, in its directory."""
    program = str(BIN / words[0])
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run((program, *words[1:]), cwd=UI, env=environ, text=True, capture_output=True)


@needs_npm
def test_the_types_are_those_of_the_openapi_document(tmp_path: Path) -> None:
    words = (UI / "package.json").read_text().partition('"types": "')[2].partition('"')[0].split()
    fresh = tmp_path / "types.gen.ts"
    made = run(*words[:-1], str(fresh))
    assert made.returncode == 0, made.stderr
    assert fresh.read_text() == (UI / "src/api/types.gen.ts").read_text(), "make them anew: cd ui && npm run types"


@needs_npm
def test_the_units_of_the_app_pass() -> None:
    done = run("vitest", "run")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (UI / "package-lock.json").read_text()
