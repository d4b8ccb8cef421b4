"""Agents on this machine: launched, held, settled and forgotten, by run."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import trio

from tetherd import paths, shim
from tetherd.agents.cgroup import Usage, can_freeze, freeze, measure
from tetherd.agents.launcher import Spawn, launch, spawn_detached
from tetherd.agents.process import HeldAgent, hold
from tetherd.agents.rundir import RunDir
from tetherd.agents.sandboxing import NO_SANDBOX, Sandbox
from tetherd.agents.units import UserManager
from tetherd.domain.ids import RunId
from tetherd.errors import Unavailable
from tetherd.logconfig import get_logger
from tetherd.plugin import Launch

RUN_VARIABLE = "TETHER_RUN_ID"
STOP_GRACE_SECONDS = 5.0
STOP_LIMIT_SECONDS = 30.0
LOOK_SECONDS = 0.05
KILL_ROUNDS = 200
"""Each a look at all processes; whoever is left after them cannot be killed."""
PUNCH_HOLE_KEEP_SIZE = 0x02 | 0x01
BLOCK = 4096

log = get_logger(__name__)


class ShimHost:
    """The runtime's AgentHost with real processes behind shims."""

    def __init__(
        self,
        data_dir: Path,
        runtime_dir: Path,
        daemon_epoch: int,
        *,
        units: UserManager | None = None,
        sandbox: Sandbox = NO_SANDBOX,
        spawn: Spawn = spawn_detached,
    ) -> None:
        """`daemon_epoch` rises with every start of the daemon: a shim listens to the newest. With `units` each agent
        is launched as one, else by `spawn`; those that run already are held whichever way they were started."""
        self._runs = paths.runs_dir(data_dir.absolute())
        self._runtime_dir = runtime_dir.absolute()
        self._epoch = daemon_epoch
        self._units = units
        self._sandbox = sandbox
        self._spawn = spawn

    async def launch(self, run_id: RunId, launching: Launch) -> None:
        if launching.limits.sandbox:
            launching = self._sandbox.wrap(launching)
        marked = replace(launching, environment={**launching.environment, RUN_VARIABLE: run_id})
        await launch(self._directory(run_id), self._socket(run_id), run_id, marked, self._spawn, self._units)

    @asynccontextmanager
    async def attach(self, run_id: RunId, cursor: int) -> AsyncIterator[HeldAgent]:
        async with hold(self._directory(run_id), cursor, self._epoch) as held:
            yield held

    async def settle(self, run_id: RunId) -> Literal["held", "ended", "unborn", "lost"]:
        """Raises Unavailable for a run of an unknown ABI: it is shown, and never killed."""
        directory = self._directory(run_id)
        with directory.try_lock() as lock:
            if lock is None and directory.path.is_dir():
                return "held"
            if (status := directory.status()) is not None:
                return "lost" if status.get("lost") else "ended"
            # Under the lock: no shim is coming that inherited it, and one that locks by itself finds `revoked`. A
            # new launch takes `revoked` away, under the same lock; whichever shim comes then starts the same spec.
            if lock is not None:
                directory.revoked.touch(mode=0o600)
            if directory.run() is None:
                return "unborn"
            if self._units is not None:
                await self._units.kill(run_id)
            killed = await trio.to_thread.run_sync(kill_marked, run_id)
            directory.leave_lost()  # now it can be attached to: what it had said before is not lost
        log.warning("run lost", run=run_id, killed=killed)
        return "lost"

    async def kill(self, run_id: RunId) -> None:
        """End the run by force, its shim included: nothing of it obeys any more."""
        run = self._directory(run_id).run()
        if self._units is not None:
            await self._units.kill(run_id)
        await trio.to_thread.run_sync(kill_marked, run_id)
        if run is not None:
            shim.send_signal(run["shim"]["pid"], run["shim"]["start_ticks"], signal.SIGKILL)

    async def usage(self, run_id: RunId) -> Usage | None:
        """What the run uses now; None when it does not run."""
        pid = self._shim_pid(run_id)
        return None if pid is None else await trio.to_thread.run_sync(measure, pid)

    def can_freeze(self, run_id: RunId) -> bool:
        """Is the agent in a control group of its own?"""
        pid = self._shim_pid(run_id)
        return pid is not None and can_freeze(pid)

    def set_frozen(self, run_id: RunId, is_frozen: bool) -> None:
        """Have the agent stand still or go on, if it runs; a file of the kernel's is written, nothing is waited for."""
        pid = self._shim_pid(run_id)
        if pid is None or not can_freeze(pid):
            return
        try:
            freeze(pid, is_frozen)
        except OSError as error:  # it ends just now
            log.warning("cannot freeze or thaw", run=run_id, frozen=is_frozen, why=str(error))

    def _shim_pid(self, run_id: RunId) -> int | None:
        """None when it does not live."""
        run = self._directory(run_id).run()
        if run is None:
            return None
        pid, start = run["shim"]["pid"], run["shim"]["start_ticks"]
        stat = shim.stat_of(pid)
        return pid if stat is not None and stat[2] == start and stat[1] not in "ZX" else None

    async def release(self, run_id: RunId, cursor: int) -> None:
        await trio.to_thread.run_sync(_punch, self._directory(run_id).journal, cursor)

    async def forget(self, run_id: RunId) -> None:
        self._socket(run_id).unlink(missing_ok=True)
        await trio.to_thread.run_sync(lambda: shutil.rmtree(self._directory(run_id).path, ignore_errors=True))

    async def stderr(self, run_id: RunId, limit_bytes: int) -> bytes:
        return await trio.to_thread.run_sync(_tail, self._directory(run_id).err_log, limit_bytes)

    async def unknown_runs(self, known: Collection[RunId]) -> list[RunId]:
        """Directories that no run of `known` owns."""
        try:
            names = sorted(entry.name for entry in self._runs.iterdir() if entry.is_dir())
        except FileNotFoundError:
            return []
        return [RunId(name) for name in names if name not in known]

    async def stop_unknown(self, run_id: RunId) -> bool:
        """End whatever a run without a row has running; its directory stays. True when there was something.

        Raises Unavailable when it cannot be ended, or is of an unknown ABI.
        """
        fate = await self.settle(run_id)
        if fate != "held":
            return fate == "lost"
        directory = self._directory(run_id)
        with trio.move_on_after(STOP_LIMIT_SECONDS):
            async with self.attach(run_id, 0) as held:
                await held.stop(STOP_GRACE_SECONDS)
            while directory.is_held():  # noqa: ASYNC110 - another process's lock rings no bell
                await trio.sleep(LOOK_SECONDS)
            return True
        raise Unavailable(f"run {run_id} does not end")

    def _directory(self, run_id: RunId) -> RunDir:
        if not run_id or "/" in run_id or run_id.startswith("."):
            raise ValueError(f"no name for a directory: {run_id!r}")
        return RunDir(self._runs / run_id)

    def _socket(self, run_id: RunId) -> Path:
        """A hash where the run's name does not fit into a socket's."""
        path = paths.shim_socket(self._runtime_dir, run_id)
        if paths.fits_socket(path):
            return path
        return paths.shim_socket(self._runtime_dir, hashlib.sha256(run_id.encode()).hexdigest()[:12])


