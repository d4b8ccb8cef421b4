"""A daemon of its own: a real process with a home, a port and data that nobody else has."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson

from tetherd.client.client import ApiError, Client, DaemonUnreachable

PATIENCE = 60.0
LOOK_SECONDS = 0.005
BIN = Path(sys.executable).parent

Json = dict[str, Any]
T = TypeVar("T")


def until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """The first answer of `look` that is not None or False. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"waited {seconds:.0f} s for {what}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """One life after another on the same data. `client` goes through the control socket and needs no token."""

    def __init__(self, home: Path) -> None:
        """`home` must have a short path: the sockets of the shims lie below it."""
        self.home = home
        self.port = free_port()
        self.data_dir = home / "state" / "tether"
        self.environ = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "XDG_RUNTIME_DIR": str(home / "run"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CONFIG_HOME": str(home / "config"),
            "TETHER_AGENT_DATA_DIR": str(self.data_dir),
        }
        self.client = Client(home / "run" / "tetherd" / "control.sock")
        self.process: subprocess.Popen[bytes] | None = None
        (home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def output(self) -> str:
        """What all lives have written to stdout."""
        return (self.home / "out.txt").read_text()

    @property
    def log(self) -> str:
        return (self.home / "err.txt").read_text(errors="replace")

    @property
    def token(self) -> str:
        """The root token that the first start made."""
        text = (self.home / "config" / "tether" / "config.env").read_text()
        return text.partition("TETHER_AGENT_TOKEN=")[2].splitlines()[0]

    def spawn(self, *flags: str) -> subprocess.Popen[bytes]:
        """Start it, and do not wait."""
        argv = (sys.executable, "-m", "tetherd", "--port", str(self.port), *flags)
        with (self.home / "out.txt").open("ab") as out, (self.home / "err.txt").open("ab") as err:
            self.process = subprocess.Popen(
                argv, cwd=self.home, env=self.environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        return self.process

    def start(self, *flags: str) -> Json:
        """Start it; returns its status, the first that it gives."""
        self.spawn(*flags)
        return self.first_answer("/api/status")

    def first_answer(self, path: str) -> Json:
        """The first answer to a GET since the start; as long as it recovers there is none."""

        def ask() -> Json | None:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self.process.returncode}: {self.log[-2000:]}")
            try:
                return self.client.request("GET", path)
            except DaemonUnreachable:
                return None
            except ApiError as error:
                if not error.is_passing:
                    raise
                return None

        return until(ask, f"an answer to {path}")

    def kill(self) -> None:
        """kill -9; returns when it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, number: int = signal.SIGTERM, seconds: float = PATIENCE) -> tuple[int, float]:
        """Signal it; the exit code and how long it took."""
        assert self.process is not None
        begun = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(seconds), time.monotonic() - begun

    # -- what tests ask of it ----------------------------------------------------------------------------------------

    def get(self, path: str) -> Json:
        return self.client.request("GET", path)

    def post(self, path: str, body: Json | None = None, *, key: str | None = None) -> Json:
        return self.client.request("POST", path, body or {}, key=key)

    def new_session(self, prompt: str | None = None, **more: Any) -> str:
        """The id of a demo session in a directory of its own."""
        directory = self.home / "work"
        directory.mkdir(exist_ok=True)
        body = {"name": "Test", "adapter": "demo", "directory": str(directory), **more}
        return str(self.post("/api/sessions", body | ({"prompt": prompt} if prompt else {}))["session_id"])

    def session(self, session_id: str) -> Json:
        return self.get(f"/api/sessions/{session_id}")

    def wait_for_state(self, session_id: str, *states: str) -> Json:
        def look() -> Json | None:
            session = self.session(session_id)
            return session if session["state"] in states else None

        return until(look, f"{session_id} to be {' or '.join(states)}")

    def wait_for_approval(self, session_id: str | None = None) -> Json:
        """The oldest approval that waits."""
        query = f"&session={session_id}" if session_id else ""

        def look() -> Json | None:
            waiting = self.get(f"/api/approvals?state=pending{query}")["approvals"]
            return waiting[0] if waiting else None

        return until(look, "an approval")

    def events(self, session_id: str | None = None) -> list[Json]:
        """The whole log, or one session's, as a new follower reads it."""
        last = self.session(session_id)["last_seq"] if session_id else self.get("/api/status")["seq"]
        path = f"/api/sessions/{session_id}/events" if session_id else "/api/events"
        events: list[Json] = []
        while not events or events[-1]["seq"] < last:
            for event in self.client.follow(f"{path}?live=false&after={events[-1]['seq'] if events else 0}"):
                if event.event_id is not None:
                    events.append(orjson.loads(event.data))
                    if events[-1]["seq"] >= last:
                        break
        return events

    def wait_for_text(self, session_id: str, text: str) -> list[Json]:
        """The session's events once a message holds `text`."""

        def look() -> list[Json] | None:
            events = self.events(session_id)
            return events if any(text in said for said in messages(events)) else None

        return until(look, f"{text!r}")

    def tetherctl(self, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return self.run([str(BIN / "tetherctl"), *words], cwd=cwd)

    def run(self, argv: Sequence[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program as the daemon's user would in another terminal."""
        return subprocess.run(
            argv, cwd=cwd or self.home, env=self.environ, stdin=subprocess.DEVNULL, text=True, capture_output=True
        )

    # -- its processes -----------------------------------------------------------------------------------------------

    def shims(self) -> set[int]:
        """Shims are known by the data directory in their command line."""
        mark = os.fsencode(f"{self.data_dir}/runs/")
        return {pid for pid in _pids() if mark in _read(pid, "cmdline")}

    def agents(self) -> set[int]:
        """Agents, and all that they started, are known by the home that they got from us."""
        mark = os.fsencode(f"HOME={self.home}")
        own = {self.process.pid} if self.process else set()
        return {pid for pid in _pids() if mark in _read(pid, "environ").split(b"\0")} - own

    def sweep(self) -> None:
        """End whatever is left of it."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for look in (self.agents, self.shims):
            for pid in look():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        until(lambda: not (self.shims() | self.agents()), "the agents and shims to be gone")


@contextmanager
def idle_daemon() -> Iterator[Daemon]:
    """A daemon that is not started yet, and of which nothing is left at the end."""
    home = Path(tempfile.mkdtemp(prefix="td-", dir="/tmp"))
    daemon = Daemon(home)
    try:
        yield daemon
    finally:
        daemon.sweep()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def fresh_daemon(*flags: str) -> Iterator[Daemon]:
    """A daemon that answers."""
    with idle_daemon() as daemon:
        daemon.start(*flags)
        yield daemon


def messages(events: Sequence[Json]) -> list[str]:
    """The texts of an agent's messages in the order in which they began, put together from their parts."""
    texts: dict[str, str] = {}
    for event in events:
        if event["type"] == "message_written":
            part = event["data"]
            before = texts.get(part["message_id"], "").encode("utf-16-le")[: part["offset"] * 2]
            texts[part["message_id"]] = before.decode("utf-16-le") + part["text"]
    return list(texts.values())


def of_type(events: Sequence[Json], *types: str) -> list[Json]:
    return [event for event in events if event["type"] in types]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it has ended, or is another user's
        return b""
