"""The scripted model API as a process of its own, for daemons that are processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.e2e.daemon import until

KEY = "sk-of-the-tests"
HOLD_SECONDS = 60.0

Json = dict[str, Any]


class Model:
    """Answers with what the prompts say. `turns` are the requests of conversations, without what programs ask aside."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=HOLD_SECONDS, trust_env=False)

    def release(self, gate: str) -> None:
        self._http.post(f"/_release/{gate}").raise_for_status()

    def wait_for_hold(self, gate: str) -> None:
        """Returns once a stream waits at this gate, in mid-sentence."""
        self._http.get(f"/_holding/{gate}").raise_for_status()

    def requests(self) -> list[Json]:
        """All that it received, oldest first: target, body, outcome."""
        rows: list[Json] = self._http.get("/_requests").raise_for_status().json()["requests"]
        return rows

    def turns(self) -> list[Json]:
        """Bodies of the requests with tools, oldest first."""
        bodies = (row["body"] for row in self.requests())
        return [body for body in bodies if isinstance(body, dict) and body.get("tools")]

    def wait_for_request_with(self, text: str, after: int = 0) -> Json:
        """The first request from the `after`-th on whose body holds this text, in whichever dialect."""

        def look() -> Json | None:
            return next((row for row in self.requests()[after:] if _holds(row["body"], text)), None)

        return until(look, f"a request with {text!r}")

    def wait_for_turn_with(self, *texts: str) -> Json:
        """The first turn whose request holds all of them."""

        def look() -> Json | None:
            return next((turn for turn in self.turns() if all(_holds(turn, text) for text in texts)), None)

        return until(look, f"a request with {texts}")

    def close(self) -> None:
        self._http.close()


def _holds(body: Any, text: str) -> bool:
    return json.dumps(text)[1:-1] in json.dumps(body)


@contextmanager
def model_api(accept_key: str | None = KEY) -> Iterator[Model]:
    argv = [sys.executable, "-m", "tests.emulators.model_api"]
    argv += ["--accept-key", accept_key] if accept_key else []
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        model = Model(process.stdout.readline().strip())
        try:
            yield model
        finally:
            model.close()
            process.kill()
