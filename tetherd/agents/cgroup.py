"""Control groups, read: what a process tree uses, and whether the kernel had to end some of it.

cgroups(7), and Documentation/admin-guide/cgroup-v2.rst of the kernel. A file is missing where its controller is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tetherd import shim

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def _mounted_at() -> str | None:
    """Where the second version is mounted: below it are the paths that /proc/PID/cgroup names."""
    try:
        lines = Path("/proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        before, _, after = line.partition(" - ")
        if after.split()[:1] == ["cgroup2"]:
            return before.split()[4]
    return None


ROOT = _mounted_at()


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run uses. `cpu_seconds` since its start; processes that have ended count where a control group can tell.

    `unit` is the agent's unit in systemd, None for a detached one.
    """

    unit: str | None
    memory_bytes: int
    cpu_seconds: float
    tasks: int


def measure(shim_pid: int) -> Usage | None:
    """The shim, its agent and all that it started; None when they are gone."""
    if shim.stat_of(shim_pid) is None:
        return None
    group = _group_of(shim_pid)
    if group is None or not group.name.startswith("tether-agent-"):
        pids = [shim_pid, *(pid for pid, _ in shim.descendants(shim_pid))]
        return Usage(None, _resident_bytes(pids), _cpu_seconds(pids), _threads(pids))
    pids = [int(pid) for part in (group, group / shim.AGENT_GROUP) for pid in _text(part / "cgroup.procs").split()]
    memory, tasks = _text(group / "memory.current"), _text(group / "pids.current")
    used = re.search(r"^usage_usec (\d+)", _text(group / "cpu.stat"), re.MULTILINE)
    return Usage(
        group.name,
        int(memory) if memory else _resident_bytes(pids),
        int(used[1]) / 1_000_000 if used else _cpu_seconds(pids),
        int(tasks) if tasks else _threads(pids),
    )


def can_freeze(shim_pid: int) -> bool:
    """Is its agent in a control group that we may freeze?"""
    file = _freezer(shim_pid)
    return file is not None and os.access(file, os.W_OK)


def freeze(shim_pid: int, is_frozen: bool) -> None:
    """Have its agent and all that it started stand still, or go on. Raises OSError where can_freeze() is False."""
    file = _freezer(shim_pid)
    if file is None:
        raise FileNotFoundError("no control group of the agent's own")
    file.write_text("1" if is_frozen else "0")


def _freezer(shim_pid: int) -> Path | None:
    group = _group_of(shim_pid)
    if group is None or not group.name.startswith("tether-agent-"):
        return None
    return group / shim.AGENT_GROUP / "cgroup.freeze"


def _group_of(pid: int) -> Path | None:
    found = re.search(r"^0::(/.*)$", _text(Path(f"/proc/{pid}/cgroup")), re.MULTILINE)
    return Path(f"{ROOT}{found[1]}") if found and ROOT is not None else None


def _resident_bytes(pids: Collection[int]) -> int:
    """Pages that several processes share count in each."""
    fields = [_text(Path(f"/proc/{pid}/statm")).split() for pid in pids]
    return sum(int(of[1]) for of in fields if len(of) > 1) * PAGE_BYTES


def _cpu_seconds(pids: Collection[int]) -> float:
    """Their own, and of those of their children that have ended: utime to cstime of proc(5)."""
    stats = [_text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split() for pid in pids]
    return sum(int(ticks) for of in stats if len(of) > 14 for ticks in of[11:15]) / TICKS_PER_SECOND


def _threads(pids: Collection[int]) -> int:
    total = 0
    for pid in pids:
        try:
            total += len(os.listdir(f"/proc/{pid}/task"))
        except OSError:
            continue
    return total


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
