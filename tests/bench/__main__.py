"""Speed and size, each beside its floor in the same run: `python -m tests.bench [--json] [--rounds 5] [--only WORD]`.

What is compared is interleaved, so that a busy machine slows both. It prints; nothing fails.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from tests.bench.deciding import decisions_alone, decisions_with_rules
from tests.bench.floors import agent_alone, insert_alone
from tests.e2e.daemon import BIN, Daemon, Json, fresh_daemon, idle_daemon, of_type, until

BARE_IMPORT = "import trio, hypercorn.trio, quart_trio, pydantic, sqlite3"
PACE = 20
PUBLISHED = 200
POSTS = 500
BATCH, BATCHES = 1000, 10
LINES = 20_000
ANSWERS = 15
SETTLE_SECONDS = 1.0
EVENT: Json = {"type": "output", "data": {"text": "hello, this is one line of an agent"}}


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `floor` is what the same work costs without us; `sign` says on which side the target is."""

    name: str
    unit: str
    sign: str
    target: float
    floor: float
    value: float
    floor_is: str

    @property
    def holds(self) -> bool:
        return self.value <= self.target if self.sign == "<=" else self.value >= self.target


def measure_start(rounds: int) -> Iterator[Figure]:
    """From the fork to the first answer; and what it weighs once it is idle."""
    starts, imports, sizes, floors = [], [], [], []
    for _ in range(rounds):
        with idle_daemon() as daemon:
            begun = time.perf_counter()
            daemon.start()
            starts.append(time.perf_counter() - begun)
            time.sleep(SETTLE_SECONDS)
            assert daemon.process is not None
            sizes.append(_resident(Path(f"/proc/{daemon.process.pid}/status").read_text()))
        imports.append(_seconds_of([sys.executable, "-c", BARE_IMPORT]))
        told = subprocess.check_output(
            [sys.executable, "-c", f"{BARE_IMPORT}\nprint(open('/proc/self/status').read())"]
        )
        floors.append(_resident(told.decode()))
    floor = statistics.median(imports)
    yield Figure("start to first answer", "s", "<=", floor + 0.4, floor, statistics.median(starts), "bare import")
    floor = statistics.median(floors)
    yield Figure("idle RSS", "MiB", "<=", floor + 20, floor, statistics.median(sizes), "bare import")


def measure_command_line(rounds: int) -> Iterator[Figure]:
    with fresh_daemon() as daemon:
        daemon.new_session("@hold")
        listed, bare = [], []
        for _ in range(rounds * 3):
            listed.append(1000 * _seconds_of([str(BIN / "tetherctl"), "list"], daemon.environ))
            bare.append(1000 * _seconds_of([sys.executable, "-c", "pass"], daemon.environ))
    floor = statistics.median(bare)
    yield Figure("tetherctl list", "ms", "<=", floor + 60, floor, statistics.median(listed), "bare Python")


def measure_publish(rounds: int) -> Iterator[Figure]:
    """From before the POST to the event in a follower's hands, at a steady pace; medians of the rounds' p50 and p99."""
    rows = [_publish() for _ in range(min(rounds, 3))]
    for name, share, target in (("p50", 0.5, 4.0), ("p99", 0.99, 8.0)):
        floor, value = (statistics.median(_at(row[side], share) for row in rows) for side in (0, 1))
        yield Figure(f"publish to SSE, {name}", "ms", "<=", target, floor, value, "GET /api/health")


def _publish() -> tuple[list[float], list[float]]:
    """Milliseconds of each GET /api/health, and of each event."""
    took, floors = [], []
    with _joined() as (daemon, agent):
        came: dict[str, float] = {}
        stream = daemon.client.follow(f"/api/sessions/{agent.session_id}/events?after=0")
        reader = threading.Thread(target=_note_arrivals, args=(stream, came), daemon=True)
        reader.start()
        for number in range(PUBLISHED):
            due = time.perf_counter() + 1 / PACE
            text = f"published {number}"
            begun = time.perf_counter()
            agent.push({"type": "output", "data": {"text": text}})
            until(lambda wanted=text: wanted in came, text)
            took.append(1000 * (came[text] - begun))
            begun = time.perf_counter()
            agent.get("/api/health")
            floors.append(1000 * (time.perf_counter() - begun))
            time.sleep(max(0.0, due - time.perf_counter()))
    return floors, took


def measure_pushes(rounds: int) -> Iterator[Figure]:
    single, health, batched, inserts = [], [], [], []
    with _joined() as (_, agent):
        batch: Json = {"events": [EVENT] * BATCH}
        for _ in range(rounds):
            single.append(_rate(POSTS, lambda: agent.push(EVENT)))
            health.append(_rate(POSTS, lambda: agent.get("/api/health")))
            batched.append(BATCH * _rate(BATCHES, lambda: agent.push(batch)))
            inserts.append(insert_alone(BATCH, BATCHES))
    median = statistics.median
    yield Figure("single POSTs", "/s", ">=", 500, median(health), median(single), "GET /api/health")
    yield Figure("batched events", "/s", ">=", 20_000, median(inserts), median(batched), "SQLite inserts alone")


