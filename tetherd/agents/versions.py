"""Which version an agent's program says it is."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping

import trio

ASK_SECONDS = 5.0
_VERSION = re.compile(rb"\d+(?:\.\d+)+[0-9A-Za-z.+-]*")


class Versions:
    """Asked once for each program, and again when its file has changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], str | None] = {}

    async def of(self, path: str, environment: Mapping[str, str]) -> str | None:
        """What `path --version` says first that looks like a version; None when it says nothing in time."""
        try:
            status = os.stat(path)
        except OSError:
            return None
        key = (path, status.st_mtime_ns, status.st_size)
        if key not in self._known:
            self._known[key] = await _ask(path, environment)
        return self._known[key]


async def _ask(path: str, environment: Mapping[str, str]) -> str | None:
    with trio.move_on_after(ASK_SECONDS):
        try:
            done = await trio.run_process(
                [path, "--version"],
                stdin=subprocess.DEVNULL,
                capture_stdout=True,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                check=False,
            )
        except OSError:
            return None
        found = _VERSION.search(done.stdout)
        return found[0].decode() if found else None
    return None
