"""Is a process one of our agents, or something that an agent started?

Whoever runs below a shim acts for an agent: it may not decide, whatever its uid (docs/security: a speed bump on the
same uid, not a wall). A process that was double-forked hangs below the shim, which is a subreaper.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

SHIM_MARK = b"tetherd/shim.py"
RUN_MARK = b"TETHER_RUN_ID="
UNIT_MARK = b"/tether-agent-"
"""Who is in the control group of an agent's unit stays there, whomever it hangs below."""
DEPTH_LIMIT = 1000


def is_agent_process(pid: int) -> bool:
    """True when `pid` or an ancestor is a shim, carries a run's mark or is in its unit; ancestors of ours do not count.

    An unreadable or vanished process counts as an agent's: deny by default.
    """
    ours = set(_lineage(os.getpid()))
    for ancestor in _lineage(pid):
        if ancestor in ours:
            return False
        if SHIM_MARK in _read(ancestor, "cmdline") or _has_run_mark(_read(ancestor, "environ")):
            return True
        if UNIT_MARK in _read(ancestor, "cgroup"):
            return True
    return not os.path.exists(f"/proc/{pid}")


def _lineage(pid: int) -> Iterator[int]:
    """`pid`, its parent, and so on up to the first process."""
    for _ in range(DEPTH_LIMIT):
        if pid <= 0:
            return
        yield pid
        stat = _read(pid, "stat")
        fields = stat[stat.rfind(b")") + 2 :].split()
        pid = int(fields[1]) if len(fields) > 1 else 0


def _has_run_mark(environ: bytes) -> bool:
    return environ.startswith(RUN_MARK) or b"\0" + RUN_MARK in environ


def _read(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""
