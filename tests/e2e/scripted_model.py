"""The scripted model API as a process of its own, for tests that do not run in Trio."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.daemon import PATIENCE, until

ROOT = Path(__file__).parents[2]

Json = dict[str, Any]


class ScriptedModel:
    """`url` has no path."""

    def __init__(self, url: str) -> None:
        self.url = url

    def requests(self) -> list[Json]:
        """All that it received, in order: target, body, outcome."""
        rows: list[Json] = self._ask("/_requests")["requests"]
        return rows

    def wait_for_request_with(self, text: str, after: int = 0) -> Json:
        """The first request from the `after`-th on that has this text anywhere in its body."""
        wanted = json.dumps(text)[1:-1]

        def look() -> Json | None:
            return next((one for one in self.requests()[after:] if wanted in json.dumps(one["body"])), None)

        return until(look, f"a request with {text!r}")

    def wait_until_held(self, gate: str) -> None:
        """Returns once a stream waits at this gate."""
        self._ask(f"/_holding/{gate}")

    def release(self, gate: str) -> None:
        self._ask(f"/_release/{gate}", b"")

    def _ask(self, path: str, body: bytes | None = None) -> Json:
        with urllib.request.urlopen(self.url + path, body, timeout=PATIENCE) as answer:
            told: Json = json.load(answer)
            return told


@contextmanager
def scripted_model() -> Iterator[ScriptedModel]:
    """It runs while the context is open."""
    argv = [sys.executable, "-m", "tests.emulators.model_api"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield ScriptedModel(process.stdout.readline().strip())
        finally:
            process.kill()
