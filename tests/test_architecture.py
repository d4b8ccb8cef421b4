"""The import contracts, as a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_imports_run_down_only() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_longer_than_a_thought() -> None:
    files = [*ROOT.glob("tetherd/**/*.py"), *ROOT.glob("bridges/**/*.py")]
    long = {str(file.relative_to(ROOT)) for file in files if len(file.read_text().splitlines()) > 400}
    # the shim is one file by design: it is run by its path, and imports nothing that an upgrade could replace
    assert long <= {"tetherd/shim.py"}


ROOMS = ("pyproject.toml", "packaging", "tetherd", "bridges", "ui", "contrib", "tests", "docs")


def test_there_are_the_eight_rooms() -> None:
    assert all((ROOT / name).exists() for name in ROOMS)
