"""`make record`: what real agents say, written beside the tests.

`python -m tests.agents.record [NAME ...]` with the names of transcripts, such as claude-text; all without any. The
agents must be there (`make agents`). Read the difference before you keep it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import trio

from tests.agents.claude_scenarios import SCENARIOS, Scenario
from tests.agents.programs import installed
from tests.agents.recording import recording, write
from tests.emulators.model_api import open_model_api
from tetherd.agents.adapters.claude import ClaudeAdapter

TRANSCRIPTS = Path(__file__).parent / "transcripts"
SCENARIO_SECONDS = 120
KEY = "sk-of-the-recorder"


async def record(name: str, scenario: Scenario, program: Path, directory: Path) -> None:
    settings = {"command": str(program), "model": "claude-sonnet-4-5"}
    with trio.fail_after(SCENARIO_SECONDS):
        async with open_model_api(accept_key=KEY) as api:
            environment = {"ANTHROPIC_BASE_URL": api.url, "CLAUDE_CODE_MAX_RETRIES": "2"}
            if name != "no-key":
                environment["ANTHROPIC_API_KEY"] = KEY
            async with recording(ClaudeAdapter(), settings, environment, api, directory) as running:
                await scenario(running)
            write(TRANSCRIPTS / f"claude-{name}.jsonl", "claude", running)


def main(wanted: Sequence[str]) -> None:
    program = installed("claude")
    if program is None:
        sys.exit("there is no claude to record; `make agents` gets it")
    for name, scenario in SCENARIOS.items():
        if not wanted or f"claude-{name}" in wanted:
            print(f"claude-{name}", flush=True)
            with tempfile.TemporaryDirectory() as folder:
                directory = Path(folder, "project")
                directory.mkdir()
                trio.run(record, name, scenario, program, directory)


if __name__ == "__main__":
    main(sys.argv[1:])