def kill_marked(run_id: RunId) -> int:
    """Kill every process of our uid that carries the mark of exactly this run. Returns how many were seen."""
    seen: set[tuple[int, int]] = set()
    quiet = 0
    for _ in range(KILL_ROUNDS):
        marked = _marked(run_id)
        quiet = 0 if marked else quiet + 1
        if quiet == 2:  # one that forked while we looked may have been missed once
            break
        seen |= marked
        for pid, start in marked:
            shim.send_signal(pid, start, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)
    return len(seen)


def _marked(run_id: RunId) -> set[tuple[int, int]]:
    mark = f"{RUN_VARIABLE}={run_id}".encode()
    found = set()
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        stat = shim.stat_of(pid)
        if stat is None or pid == os.getpid() or stat[1] in "ZX":
            continue
        try:
            if os.stat(f"/proc/{pid}").st_uid != os.getuid():
                continue
            with open(f"/proc/{pid}/environ", "rb") as file:
                environ = file.read()
        except OSError:
            continue
        if mark in environ.split(b"\0"):
            found.add((pid, stat[2]))
    return found


def _punch(journal: Path, cursor: int) -> None:
    """Give back whole blocks below the cursor; the file keeps its size. Not every file system can."""
    length = cursor // BLOCK * BLOCK
    if length <= 0:
        return
    try:
        file = os.open(journal, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fallocate = ctypes.CDLL(None).fallocate
        fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
        fallocate(file, PUNCH_HOLE_KEEP_SIZE, 0, length)
    finally:
        os.close(file)


def _tail(path: Path, limit_bytes: int) -> bytes:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit_bytes))
            return file.read(limit_bytes)
    except OSError:
        return b""
