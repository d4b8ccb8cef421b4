"""Starts a shim for a run, detached from us.

The lock is taken here and inherited: from before the shim exists until after it has ended the run is held, so a free
lock means that none is coming. Never with PR_SET_PDEATHSIG: it fires when the thread ends that started the process.
"""

from __future__ import annotations

import glob
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trio

from tetherd import shim
from tetherd.agents.rundir import RunDir
from tetherd.domain.ids import RunId
from tetherd.domain.limits import Limits
from tetherd.errors import Unavailable
from tetherd.plugin import Launch

READY_SECONDS = 10.0
LOOK_SECONDS = 0.01
SHIM_ENVIRONMENT = {"LC_ALL": "C.UTF-8"}
"""Nothing of ours: a mark of a run in it would make the shim a victim when that run is settled."""


@dataclass(frozen=True, slots=True)
class ShimCommand:
    """What is to be run. `lock` must be inherited; without one (a service manager runs it) the shim locks by itself."""

    directory: Path
    socket: Path
    lock: int | None

    @property
    def argv(self) -> tuple[str, ...]:
        lock = "-" if self.lock is None else str(self.lock)
        return (sys.executable, "-I", "-S", shim.__file__, str(self.directory), str(self.socket), lock)


Spawn = Callable[[ShimCommand], Awaitable[None]]
"""Has the shim started; it need not hold the agent yet. Raises Unavailable with the reason."""


async def spawn_detached(command: ShimCommand) -> None:
    """As a process of its own session that is nobody's child: the shim forks, and what we started ends."""
    assert command.lock is not None
    try:
        done = await trio.run_process(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=SHIM_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
            pass_fds=(command.lock,),
            check=False,
        )
    except OSError as error:
        raise Unavailable(f"cannot run the shim: {error.strerror}") from error
    if done.returncode != 0:
        raise Unavailable(f"the shim ended with {done.returncode}")


class Units(Protocol):
    """A service manager that starts shims, each in a unit of its own."""

    async def start(self, run_id: RunId, command: ShimCommand, limits: Limits) -> None:
        """Returns when the shim says that it is ready. Raises Unavailable."""

    async def is_active(self, run_id: RunId) -> bool:
        """Does the run's unit run, or is it about to?"""


async def launch(
    directory: RunDir, socket: Path, run_id: RunId, launch: Launch, spawn: Spawn, units: Units | None = None
) -> None:
    """Start the agent; returns once a shim holds it, or has said why not in its status. Raises Unavailable.

    An earlier attempt that never came so far as run.json may be repeated. With `units` the shim locks by itself, and
    the unit's name is what keeps a second one from being started meanwhile.
    """
    refused: Unavailable | None = None
    try:
        directory.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with directory.try_lock() as lock:
            if lock is None:
                raise Unavailable(f"run {run_id} is held already")
            if directory.run() is not None or directory.status() is not None:
                raise Unavailable(f"run {run_id} was started before")
            directory.revoked.unlink(missing_ok=True)
            _write_spec(directory, run_id, launch)
            if units is None:
                await spawn(ShimCommand(directory.path, socket, lock))
    except OSError as error:
        raise Unavailable(f"cannot prepare run {run_id}: {error.strerror or error}") from error
    if units is not None:
        try:
            await units.start(run_id, ShimCommand(directory.path, socket, None), launch.limits)
        except Unavailable as error:
            refused = error  # perhaps because a shim of an earlier attempt is on its way
    with trio.move_on_after(READY_SECONDS):
        while directory.is_held() or (refused is not None and units is not None and await units.is_active(run_id)):
            if _is_ready(directory):
                return
            await trio.sleep(LOOK_SECONDS)
    if not _is_ready(directory):
        directory.revoked.touch(mode=0o600)
        if not _is_ready(directory):  # ready since: then the shim looked for the revocation before it was there
            raise refused or Unavailable(f"the shim did not start the agent{_last_words(directory)}")
        directory.revoked.unlink()


def _is_ready(directory: RunDir) -> bool:
    run = directory.run()
    return bool(run and run["agent"]) or directory.status() is not None


def _write_spec(directory: RunDir, run_id: RunId, launch: Launch) -> None:
    shim.write_json(
        str(directory.spec),
        {
            "abi": shim.ABI,
            "run_id": run_id,
            "argv": list(_argv(launch)),
            "env": dict(launch.environment),
            "cwd": launch.directory,
            "limits": launch.limits.model_dump(exclude_none=True),
        },
    )
    os.chmod(directory.spec, 0o600)


def _argv(launch: Launch) -> tuple[str, ...]:
    """Begin anew or go on: the agent's own files say whether there is something to go on with."""
    resumed = launch.resumed
    return resumed.argv if resumed and next(glob.iglob(resumed.only_if), None) else launch.argv


def _last_words(directory: RunDir) -> str:
    try:
        words = directory.err_log.read_text(errors="replace").strip()
    except OSError:
        return ""
    return ": " + words.splitlines()[-1][:300] if words else ""
