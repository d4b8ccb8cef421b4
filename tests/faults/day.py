"""A day of work, compressed: many sessions, thousands of turns, restarts; memory, descriptors and processes stay.

`python -m tests.faults.day [--turns 5000] [--sessions 30] [--claude 6]`; exit code 1 when anything was violated.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.agents.programs import installed
from tests.e2e.claude import bash, claude_daemon
from tests.e2e.daemon import Daemon, Json, idle_daemon, until
from tests.emulators.script import prompt
from tetherd.client.client import ApiError, DaemonUnreachable

GROWTH_MIB = 15.0
WARM_TURNS = 3
"""Of each session in each life, before anything is measured."""
LINES = 17
LIFE_SECONDS = 3600.0
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    turns: int = 5_000
    sessions: int = 30
    claude: int = 6
    restarts: int = 3


@dataclass
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    growth: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.violations.append(otherwise)


class Approver(threading.Thread):
    """Approves whatever waits, through all lives of the daemon."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self.done = threading.Event()
        self.approved = 0
        self._daemon = daemon

    def run(self) -> None:
        while not self.done.wait(LOOK_SECONDS):
            with contextlib.suppress(DaemonUnreachable, ApiError):
                for approval in self._daemon.get("/api/approvals?state=pending&limit=100")["approvals"]:
                    path = f"/api/approvals/{approval['approval_id']}/decision"
                    self._daemon.post(path, {"decision": "approve", "digest": approval["digest"]})
                    self.approved += 1


class Day:
    """One run of the whole thing."""

    def __init__(self, daemon: Daemon, plan: Plan, show: Callable[[str], None]) -> None:
        self.daemon, self.plan, self.show = daemon, plan, show
        self.tally = Tally()
        self.sessions = [self._begin(number) for number in range(plan.sessions)]
        self.sent = Counter(dict.fromkeys(self.sessions, 0))

    def run(self) -> Tally:
        approver = Approver(self.daemon)
        approver.start()
        lives = self.plan.restarts + 1
        each = -(-self.plan.turns // self.plan.sessions)
        for life in range(lives):
            if life:
                self.daemon.kill()
                self.daemon.start()
            goal = each * (life + 1) // lives
            warm = min(goal, each * life // lives + WARM_TURNS)
            self._work(warm)
            before = self._measure()
            self._work(goal)
            self._compare(before, self._measure())
            self.show(f"life {life + 1}/{lives}: {goal * self.plan.sessions} turns, {self.tally.growth[-1]:+.1f} MiB")
        approver.done.set()
        approver.join()
        self.tally.counts |= {"turns": sum(self.sent.values()), "approvals": approver.approved}
        self.tally.counts["events"] = self.daemon.get("/api/status")["seq"]
        return self.tally

    def _begin(self, number: int) -> str:
        if number < self.plan.claude:
            directory = self.daemon.home / f"claude-{number}"
            directory.mkdir()
            return self.daemon.new_session(adapter="claude", directory=str(directory), start=True)
        return self.daemon.new_session(start=True)

    def _work(self, goal: int) -> None:
        """Until every session has had so many turns. All inputs are sent at once; the daemon hands them over."""
        for place, session_id in enumerate(self.sessions):
            while self.sent[session_id] < goal:
                self.sent[session_id] += 1
                text = self._prompt(place < self.plan.claude, self.sent[session_id])
                self.daemon.post(f"/api/sessions/{session_id}/input", {"text": text})
        until(self._is_idle, "all turns to end", LIFE_SECONDS)

    @staticmethod
    def _prompt(is_claude: bool, number: int) -> str:
        if is_claude:
            return prompt({"think": "Hm.", "say": f"Turn {number}.", "call": [bash("echo out")]}, {"say": "Done."})
        return f"@lines {LINES}\n@hold" if number % 2 else f"@lines {LINES}\n@chunks 50 200"

    def _is_idle(self) -> bool:
        time.sleep(LOOK_SECONDS)
        sessions = self.daemon.get("/api/sessions?limit=500")["sessions"]
        return all(
            session["state"] == "awaiting_input" and not session["queued"] and session["turns"] >= self._turns(session)
            for session in sessions
        )

    def _turns(self, session: Json) -> int:
        return self.sent[session["session_id"]]

    def _measure(self) -> tuple[float, int, int]:
        """MiB of the daemon, its open descriptors, and processes of the agents and shims."""
        assert self.daemon.process is not None
        pid = self.daemon.process.pid
        rss = Path(f"/proc/{pid}/smaps_rollup").read_text().partition("Rss:")[2].split()[0]
        return int(rss) / 1024, len(os.listdir(f"/proc/{pid}/fd")), len(self.daemon.agents()) + len(self.daemon.shims())

    def _compare(self, before: tuple[float, int, int], after: tuple[float, int, int]) -> None:
        growth = after[0] - before[0]
        self.tally.growth.append(growth)
        self.tally.sizes.append(after[0])
        self.tally.require(growth <= GROWTH_MIB, f"memory grew by {growth:.1f} MiB")
        self.tally.require(after[1] <= before[1] + 2, f"descriptors: {before[1]} before, {after[1]} after")
        self.tally.require(after[2] <= before[2], f"processes: {before[2]} before, {after[2]} after")


@contextlib.contextmanager
def _daemon(plan: Plan) -> Iterator[Daemon]:
    if plan.claude:
        with claude_daemon() as (daemon, _):
            yield daemon
    else:
        with idle_daemon() as daemon:
            yield daemon


def run_day(plan: Plan, show: Callable[[str], None] = lambda _: None) -> Tally:
    """Do as planned. Skips the calling test where there is no real Claude Code, if the plan has some."""
    with _daemon(plan) as daemon:
        daemon.start()
        tally = Day(daemon, plan, show).run()
        tally.require(daemon.log.count("Traceback") == 0, "tracebacks in the daemon's log")
        code, _ = daemon.stop()
        tally.require(code == 0, f"SIGTERM at the end: exit code {code}")
        left = daemon.shims() | daemon.agents()
        tally.require(not left, f"{len(left)} processes are left after SIGTERM")
        return tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.day", description=__doc__)
    for name in ("turns", "sessions", "claude", "restarts"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Plan(), name))
    plan = Plan(**vars(parser.parse_args()))
    if plan.claude and installed("claude") is None:
        print("there is no real claude here (`make agents`); give --claude 0", file=sys.stderr)
        return 1
    tally = run_day(plan, lambda line: print(line, flush=True))
    for name, count in sorted(tally.counts.items()):
        print(f"{count:8}  {name}")
    print(f"memory at the end of each life: {', '.join(f'{size:.1f}' for size in tally.sizes)} MiB")
    for violation in tally.violations:
        print(f"VIOLATED: {violation}")
    print(f"{len(tally.violations)} violations")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
