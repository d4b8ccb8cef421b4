"""kill -9 of the daemon while the real Codex works: in mid-sentence, in mid-command, while it asks.

`python -m tests.faults.codex_kills [--rounds 50] [--seed N]`; exit code 1 when anything was violated.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from tests.e2e.codex import Codex, codex_daemon, shell
from tests.e2e.daemon import Json
from tests.faults.claude_kills import MOMENTS, Rounds, Tally, all_rounds, report


class CodexRounds(Rounds):
    def shell(self, command: str) -> Json:
        return shell(command)

    def pair(self, mark: str) -> list[Json]:
        return [shell(f"echo {mark}-{name} inside") for name in ("one", "two")]

    def brought(self, approved: Json, mark: str) -> str:
        return str(approved["command"]).removeprefix("echo ") + "\n"

    def told_of_refusal(self, mark: str) -> str:
        """The reason is a prompt of its own, and has no script."""
        return "ok"


def run_rounds(rounds: int, seed: int, show: Callable[[str], None] = lambda _: None) -> Tally:
    """So many kills, and what they violated. Skips the calling test where there is no real program."""
    with codex_daemon() as (daemon, model):
        daemon.start()
        sessions = {moment: Codex(daemon, model, moment) for moment in MOMENTS}
        return all_rounds(CodexRounds(dict(sessions), seed), rounds, show)


if __name__ == "__main__":
    sys.exit(report("codex", run_rounds, __doc__))
