"""What the shim tells of processes that the kernel ended for want of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tetherd import shim
from tetherd.agents.cgroup import ROOT

ASK = "import sys; sys.path.insert(0, sys.argv[1]); import shim; print(shim.oom_kills())"
FAKED = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs {root}
mkdir -p {root}{group}
printf %s '{events}' > {root}{group}/memory.events
exec "$@"
"""


@pytest.mark.parametrize(
    ("events", "kills"),
    [
        ("low 0\nhigh 7\nmax 9\noom 3\noom_kill 2\noom_group_kill 1\n", 2),
        ("oom_kill 0\n", 0),
        ("", 0),
        ("oom_kill many\n", 0),
    ],
)
def test_kills_are_counted_where_the_control_group_tells(events: str, kills: int) -> None:
    """In a mount namespace where a file of ours stands for the kernel's."""
    group = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
    script = FAKED.format(root=ROOT, group=group.rstrip("/"), events=events)
    words = ("unshare", "--mount", "/bin/sh", "-c", script, "sh", sys.executable, "-I", "-S", "-c", ASK)
    done = subprocess.run((*words, str(Path(shim.__file__).parent)), capture_output=True, text=True)
    if "Operation not permitted" in done.stderr:
        pytest.skip("NOT TESTED, the count of out-of-memory kills: mounting is not permitted")
    assert (done.stdout, done.stderr) == (f"{kills}\n", "")
