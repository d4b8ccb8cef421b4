"""The real agents the tests run, at exact versions.

`python -m tests.agents.programs [NAME ...]` (`make agents`) installs what is missing by npm, each agent in a folder of
its own under $TETHERD_TEST_AGENTS (default: tetherd-test-agents in the user's cache). It needs the network only for
what is missing, says what it could not get, and never fails because of it: the tests that want it are skipped.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

PLACE = "TETHERD_TEST_AGENTS"
INSTALL_SECONDS = 900
VERSION_SECONDS = 120
NO_NETWORK = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT")

MISSING = "REAL PROGRAM MISSING:"
"""What the reason of a skipped test begins with; the name follows. tests/conftest.py counts these."""


@dataclass(frozen=True)
class Program:
    """package: with the version, because npm takes an older one if this Node is too old for the newest.

    binary: below the agent's folder, a glob that matches one file. check: the argument with which it only shows itself.
    """

    package: str
    binary: str
    check: str = "--version"

    @property
    def version(self) -> str:
        return self.package.rpartition("@")[2]


PROGRAMS = {
    "claude": Program("@anthropic-ai/claude-code@2.1.330", "node_modules/.bin/claude"),
    "codex": Program("@openai/codex@0.169.0", "node_modules/.bin/codex"),
    "pi": Program("@earendil-works/pi-coding-agent@0.74.2", "node_modules/.bin/pi"),
    "opencode": Program("opencode-ai@1.18.33", "node_modules/.bin/opencode"),
    "gemini": Program("@google/gemini-cli@0.61.0", "node_modules/.bin/gemini"),
    "claude-acp": Program("@agentclientprotocol/claude-agent-acp@0.49.0", "node_modules/.bin/claude-agent-acp"),
    # the wrapper in node_modules/.bin leaves its child behind when it is terminated
    "codex-acp": Program(
        "@zed-industries/codex-acp@0.16.0", "node_modules/@zed-industries/codex-acp-*/bin/codex-acp", "--help"
    ),
}


def home() -> Path:
    """Where the agents are."""
    if given := os.environ.get(PLACE):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tetherd-test-agents"


def installed(name: str) -> Path | None:
    """The program, if it is there in the wanted version."""
    folder = home() / name
    try:
        if (folder / ".package").read_text() != PROGRAMS[name].package:
            return None
    except OSError:
        return None
    return next(iter(sorted(folder.glob(PROGRAMS[name].binary))), None)


def real_program(name: str) -> Path:
    """The program, or the test is skipped and counted as such at the end of the run."""
    if path := installed(name):
        return path
    pytest.skip(f"{MISSING} {name} ({PROGRAMS[name].package}); `make agents` gets it")


def main(names: Sequence[str]) -> None:
    missing = []
    with _alone():
        wanted = [name for name in names or PROGRAMS if installed(name) is None]
        trouble = None if not wanted or shutil.which("npm") else "there is no npm here"
        for name in wanted:
            if trouble is None:
                print(f"installing {PROGRAMS[name].package} for the tests ...", flush=True)
                trouble = _install(name)
                if trouble is None:
                    continue
            missing.append(f"  {PROGRAMS[name].package}: {trouble}")
            if trouble != "there is no npm here" and not NO_NETWORK.search(trouble):
                trouble = None  # this one's own; the next may do
    if missing:
        print(
            "\nNOT INSTALLED, so the tests with these real programs will be skipped:",
            *missing,
            sep="\n",
            file=sys.stderr,
        )


def _install(name: str) -> str | None:
    """Returns what went wrong. Another version, or half an installation, is replaced."""
    program = PROGRAMS[name]
    folder, new = home() / name, home() / f".{name}.new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    (new / "package.json").write_text("{}")
    quiet = ["--no-audit", "--no-fund", "--no-progress", "--loglevel=error"]
    hurry = ["--fetch-retries=1", "--fetch-timeout=60000"]
    if trouble := _run(["npm", "install", *quiet, *hurry, program.package], new, INSTALL_SECONDS):
        return trouble
    binary = next(iter(sorted(new.glob(program.binary))), None)
    if binary is None:
        return f"the package has no {program.binary}"
    with TemporaryDirectory() as home_of_its_own:
        environment = {**os.environ, "HOME": home_of_its_own}
        if trouble := _run([str(binary), program.check], new, VERSION_SECONDS, environment):
            return trouble
    (new / ".package").write_text(program.package)
    try:
        shutil.rmtree(folder, ignore_errors=True)
        new.rename(folder)
    except OSError as error:
        return str(error)
    return None


def _run(command: Sequence[str], folder: Path, seconds: float, env: Mapping[str, str] | None = None) -> str | None:
    """Returns what went wrong: the last lines the command wrote."""
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, timeout=seconds, text=True, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return " / ".join(done.stdout.strip().splitlines()[-4:]) or f"{command[0]} ended with {done.returncode}"


@contextmanager
def _alone() -> Iterator[None]:
    """Two runs at once do not install over each other."""
    home().mkdir(parents=True, exist_ok=True)
    with (home() / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    main(sys.argv[1:])
