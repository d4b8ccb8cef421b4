"""What is said when the daemon is ready, and the demo session to begin with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trio

from tetherd.control import ListApprovals, fresh_input_id, fresh_session_id
from tetherd.daemon import Daemon
from tetherd.domain.commands import CreateSession, SendInput
from tetherd.domain.ids import DAEMON
from tetherd.logconfig import get_logger
from tetherd.version import own_version

DEMO_PATIENCE_SECONDS = 20.0
PROMPT = "Show me around"

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Demo:
    """A session that waits for an approval, in a scratch repository."""

    directory: Path
    title: str


async def start_demo(daemon: Daemon) -> Demo | None:
    """On an empty log: a demo session that waits for a decision. None when there is something already."""
    if not daemon.is_fresh:
        return None
    directory = daemon.data_dir / "demo"
    await trio.to_thread.run_sync(_make_repository, directory)
    control, session_id = daemon.supervisor, fresh_session_id()
    await control.submit(
        CreateSession(
            session_id=session_id, by=DAEMON, name="Demo", adapter="demo", external=False, directory=str(directory)
        )
    )
    await control.submit(SendInput(session_id=session_id, by=DAEMON, input_id=fresh_input_id(), text=PROMPT))
    with trio.move_on_after(DEMO_PATIENCE_SECONDS):
        await control.wait_for(0, session_id, frozenset({"approval_requested"}))
        asked = await control.ask(ListApprovals(session_id=session_id))
        if asked:
            return Demo(directory, asked[0].approval.title)
    log.warning("the demo session asks nothing yet", session=session_id)
    return None


def _make_repository(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "README.md").write_text("# A project to try things on\n")
    identity = ("-c", "user.name=tetherd", "-c", "user.email=tetherd@localhost", "-c", "commit.gpgsign=false")
    hooks = ("-c", "core.hooksPath=/dev/null", "-c", "init.defaultBranch=main")
    for words in (("init", "--quiet"), ("add", "README.md"), ("commit", "--quiet", "-m", "A project to try things on")):
        try:
            subprocess.run(("git", *identity, *hooks, *words), cwd=directory, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            log.warning("no repository for the demo", why=str(error))
            return


def welcome_lines(daemon: Daemon, demo: Demo | None, fresh_token: str | None, config_dir: Path) -> Sequence[str]:
    """For the terminal that started us: where we are, and the exact next command."""
    command = _how_to_call("tetherctl")
    lines = [f"tetherd {own_version()} is ready at {daemon.url} (Ctrl-C stops it)"]
    if fresh_token is not None:
        lines += [f"a token for clients over TCP was made, shown this once: {fresh_token}"]
        lines += [f"it is kept in {config_dir / 'config.env'}"]
    lines += [f"the web app is there too; to let a browser or a phone in:  {command} pair"]
    if demo is None:
        return [*lines, f"next, in another terminal:  {command} list"]
    return [
        *lines,
        f"a demo session waits for your decision: {demo.title}",
        f"next, in another terminal:  {command} approve",
        f"and see what it did:        git -C {demo.directory} diff",
    ]


def _how_to_call(program: str) -> str:
    """The shortest word by which a shell in this directory finds the program that belongs to us."""
    ours = Path(sys.executable).parent / program
    found = shutil.which(program)
    if not ours.exists() or (found and os.path.realpath(found) == os.path.realpath(ours)):
        return program
    near = os.path.relpath(ours)
    return str(ours) if near.startswith("..") else near
