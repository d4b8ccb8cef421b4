"""A real systemd for a moment: can it be booted here, and what runs in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.agents import programs

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
RUNNER = HERE / "run-in-systemd.sh"
TIMEOUT_SECONDS = 1500


def missing() -> str | None:
    """Why no systemd can be booted here; None when it can."""
    if os.geteuid() != 0:
        return "booting a systemd of its own needs root (namespaces, overlayfs, a control group)"
    for path in ("/lib/systemd/systemd", "/lib/systemd/user/dbus.socket", "/usr/bin/unshare", "/usr/bin/setpriv"):
        if not os.path.exists(path):
            return f"there is no {path}: install systemd, dbus-user-session, libpam-systemd and util-linux"
    tried = subprocess.run([RUNNER, "--timeout", "60", "--", "/bin/true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"no systemd comes up here: {tried.stderr.strip()[-500:]}"


def run_inside(words: Sequence[str], *options: str) -> int:
    """pytest on the tests in inside/, as the test user; the exit code."""
    command = [RUNNER, "--timeout", str(TIMEOUT_SECONDS), "--setenv", "INSIDE_TEST_SYSTEMD=1", *options]
    if programs.home().is_dir():
        command += ["--readable", programs.home(), "--setenv", f"{programs.PLACE}={programs.home()}"]
    command.append("--")
    # systemd expands `$` in what it runs, so nothing is left to a shell; caches go with the overlay
    pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", HERE / "inside", *words]
    return subprocess.run([*command, "env", "-C", ROOT, *pytest]).returncode


def main(words: Sequence[str]) -> int:
    why = missing()
    if why:
        sys.stderr.write(f"NOT TESTED, tetherd below a real systemd: {why}\n")
        return 0 if shutil.which("systemctl") is None else 1
    return run_inside(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
