"""kill -9 of the daemon, one life after another on the same data: nothing is lost, doubled or out of order.

`python -m tests.faults.kills [--rounds 100] [--seed N]`; exit code 1 when anything was violated.
"""

from __future__ import annotations

import argparse
import hashlib
import queue
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import orjson

from tests.e2e.daemon import Daemon, Json, fresh_daemon, messages, of_type, until
from tetherd.client.client import ApiError, DaemonUnreachable

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789äß漢🙂"
EXIT_EACH = 5
"""In every so manieth round an agent ends while the daemon is down."""
CUT_SHORT = 0.25
START_SECONDS = 0.6
SEND_SECONDS = 0.008
"""A life may end so long after a send has begun, most of them before its answer."""
CATCH_UP_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done, and how much of it. `life_seconds`: the longest life of a daemon, once it answers."""

    rounds: int = 100
    seed: int = 1
    lines: int = 20_000
    inputs: int = 200
    input_bytes: int = 200_000
    life_seconds: float = 1.2

    @property
    def lines_prompt(self) -> str:
        """Bursts that last about as long as the rounds do."""
        burst = 100
        pause = self.rounds * (self.life_seconds / 2 + 0.5) / max(1, self.lines / burst)
        return f"@lines {self.lines} {burst} {int(pause * 1000)}"


@dataclass(slots=True)
class Tally:
    """What was seen. `violations` are sentences; the rest are counts."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    def require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.violations.append(otherwise)


class Sent(NamedTuple):
    """An input that the daemon confirmed."""

    text: str
    seqs: tuple[int, ...]

    @property
    def echo(self) -> str:
        words = self.text.removeprefix("@echo ")
        return f"echo {len(words)} {hashlib.sha256(words.encode()).hexdigest()}"


class Sender(threading.Thread):
    """Sends one input after another. One that got no answer is sent again with its key, until there is one."""

    def __init__(self, daemon: Daemon, session_id: str, tally: Tally) -> None:
        super().__init__(daemon=True)
        self.wanted: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.sent: list[Sent] = []
        self.is_sending = threading.Event()
        self._daemon, self._path, self._tally = daemon, f"/api/sessions/{session_id}/input", tally

    def run(self) -> None:
        for number, text in enumerate(iter(self.wanted.get, None)):
            self.sent.append(Sent(text, self._send(text, f"input-{number}")))

    def _send(self, text: str, key: str) -> tuple[int, ...]:
        while True:
            self.is_sending.set()
            try:
                outcome = self._daemon.post(self._path, {"text": text}, key=key)
            except (DaemonUnreachable, ApiError) as error:
                if isinstance(error, ApiError) and not error.is_passing:
                    self._tally.violations.append(f"an input was refused: {error}")
                    return ()
                self._tally.counts["inputs sent again"] += 1
                time.sleep(0.02)
                continue
            self._tally.counts["of these, had been taken already"] += outcome["repeated"]
            return tuple(outcome["seqs"])


