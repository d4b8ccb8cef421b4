"""`make record`: what real agents say, written beside the tests.

`python -m tests.agents.record [NAME ...]` with the names of transcripts, such as claude-text; all without any. The
agents must be there (`make agents`). Read the difference before you keep it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import trio

from tests.agents.claude_scenarios import CLAUDE
from tests.agents.programs import installed
from tests.agents.recording import Continued, Recorded, Scenario, recording, write
from tests.emulators.model_api import open_model_api

TRANSCRIPTS = Path(__file__).parent / "transcripts"
SCENARIO_SECONDS = 120
KEY = "sk-of-the-recorder"
WITHOUT_KEY = "no-key"

RECORDED = {"claude": CLAUDE}
"""By the name of the program."""


async def record(agent: str, name: str, scenario: Scenario, directory: Path, copied: bool | None) -> None:
    """copied: of a conversation that goes on, whether it is a copy; None where a new one begins."""
    recorded = RECORDED[agent]
    program = installed(agent)
    if program is None:
        sys.exit(f"there is no {agent} to record; `make agents` gets it")
    with trio.fail_after(SCENARIO_SECONDS):
        async with open_model_api(accept_key=KEY) as api:
            environment = recorded.environment(api.url, None if name == WITHOUT_KEY else KEY)
            of_the_agent = (recorded.adapter, recorded.settings(program), environment, api, directory)
            continued = None
            if copied is not None:
                async with recording(*of_the_agent, run_id="r-0") as before:
                    await recorded.scenarios["text"](before)
                continued = Continued(before.conversation, copied)
            async with recording(*of_the_agent, continued) as running:
                await scenario(running)
            write(TRANSCRIPTS / f"{agent}-{name}.jsonl", agent, running, continued)


def main(wanted: Sequence[str]) -> None:
    for agent, recorded in RECORDED.items():
        for name, scenario, copied in _all(recorded):
            if not wanted or f"{agent}-{name}" in wanted:
                print(f"{agent}-{name}", flush=True)
                with _folder() as directory:
                    trio.run(record, agent, name, scenario, directory, copied)


def _all(recorded: Recorded) -> Iterator[tuple[str, Scenario, bool | None]]:
    for name, scenario in recorded.scenarios.items():
        yield name, scenario, None
    for name, (copied, scenario) in recorded.continuing.items():
        yield name, scenario, copied


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, "project")
        directory.mkdir()
        yield directory


if __name__ == "__main__":
    main(sys.argv[1:])
