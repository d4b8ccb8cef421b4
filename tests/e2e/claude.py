"""A daemon with the real Claude Code, whose model says what the prompts script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.agents.programs import real_program
from tests.e2e.daemon import Daemon, Json, idle_daemon, of_type, until
from tests.e2e.model import KEY, Model, model_api
from tests.emulators.script import Step, prompt

Steps = Step | dict[str, Any]


def call(tool: str, **given: Any) -> dict[str, Any]:
    return {"tool": tool, "input": given}


def bash(command: str, **given: Any) -> dict[str, Any]:
    return call("Bash", command=command, description="of the test", **given)


class Claude:
    """One session of it, driven through the API as a person would."""

    def __init__(self, daemon: Daemon, model: Model, name: str = "work") -> None:
        self.daemon, self.model = daemon, model
        self.directory = daemon.home / name
        self.directory.mkdir(exist_ok=True)
        self.session_id = ""

    def begin(self, *steps: Steps, text: str = "", **more: Any) -> Claude:
        """A new session with a prompt that makes the model do these steps."""
        body = {"adapter": "claude", "directory": str(self.directory), **more}
        self.session_id = self.daemon.new_session(_words(steps, text), **body)
        return self

    def send(self, *steps: Steps, text: str = "", **more: Any) -> None:
        self.daemon.post(f"/api/sessions/{self.session_id}/input", {"text": _words(steps, text), **more})

    def ask(self, verb: str) -> None:
        """interrupt, stop, resume."""
        self.daemon.post(f"/api/sessions/{self.session_id}/{verb}")

    def waiting(self, number: int = 1) -> list[Json]:
        """So many approvals that wait, oldest first."""

        def look() -> list[Json] | None:
            path = f"/api/approvals?state=pending&session={self.session_id}"
            found: list[Json] = self.daemon.get(path)["approvals"]
            return found if len(found) >= number else None

        return until(look, f"{number} approvals")

    def decide(self, approval: Json, decision: str = "approve", **more: Any) -> None:
        body = {"decision": decision, "digest": approval["digest"], **more}
        self.daemon.post(f"/api/approvals/{approval['approval_id']}/decision", body)

    def approve_next(self, **more: Any) -> Json:
        (approval,) = self.waiting()
        self.decide(approval, **more)
        return approval

    def state(self) -> Json:
        return self.daemon.session(self.session_id)

    def turns_done(self, number: int) -> list[Json]:
        """The session's events once so many turns have ended."""

        def look() -> list[Json] | None:
            events = self.daemon.events(self.session_id)
            return events if len(of_type(events, "turn_completed")) >= number else None

        return until(look, f"{number} turns")

    def ended(self) -> Json:
        """The session once its run has ended."""
        return self.daemon.wait_for_state(self.session_id, "ended")

    def end(self) -> None:
        """Stop it, if it is there and runs."""
        if self.session_id and self.state()["state"] not in ("created", "ended"):
            self.ask("stop")
            self.ended()

    def processes(self, mark: str) -> set[int]:
        """Processes of its agents with this in their command line."""
        found = set()
        for pid in self.daemon.agents():
            try:
                line = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line:
                found.add(pid)
        return found


def outcomes(events: list[Json]) -> list[str]:
    return [event["data"]["outcome"] for event in of_type(events, "turn_completed")]


@contextmanager
def claude_daemon(key: str | None = KEY, **environ: str) -> Iterator[tuple[Daemon, Model]]:
    """A daemon that is not started yet, and its model API. Skips where there is no real program."""
    program = real_program("claude")
    with model_api() as model, idle_daemon() as daemon:
        daemon.environ |= {"TETHER_CLAUDE_COMMAND": str(program), "ANTHROPIC_BASE_URL": model.url}
        daemon.environ |= {"CLAUDE_CODE_MAX_RETRIES": "1", **environ}
        if key is not None:
            daemon.environ["ANTHROPIC_API_KEY"] = key
        yield daemon, model


def _words(steps: tuple[Steps, ...], text: str) -> str:
    return prompt(*steps, text=text) if steps else text
