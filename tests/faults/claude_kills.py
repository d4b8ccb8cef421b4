"""kill -9 of the daemon while the real Claude Code works: in mid-sentence, in mid-command, while it asks.

`python -m tests.faults.claude_kills [--rounds 50] [--seed N]`; exit code 1 when anything was violated.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.agents.programs import installed
from tests.e2e.claude import Claude, bash, call, claude_daemon
from tests.e2e.daemon import Json, messages, of_type, until

MOMENTS = ("sentence", "command", "asking", "anywhere")
ANYWHERE_SECONDS = 2.5
"""About as long as a turn with a command takes: the daemon dies somewhere in it."""


@dataclass
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.violations.append(otherwise)


class Rounds:
    """One session for each moment, and one turn of it in each round."""

    def __init__(self, sessions: dict[str, Claude], seed: int) -> None:
        self.sessions = sessions
        self.daemon = next(iter(sessions.values())).daemon
        self.random = random.Random(seed)
        self.tally = Tally()
        self.turns: Counter[str] = Counter()
        self.expected: dict[str, list[str]] = {moment: [] for moment in sessions}

    def run(self, rounds: int, show: Callable[[str], None]) -> Tally:
        for number in range(rounds):
            moment = MOMENTS[number % len(MOMENTS)]
            getattr(self, f"_{moment}")(self.sessions[moment], f"{moment}-{number}")
            self.turns[moment] += 1
            self.tally.counts[f"killed in mid-{moment}"] += 1
            self.sessions[moment].turns_done(self.turns[moment])
            show(f"round {number + 1}/{rounds}  {len(self.tally.violations)} violations")
        for moment, claude in self.sessions.items():
            if self.turns[moment]:
                self._check(moment, self.daemon.events(claude.session_id))
        return self.tally

    def shell(self, command: str) -> Json:
        """A call of the model that runs a command."""
        return bash(command)

    def pair(self, mark: str) -> list[Json]:
        """Two calls that are asked about at once."""
        paths = [self.daemon.home / f"{mark}-{name}" for name in ("one", "two")]
        for path in paths:
            path.write_text(f"inside {path.name}\n")
        return [call("Read", file_path=str(path)) for path in paths]

    def brought(self, approved: Json, mark: str) -> str:
        """What the approved one of the pair brings."""
        del approved  # they are asked about in their order
        return f"inside {mark}-one"

    def told_of_refusal(self, mark: str) -> str:
        """What the model says when it has heard of a rejection's reason."""
        return f"{mark} read"

    def _die(self) -> None:
        self.daemon.kill()
        time.sleep(self.random.choice((0, 0.3)))
        self.daemon.start()
        self.tally.counts["kills"] += 1

    def _prompt(self, claude: Claude, mark: str, *steps: Json) -> None:
        """The first prompt begins the session."""
        if claude.session_id:
            claude.send(*steps, text=mark)
        else:
            claude.begin(*steps, text=mark)

    def _sentence(self, claude: Claude, mark: str) -> None:
        said = f"{mark}: " + "word " * self.random.randint(5, 400)
        self._prompt(claude, mark, {"say": said, "chunks": 20, "hold": mark, "hold_after": self.random.randint(1, 19)})
        claude.model.wait_for_hold(mark)
        self._die()
        claude.model.release(mark)
        self.expected["sentence"].append(said)

    def _command(self, claude: Claude, mark: str) -> None:
        command = f"echo {mark} begins; touch {mark}; until test -e {mark}.go; do sleep 0.05; done; echo {mark} ends"
        self._prompt(claude, mark, {"call": [self.shell(command)]}, {"say": f"{mark} done"})
        claude.approve_next()
        if self.random.random() < 0.5:
            until((claude.directory / mark).exists, "the command to run")
        self._die()  # it runs, or the answer was confirmed just now
        (claude.directory / f"{mark}.go").touch()
        self.expected["command"].append(f"{mark} done")

    def _asking(self, claude: Claude, mark: str) -> None:
        self._prompt(claude, mark, {"call": self.pair(mark)}, {"say": f"{mark} read"})
        before = claude.waiting(2)
        self._die()
        after = claude.waiting(2)
        same = [one["approval_id"] for one in before] == [one["approval_id"] for one in after]
        self.tally.require(same, f"{mark}: other approvals wait after the kill")
        claude.decide(after[1], "reject", reason=f"{mark}: not the second")
        if self.random.random() < 0.5:
            self._die()
        claude.decide(after[0])
        claude.model.wait_for_turn_with(f"{mark}: not the second", self.brought(after[0], mark))
        self.expected["asking"].append(self.told_of_refusal(mark))

    def _anywhere(self, claude: Claude, mark: str) -> None:
        """With a person who approves whatever waits, as soon as there is a daemon to tell."""
        steps = [
            {"say": f"{mark} a", "chunks": 4, "call": [self.shell(f"echo {mark} out; sleep 0.2")]},
            {"say": f"{mark} b"},
        ]
        self._prompt(claude, mark, *steps)
        time.sleep(self.random.random() * ANYWHERE_SECONDS)
        path = f"/api/approvals?state=pending&session={claude.session_id}"
        if self.random.random() < 0.5:
            for approval in self.daemon.get(path)["approvals"]:
                claude.decide(approval)
        self._die()

        def approve() -> bool:
            for approval in self.daemon.get(path)["approvals"]:
                claude.decide(approval)
            done = of_type(self.daemon.events(claude.session_id), "turn_completed")
            return len(done) > self.turns["anywhere"]

        until(approve, f"{mark} to end")
        self.expected["anywhere"] += [f"{mark} a", f"{mark} b"]

    def _check(self, moment: str, events: list[Json]) -> None:
        require, number = self.tally.require, self.turns[moment]
        outcomes = Counter(event["data"]["outcome"] for event in of_type(events, "turn_completed"))
        require(outcomes == {"completed": number}, f"{moment}: {number} turns ended as {dict(outcomes)}")
        said = messages(events)
        require(said == self.expected[moment], f"{moment}: said {json.dumps(said)[:300]}")
        for kind in ("output_unrecognised", "run_ended", "input_undelivered"):
            require(not of_type(events, kind), f"{moment}: {len(of_type(events, kind))} {kind}")
        asked = [event["data"]["approval"]["approval_id"] for event in of_type(events, "approval_requested")]
        resolved = [event["data"]["approval_id"] for event in of_type(events, "approval_resolved")]
        delivered = [event["data"]["outcome"] for event in of_type(events, "verdict_delivered")]
        require(
            len(set(asked)) == len(asked) and sorted(asked) == sorted(resolved), f"{moment}: not resolved once each"
        )
        require(delivered == ["delivered"] * len(asked), f"{moment}: verdicts {Counter(delivered)} of {len(asked)}")
        calls = [event["data"]["tool_call_id"] for event in of_type(events, "tool_call_started")]
        results = [event["data"]["tool_call_id"] for event in of_type(events, "tool_call_finished")]
        require(sorted(calls) == sorted(results) and len(set(calls)) == len(calls), f"{moment}: calls do not match")
        runs = {event["data"]["run_id"] for event in of_type(events, "session_started", "session_resumed")}
        require(len(runs) == 1, f"{moment}: {len(runs)} runs")
        self.tally.counts["approvals"] += len(asked)
        self.tally.counts["events"] += len(events)


