"""A real bash with stub programs on its PATH, which write down how they were called."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from pathlib import Path

STUBS = ("evil", "ls", "cat", "unknown", "less", "tee")
REAL = (
    "bash",
    "sh",
    "env",
    "xargs",
    "find",
    "timeout",
    "nice",
    "nohup",
    "stdbuf",
    "sort",
    "tar",
    "sed",
    "awk",
    "sleep",
)
SECONDS = 20.0

_RECORD = """#!/bin/bash
printf '%s\\0' "${{0##*/}}" "$@" $'\\1' >> '{log}'
"""
_CAT = 'exec {real} "$@"\n'


class Bash:
    """Runs texts and tells what they ran. `git` is the real one behind its stub: aliases are resolved as they are."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._log = home / "ran"
        self.directory = home / "work"
        self._bin = home / "bin"
        self._bin.mkdir()
        (self.directory / "sub").mkdir(parents=True)
        for name in STUBS:
            self._stub(name, "")
        self._stub("cat", f'exec {shutil.which("cat")} "$@"\n')
        self._stub("git", f'exec {shutil.which("git")} "$@"\n')
        for name in REAL:
            (self._bin / name).symlink_to(shutil.which(name) or f"/missing/{name}")
        (self.directory / "bin").symlink_to(self._bin)
        (self.directory / "evil").symlink_to(self._bin / "evil")
        self._environ = {
            "PATH": str(self._bin),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "BRANCH": "main",
        }
        (home / ".bash_profile").write_text(f"PATH={self._bin}\n")  # /etc/profile sets another
        self._environ |= {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        for words in (
            ["init", "-q"],
            ["config", "alias.p", "push"],
            ["config", "alias.x", "!evil"],
            ["commit", "-q", "--allow-empty", "-m", "first"],
        ):
            subprocess.run([shutil.which("git") or "git", *words], cwd=self.directory, env=self._environ, check=True)

    def _stub(self, name: str, more: str) -> None:
        path = self._bin / name
        path.write_text(_RECORD.format(log=self._log) + more)
        path.chmod(0o755)

    def run(self, text: str) -> list[tuple[str, ...]]:
        """The stub programs that ran, with their arguments. Files that it made are gone afterwards."""
        self._log.write_bytes(b"")
        ours, theirs = os.pipe()  # all that it starts inherits one end: the other one ends when the last of them has
        try:
            bash = subprocess.Popen(
                ["/bin/bash", "-c", text],
                cwd=self.directory,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs],
            )
        finally:
            os.close(theirs)
        with open(ours, "rb") as trace:
            select.select([trace], [], [], SECONDS)
        bash.wait(SECONDS)
        for made in ("out", "run"):
            (self.directory / made).unlink(missing_ok=True)
        calls = self._log.read_bytes().split(b"\x01\0")[:-1]
        return [tuple(os.fsdecode(word) for word in call.split(b"\0")[:-1]) for call in calls]