class Follower(threading.Thread):
    """Follows the whole log through all lives, resuming where each stream broke off."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self.seqs: list[int] = []
        self._daemon = daemon

    def run(self) -> None:
        stream = self._daemon.client.follow(
            "/api/events?live=false&after=0", sleep=lambda seconds: time.sleep(min(seconds, 0.1))
        )
        for event in stream:
            if event.event_id is not None:
                self.seqs.append(orjson.loads(event.data)["seq"])


class Kills:
    """One run of the whole thing."""

    def __init__(self, daemon: Daemon, plan: Plan, show: bool) -> None:
        self.daemon, self.plan, self.show = daemon, plan, show
        self.random = random.Random(plan.seed)
        self.tally = Tally()
        self.lines = daemon.new_session(plan.lines_prompt, name="lines")
        self.echo = daemon.new_session(name="echo", start=True)
        self.held = daemon.new_session("@hold", name="held")
        self.approval_id: str = daemon.wait_for_approval(self.held)["approval_id"]
        self.exits: dict[str, int] = {}
        self.sender = Sender(daemon, self.echo, self.tally)
        self.follower = Follower(daemon)

    def run(self) -> Tally:
        self.sender.start()
        self.follower.start()
        for number in range(1, self.plan.rounds + 1):
            self._ask_for_inputs(number)
            if number % EXIT_EACH == 0:
                self._kill_while_an_agent_ends()
            else:
                if number % 2:
                    time.sleep(self.random.choice((0.05, 0.3, self.plan.life_seconds)) * self.random.random())
                else:
                    self._wait_for_a_send()
                self.daemon.kill()
                time.sleep(self.random.choice((0, 0, 0.2, 0.5)) * self.random.random())
            self._start()
            if self.show:
                print(
                    f"\rround {number}/{self.plan.rounds}  {len(self.tally.violations)} violations", end="", flush=True
                )
        self._finish()
        return self.tally

    def _ask_for_inputs(self, number: int) -> None:
        done, goal = self.plan.inputs * (number - 1) // self.plan.rounds, self.plan.inputs * number // self.plan.rounds
        for _ in range(goal - done):
            self.sender.wanted.put(self._words(self.random.choice((20, 2_000, self.plan.input_bytes))))
            self.tally.counts["inputs"] += 1

    def _words(self, size: int) -> str:
        text = "".join(self.random.choices(ALPHABET, k=self.random.randint(1, size)))
        return "@echo " + text.encode()[: self.plan.input_bytes - 6].decode(errors="ignore")

    def _wait_for_a_send(self) -> None:
        """Until an input is on its way: it may be taken, and its answer lost."""
        self.sender.is_sending.clear()
        self.sender.wanted.put(self._words(20))
        self.tally.counts["inputs"] += 1
        self.sender.is_sending.wait(1.0)
        time.sleep(SEND_SECONDS * self.random.random())

    def _kill_while_an_agent_ends(self) -> None:
        code = self.random.randint(1, 99)
        session_id = self.daemon.new_session(f"@sleep 0.5\n@crash {code}", name=f"crash {code}")
        session = until(lambda: self._running(session_id), "the agent to sleep")
        self.daemon.kill()
        status = self.daemon.data_dir / "runs" / session["run_id"] / "status.json"
        until(status.exists, "the agent to end")
        self.exits[session_id] = code
        self.tally.counts["agents that ended meanwhile"] += 1

    def _running(self, session_id: str) -> Json | None:
        session = self.daemon.session(session_id)
        return session if session["turn_open"] and not session["sent"] else None

    def _start(self) -> None:
        """Start it, and hold the very first answer against what is true. Some lives end before they answer."""
        self.tally.counts["kills"] += 1
        while self.random.random() < CUT_SHORT:
            self.daemon.spawn()
            time.sleep(START_SECONDS * self.random.random())
            self.daemon.kill()
            self.tally.counts["kills"] += 1
            self.tally.counts["of these, while it started"] += 1
        begun = time.monotonic()
        self.daemon.spawn()
        sessions = self.daemon.first_answer("/api/sessions?limit=500")["sessions"]
        self.tally.starts.append(time.monotonic() - begun)
        found = {session["session_id"]: session for session in sessions}
        require, states = self.tally.require, {key: session["state"] for key, session in found.items()}
        working = ("running", "awaiting_input")
        require(states.get(self.lines) in working, f"lines is {states.get(self.lines)}")
        require(states.get(self.echo) in working, f"echo is {states.get(self.echo)}")
        require(states.get(self.held) == "awaiting_approval", f"held is {states.get(self.held)}")
        asked = [approval["approval_id"] for approval in found[self.held]["open_approvals"]]
        require(asked == [self.approval_id], f"held asks {asked}")
        for session_id, code in self.exits.items():
            ending = (found.get(session_id) or {}).get("ending") or {}
            require(states.get(session_id) == "ended", f"{session_id} is {states.get(session_id)}, but its agent ended")
            require(ending.get("code") == code, f"{session_id} ended with {ending}, expected {code}")

    def _finish(self) -> None:
        self.sender.wanted.put(None)
        self.sender.join(CATCH_UP_SECONDS)
        self.tally.require(not self.sender.is_alive(), "not every input was taken in time")
        for session_id in (self.lines, self.echo):
            until(lambda done=session_id: self._is_idle(done), "all turns to end", CATCH_UP_SECONDS)
        self._answer_and_kill()
        self._check_lines(self.daemon.events(self.lines))
        self._check_inputs(self.daemon.events(self.echo))
        for session_id in (self.lines, self.echo, self.held):
            self._check_turns(session_id, self.daemon.events(session_id))
        self._check_follower()

    def _is_idle(self, session_id: str) -> bool:
        session = self.daemon.session(session_id)
        return session["state"] == "ended" or not (session["turn_open"] or session["queued"] or session["sent"])

    def _answer_and_kill(self) -> None:
        """The answer is confirmed, and in the same moment the daemon dies: the agent gets it all the same."""
        self.daemon.post(f"/api/approvals/{self.approval_id}/decision", {"decision": "approve"})
        self.daemon.kill()
        self.daemon.start()
        self.tally.counts["kills"] += 1
        try:
            self.daemon.wait_for_text(self.held, "verdict: approve")
        except TimeoutError as error:
            self.tally.violations.append(f"the held approval's answer did not arrive: {error}")
        verdicts = [said for said in messages(self.daemon.events(self.held)) if said.startswith("verdict")]
        self.tally.require(len(verdicts) <= 1, f"{len(verdicts)} verdicts for one approval")
        until(lambda: self._is_idle(self.held), "the held turn to end")

    def _check_lines(self, events: list[Json]) -> None:
        said = [line for text in messages(events) for line in text.splitlines()]
        counted = Counter(said)
        expected = [f"line {number}" for number in range(1, self.plan.lines + 1)]
        lost = sum(line not in counted for line in expected)
        doubled = sum(count - 1 for count in counted.values()) + _overlaps(events)
        self.tally.counts.update({"lines": len(said), "lines lost": lost, "lines doubled": doubled})
        self.tally.require(lost == 0, f"{lost} lines lost")
        self.tally.require(doubled == 0, f"{doubled} lines doubled")
        self.tally.require(said == expected, "the lines are not those that were printed, in their order")

    def _check_inputs(self, events: list[Json]) -> None:
        sent = self.sender.sent
        accepted = [event["data"]["input_id"] for event in of_type(events, "input_accepted")]
        delivered = [event["data"]["input_id"] for event in of_type(events, "input_delivered")]
        echoes = [said for said in messages(events) if said.startswith("echo ")]
        missing = len(set(accepted) - set(delivered)) + sum(one.echo not in echoes for one in sent)
        wanted = self.tally.counts["inputs"]
        self.tally.counts["confirmed but undelivered"] = missing
        self.tally.counts["bytes of input"] = sum(len(one.text.encode()) for one in sent)
        self.tally.require(len(sent) == wanted, f"{len(sent)} inputs confirmed of {wanted}")
        self.tally.require(len(accepted) == wanted, f"{len(accepted)} inputs accepted of {wanted}")
        self.tally.require(delivered == accepted, "the inputs were not delivered once each, in their order")
        self.tally.require(missing == 0, f"{missing} inputs confirmed but not delivered")
        self.tally.require(echoes == [one.echo for one in sent], "the agent did not read the inputs whole and in order")
        self.tally.require(not of_type(events, "input_undelivered"), "an input was given up")

    def _check_turns(self, session_id: str, events: list[Json]) -> None:
        bad = [event["data"] for event in of_type(events, "turn_completed") if event["data"]["outcome"] != "completed"]
        begun, done = len(of_type(events, "turn_started")), len(of_type(events, "turn_completed"))
        self.tally.counts["turns aborted"] += len(bad)
        self.tally.require(not bad, f"{session_id}: a turn was aborted: {bad[:1]}")
        self.tally.require(begun == done, f"{session_id}: {begun} turns began, {done} ended")
        self.tally.require(not of_type(events, "run_ended"), f"{session_id}: its run ended")

    def _check_follower(self) -> None:
        expected = [event["seq"] for event in self.daemon.events()]
        try:
            until(lambda: bool(self.follower.seqs) and self.follower.seqs[-1] >= expected[-1], "the follower")
        except TimeoutError as error:
            self.tally.violations.append(str(error))
        seen = self.follower.seqs[: len(expected)]
        self.tally.counts["events followed"] = len(seen)
        self.tally.require(seen == expected, "the follower did not see each event once, in the log's order")


def _overlaps(events: list[Json]) -> int:
    """Parts of messages that say again what was said."""
    ends: dict[str, int] = {}
    doubled = 0
    for event in of_type(events, "message_written"):
        part = event["data"]
        end = part["offset"] + len(part["text"].encode("utf-16-le")) // 2
        doubled += bool(part["text"]) and part["offset"] < ends.get(part["message_id"], 0)
        ends[part["message_id"]] = max(end, ends.get(part["message_id"], 0))
    return doubled


def run_kills(plan: Plan, show: bool = False, keep_log: Path | None = None) -> Tally:
    """Do as planned, with a daemon of its own that is gone afterwards, and its agents too."""
    with fresh_daemon() as daemon:
        try:
            tally = Kills(daemon, plan, show).run()
        finally:
            if keep_log is not None:
                keep_log.write_text(daemon.log)
        traces = daemon.log.count("Traceback")
        tally.require(traces == 0, f"{traces} tracebacks in the daemon's log")
        code, _ = daemon.stop()
        tally.require(code == 0, f"SIGTERM at the end: exit code {code}")
        left = daemon.shims() | daemon.agents()
        tally.require(not left, f"{len(left)} processes are left after SIGTERM")
        return tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--lines", type=int, default=20_000)
    parser.add_argument("--inputs", type=int, default=200)
    parser.add_argument("--log", type=Path, help="keep the daemon's log here")
    args = parser.parse_args()
    plan = Plan(rounds=args.rounds, seed=args.seed, lines=args.lines, inputs=args.inputs)
    print(f"{plan.rounds} rounds, seed {plan.seed}")
    begun = time.monotonic()
    tally = run_kills(plan, show=True, keep_log=args.log)
    print(f"\n{'seconds':<34}{time.monotonic() - begun:>10.1f}")
    for name, count in tally.counts.items():
        print(f"{name:<34}{count:>10}")
    starts = sorted(tally.starts)
    print(f"{'first answer after s, median':<34}{starts[len(starts) // 2]:>10.2f}")
    print(f"{'first answer after s, longest':<34}{starts[-1]:>10.2f}")
    print(f"{'violations':<34}{len(tally.violations):>10}")
    for violation, times in Counter(tally.violations).most_common(20):
        print(f"  {times} x {violation}")
    return 1 if tally.violations else 0


if __name__ == "__main__":
    sys.exit(main())