def run_rounds(rounds: int, seed: int, show: Callable[[str], None] = lambda _: None) -> Tally:
    """So many kills, and what they violated. Skips the calling test where there is no real program."""
    with claude_daemon() as (daemon, model):
        daemon.start()
        return all_rounds(Rounds({moment: Claude(daemon, model, moment) for moment in MOMENTS}, seed), rounds, show)


def all_rounds(killed: Rounds, rounds: int, show: Callable[[str], None]) -> Tally:
    """The rounds, and a look at what the daemon leaves behind."""
    tally, daemon = killed.run(rounds, show), killed.daemon
    traces = daemon.log.count("Traceback")
    tally.require(traces == 0, f"{traces} tracebacks in the daemon's log")
    code, _ = daemon.stop()
    tally.require(code == 0, f"SIGTERM at the end: exit code {code}")
    left = daemon.shims() | daemon.agents()
    tally.require(not left, f"{len(left)} processes are left after SIGTERM")
    return tally


def report(agent: str, run: Callable[[int, int, Callable[[str], None]], Tally], about: str | None) -> int:
    """The command line of such a program; its exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.faults.{agent}_kills", description=about)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    if installed(agent) is None:
        print(f"NOT DONE: there is no real {agent} here; `make agents` gets it", file=sys.stderr)
        return 1
    tally = run(given.rounds, given.seed, lambda line: print(f"\r{line}", end="", flush=True))
    print(f"\nseed {given.seed}")
    for name, count in sorted(tally.counts.items()):
        print(f"{count:8}  {name}")
    for violation in tally.violations:
        print(f"VIOLATED: {violation}")
    print(f"{len(tally.violations)} violations")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(report("claude", run_rounds, __doc__))