def measure_agent_lines(rounds: int) -> Iterator[Figure]:
    rates, floors = [], []
    with fresh_daemon() as daemon:
        for _ in range(rounds):
            session_id = daemon.new_session(f"@lines {LINES}")
            until(lambda one=session_id: daemon.session(one)["turns"] == 1, "the turn")
            until(lambda one=session_id: not daemon.session(one)["turn_open"], "the lines")
            events = daemon.events(session_id)
            begun, ended = of_type(events, "turn_started")[0]["at"], of_type(events, "turn_completed")[0]["at"]
            seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
            rates.append(len(of_type(events, "message_written")) / seconds)
            daemon.post(f"/api/sessions/{session_id}/stop")
            floors.append(agent_alone(LINES, daemon.home))
    median = statistics.median
    yield Figure("agent lines logged", "/s", ">=", 10_000, median(floors), median(rates), "the demo agent alone")


def measure_answer(rounds: int) -> Iterator[Figure]:
    """From before the decision's POST until the agent has acted on it, as its own history file tells."""
    took, floors = [], []
    count = ANSWERS * max(1, rounds // 2)
    with _joined() as (daemon, agent):
        session_id = daemon.new_session("\n".join(["@hold"] * count))
        for _ in range(count):
            approval = daemon.wait_for_approval(session_id)
            (history,) = (daemon.home / ".local" / "share" / "tether-demo").glob("*.jsonl")
            time.sleep(0.05)
            size = history.stat().st_size
            path = f"/api/approvals/{approval['approval_id']}/decision"
            acted: list[float] = []
            watcher = threading.Thread(target=_note_growth, args=(history, size, acted))
            watcher.start()
            begun = time.perf_counter()
            agent.as_person("POST", path, {"decision": "approve"})
            watcher.join()
            took.append(1000 * (acted[0] - begun))
            begun = time.perf_counter()
            agent.get("/api/health")
            floors.append(1000 * (time.perf_counter() - begun))
    median = statistics.median
    yield Figure("approval to agent's stdin", "ms", "<=", 20, median(floors), median(took), "GET /api/health")


def measure_decide(rounds: int) -> Iterator[Figure]:
    """A rule's answer to an approval: reading the command and a thousand rules, without the log."""
    alone, ruled = zip(*((decisions_alone(), decisions_with_rules()) for _ in range(rounds)), strict=True)
    floor, value = statistics.median(alone), statistics.median(ruled)
    yield Figure("decide, 1,000 rules", "ms", "<=", 0.2, floor, value, "decide without rules")


class Joined:
    """A program of its own, that joined by REST over TCP and keeps its connection."""

    def __init__(self, daemon: Daemon) -> None:
        made = daemon.post("/api/sessions", {"name": "Bench", "agent_type": "custom"})
        self.session_id: str = made["id"]
        self._daemon, self._token = daemon, made["token"]
        self._connection = http.client.HTTPConnection("localhost", daemon.port)

    def push(self, body: Json) -> None:
        self._ask("POST", f"/api/sessions/{self.session_id}/events", self._token, orjson.dumps(body))

    def get(self, path: str) -> None:
        self._ask("GET", path, self._token, None)

    def as_person(self, method: str, path: str, body: Json) -> None:
        self._ask(method, path, self._daemon.token, orjson.dumps(body))

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, token: str, body: bytes | None) -> None:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {said[:300]!r}")


@contextmanager
def _joined() -> Iterator[tuple[Daemon, Joined]]:
    with fresh_daemon() as daemon:
        agent = Joined(daemon)
        try:
            yield daemon, agent
        finally:
            agent.close()


def _note_arrivals(stream: Iterator[Any], came: dict[str, float]) -> None:
    for event in stream:
        now = time.perf_counter()
        if event.kind == "message_written":
            came[orjson.loads(event.data)["data"]["text"]] = now


def _note_growth(file: Path, size: int, acted: list[float]) -> None:
    while file.stat().st_size == size:
        time.sleep(0.0002)
    acted.append(time.perf_counter())


def _rate(count: int, deed: Callable[[], None]) -> float:
    begun = time.perf_counter()
    for _ in range(count):
        deed()
    return count / (time.perf_counter() - begun)


def _seconds_of(argv: Sequence[str], environ: dict[str, str] | None = None) -> float:
    begun = time.perf_counter()
    subprocess.run(argv, env=environ, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def _resident(status: str) -> float:
    """MiB, from the text of /proc/PID/status."""
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _at(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


MEASURES = (
    measure_start,
    measure_command_line,
    measure_publish,
    measure_pushes,
    measure_agent_lines,
    measure_answer,
    measure_decide,
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", metavar="WORD", default="", help="those measures whose name holds it")
    args = parser.parse_args()
    if not args.json:
        print(f"{'':<28}{'target':>12}{'floor':>12}{'value':>12}  {'':<6}floor is")
    for measure in MEASURES:
        if args.only not in measure.__name__:
            continue
        for figure in measure(args.rounds):
            if args.json:
                print(json.dumps(asdict(figure) | {"holds": figure.holds}), flush=True)
                continue
            target = f"{figure.sign} {_number(figure.target)}"
            floor, value, verdict = _number(figure.floor), _number(figure.value), "" if figure.holds else "MISSED"
            name = f"{figure.name} ({figure.unit})"
            print(f"{name:<28}{target:>12}{floor:>12}{value:>12}  {verdict:<8}{figure.floor_is}", flush=True)
    return 0


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
