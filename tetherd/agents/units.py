"""Agents as transient services of the user's systemd.

A service and not a scope: the manager starts the shim, so it inherits nothing of the daemon's own hardening. The unit
is the agent's control group: it is limited, measured, frozen and killed as a whole, whoever forked how often in it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from tetherd.agents.cgroup import ROOT as CGROUP_ROOT
from tetherd.agents.launcher import SHIM_ENVIRONMENT, ShimCommand
from tetherd.domain.ids import RunId
from tetherd.domain.limits import Limits
from tetherd.errors import Unavailable

OLDEST_VERSION = 252
ASK_SECONDS = 15.0
START_SECONDS = 20.0
"""For systemd to say that the shim is ready; TimeoutStartSec below is shorter, so that it is systemd who gives up."""
PROPERTIES = (
    "NotifyAccess=main",
    "KillMode=mixed",
    # the shim keeps its agent in a control group below its own, which can be frozen without it
    "Delegate=yes",
    "TimeoutStartSec=15s",
    "TimeoutStopSec=10s",
    # the kernel ends the largest process, often a compiler that the agent started; the agent sees that and goes on
    "OOMPolicy=continue",
)
_PASSED = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "PATH")
_ENFORCED_BY = {"memory": "memory limits", "pids": "limits of tasks", "cpu": "CPU weights"}


@dataclass(frozen=True, slots=True)
class NoUnits:
    """Why agents are not units here, in a sentence."""

    why: str


class UserManager:
    """The user's systemd, as far as agents need it. Made by find_user_manager()."""

    def __init__(self, environ: Mapping[str, str], controllers: frozenset[str]) -> None:
        self._environ = dict(environ)
        self.controllers = controllers

    @property
    def missing(self) -> tuple[str, ...]:
        """What limits would not do, in sentences."""
        return tuple(
            f"{what} are accepted and not enforced: this user's systemd has no {name} controller"
            for name, what in _ENFORCED_BY.items()
            if name not in self.controllers
        )

    async def start(self, run_id: RunId, command: ShimCommand, limits: Limits) -> None:
        """Have the shim started in its unit; returns when it says that it is ready. Raises Unavailable."""
        words = ["systemd-run", "--user", "--quiet", "--collect", "--service-type=notify", "--slice=tether.slice"]
        words += [f"--unit={unit_of(run_id)}", f"--description=Tether agent, run {run_id}"]
        words += [f"--property={one}" for one in (*PROPERTIES, *_limiting(limits))]
        words += [f"--setenv={key}={value}" for key, value in SHIM_ENVIRONMENT.items()]
        words += ["--", *map(_literally, command.argv)]
        code, said = await self._ask(words, START_SECONDS)
        if code != 0:
            raise Unavailable(f"systemd did not start the agent's unit: {said}")

    async def run(self, words: list[str]) -> tuple[int, str]:
        """Run a program in a unit of its own to its end: its exit code, and the first line of what it said."""
        front = ["systemd-run", "--user", "--quiet", "--collect", "--wait", "--pipe", "--slice=tether.slice", "--"]
        return await self._ask([*front, *map(_literally, words)], START_SECONDS)

    async def is_active(self, run_id: RunId) -> bool:
        """Does the unit run, or is it about to?"""
        code, _ = await self._ask(["systemctl", "--user", "is-active", unit_of(run_id)], ASK_SECONDS)
        if code == 0:
            return True
        _, state = await self._ask(_show(run_id, "ActiveState"), ASK_SECONDS)
        return state in ("activating", "deactivating", "reloading")

    async def kill(self, run_id: RunId) -> None:
        """SIGKILL to all that is in the unit, the shim included; nothing when there is no such unit."""
        # --kill-who: the name that 252 knows; newer ones take it, too
        words = ["systemctl", "--user", "kill", "--kill-who=all", "--signal=SIGKILL", unit_of(run_id)]
        await self._ask(words, ASK_SECONDS)

    async def _ask(self, words: list[str], seconds: float) -> tuple[int, str]:
        return await run(words, seconds, self._environ)


def _literally(word: str) -> str:
    """systemd would put the value of a variable where it sees a dollar."""
    return word.replace("$", "$$")


def unit_of(run_id: RunId) -> str:
    return f"tether-agent-{run_id}.service"


async def find_user_manager(environ: Mapping[str, str]) -> UserManager | NoUnits:
    """The manager, once it has really started a unit with limits: anything less may be a promise only."""
    passed = {key: environ[key] for key in _PASSED if key in environ}
    if "XDG_RUNTIME_DIR" not in passed:
        return NoUnits("there is no XDG_RUNTIME_DIR, where a user's systemd would be")
    code, said = await run(["systemctl", "--user", "show", "--property=Version", "--value"], ASK_SECONDS, passed)
    if code != 0:
        return NoUnits(f"no systemd of this user answers: {said}")
    version = re.match(r"\d+", said)
    if version is None or int(version[0]) < OLDEST_VERSION:
        return NoUnits(f"systemd {said} is too old, {OLDEST_VERSION} is needed")
    trial = ["systemd-run", "--user", "--quiet", "--collect", "--wait", "--slice=tether.slice"]
    trial += [f"--property={one}" for one in _limiting(Limits(memory_max_bytes=2**30, tasks_max=64))]
    code, said = await run([*trial, "--", "/bin/true"], START_SECONDS, passed)
    if code != 0:
        return NoUnits(f"systemd starts no unit for us: {said}")
    _, group = await run(["systemctl", "--user", "show", "--property=ControlGroup", "--value"], ASK_SECONDS, passed)
    return UserManager(passed, _controllers(group))


def _controllers(group: str) -> frozenset[str]:
    if CGROUP_ROOT is None:
        return frozenset()
    try:
        return frozenset(Path(f"{CGROUP_ROOT}{group}/cgroup.controllers").read_text().split())
    except OSError:
        return frozenset()


def _limiting(limits: Limits) -> list[str]:
    properties = {
        "MemoryMax": limits.memory_max_bytes,
        "MemoryHigh": limits.memory_high_bytes,
        "CPUWeight": limits.cpu_weight,
        "TasksMax": limits.tasks_max,
    }
    return [f"{name}={value}" for name, value in properties.items() if value is not None]


def _show(run_id: RunId, name: str) -> list[str]:
    return ["systemctl", "--user", "show", f"--property={name}", "--value", unit_of(run_id)]


async def run(words: list[str], seconds: float, environ: Mapping[str, str]) -> tuple[int, str]:
    """Exit code, and the first line of what was said."""
    with trio.move_on_after(seconds):
        try:
            done = await trio.run_process(
                words, stdin=subprocess.DEVNULL, capture_stdout=True, capture_stderr=True, check=False, env=environ
            )
        except OSError as error:
            return 127, f"cannot run {words[0]}: {error.strerror}"
        said = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        return done.returncode, said[0] if said else f"{words[0]}: {how}" if done.returncode else ""
    return 124, f"{words[0]} does not answer"
