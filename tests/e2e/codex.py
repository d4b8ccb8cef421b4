"""A daemon with the real Codex, whose model says what the prompts script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.agents.codex_talk import CONFIG
from tests.agents.programs import real_program
from tests.e2e.claude import Claude, Steps
from tests.e2e.daemon import Daemon, idle_daemon
from tests.e2e.model import KEY, Model, model_api


class Codex(Claude):
    """One session of it, driven through the API as a person would."""

    def begin(self, *steps: Steps, text: str = "", **more: Any) -> Codex:
        super().begin(*steps, text=text, **{"adapter": "codex", **more})
        return self

    def programs(self) -> set[int]:
        """The processes of Codex itself: npm's wrapper and the program."""
        mark = f"TETHER_RUN_ID={self.state()['run_id']}".encode()
        return {
            pid
            for pid in self.processes("app-server")
            if mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        }


def shell(command: str, **given: Any) -> dict[str, Any]:
    return {"tool": "exec_command", "input": {"cmd": command, **given}}


def patch(*lines: str) -> dict[str, Any]:
    return {"tool": "apply_patch", "text": "\n".join(("*** Begin Patch", *lines, "*** End Patch", ""))}


@contextmanager
def codex_daemon(
    *, more: str = "", tables: str = "", retries: int = 0, key: str | None = KEY, **environ: str
) -> Iterator[tuple[Daemon, Model]]:
    """A daemon that is not started yet, and its model API. Skips where there is no real program."""
    program = real_program("codex")
    with model_api() as model, idle_daemon() as daemon:
        settings = daemon.home / ".codex"
        settings.mkdir()
        (settings / "config.toml").write_text(CONFIG.format(url=model.url, more=more, tables=tables, retries=retries))
        daemon.environ |= {"TETHER_CODEX_COMMAND": str(program), "CODEX_HOME": str(settings)}
        daemon.environ |= {"TETHER_AGENT_ENV": "SCRIPTED_KEY", **environ}
        if key is not None:
            daemon.environ["SCRIPTED_KEY"] = key
        yield daemon, model
