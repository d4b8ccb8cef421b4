"""A daemon with our own workers, whose model says what the prompts script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.agents.workers.kinds import Kind
from tests.e2e.daemon import Daemon, Json, idle_daemon, of_type, until
from tests.e2e.model import KEY, Model, model_api
from tests.emulators.script import prompt


@contextmanager
def worker_daemon(kind: Kind, url: str | None = None) -> Iterator[tuple[Daemon, Model]]:
    """Not started yet; it knows the key and where the model is (`url`: elsewhere)."""
    kind.require()
    with model_api(KEY) as model, idle_daemon() as daemon:
        daemon.environ |= {kind.key: KEY, kind.address: (url or model.url) + kind.path}
        daemon.environ[f"TETHER_{kind.name.upper()}_MODEL"] = kind.model
        yield daemon, model


class Session:
    """One session of a worker, driven through the API as a person would."""

    def __init__(self, daemon: Daemon, kind: Kind, name: str = "work") -> None:
        self.daemon = daemon
        self.kind = kind
        self.directory = daemon.home / name
        self.directory.mkdir(exist_ok=True)
        self.session_id = ""

    def begin(self, *steps: Json, text: str = "", **more: object) -> Session:
        body = {"adapter": self.kind.name, "directory": str(self.directory), **more}
        self.session_id = self.daemon.new_session(prompt(*steps, text=text), **body)
        return self

    def send(self, *steps: Json, text: str = "") -> None:
        self.daemon.post(f"/api/sessions/{self.session_id}/input", {"text": prompt(*steps, text=text)})

    def ask(self, verb: str) -> None:
        """interrupt, stop, resume."""
        self.daemon.post(f"/api/sessions/{self.session_id}/{verb}")

    def waiting(self) -> Json:
        return self.daemon.wait_for_approval(self.session_id)

    def decide(self, decision: str = "approve", **more: object) -> Json:
        """Answer the approval that waits; returns it."""
        approval = self.waiting()
        body = {"decision": decision, "digest": approval["digest"], **more}
        self.daemon.post(f"/api/approvals/{approval['approval_id']}/decision", body)
        return approval

    def turns_done(self, number: int) -> list[Json]:
        """The session's events once so many turns have ended."""

        def look() -> list[Json] | None:
            events = self.daemon.events(self.session_id)
            return events if len(of_type(events, "turn_completed")) >= number else None

        return until(look, f"{number} turns")

    def state(self, *wanted: str) -> Json:
        return self.daemon.wait_for_state(self.session_id, *wanted)


def outcomes(events: list[Json]) -> list[tuple[str, str | None]]:
    """How each turn ended, and why."""
    return [(one["data"]["outcome"], one["data"]["detail"]) for one in of_type(events, "turn_completed")]
