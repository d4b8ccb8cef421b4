"""A full disk below the whole daemon. Needs a small file system of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon, idle_daemon, messages, until
from tetherd.client.client import ApiError

LINES = 30_000
DISK = "48m"


@pytest.fixture
def on_small_disk() -> Iterator[Daemon]:
    """A daemon, not started, whose data lie on a file system that is soon full."""
    with idle_daemon() as daemon:
        daemon.data_dir.mkdir(parents=True, mode=0o700)
        options = f"size={DISK},mode=0700"
        mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(daemon.data_dir)]
        done = subprocess.run(mount, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"NOT TESTED, a full disk: mounting is not permitted ({done.stderr.strip()})")
        try:
            yield daemon
        finally:
            daemon.sweep()
            subprocess.run(["umount", "-l", str(daemon.data_dir)], check=True)


def _fill(disk: Path) -> None:
    """Leave not one page."""
    with pytest.raises(OSError), (disk / "filler").open("ab", buffering=0) as filler:
        while True:
            filler.write(b"f" * 4096)


def _stands_still(journal: Path) -> bool:
    before = os.stat(journal).st_size
    time.sleep(0.5)
    return os.stat(journal).st_size == before


def _journal(daemon: Daemon, session_id: str) -> Path:
    return daemon.data_dir / "runs" / str(daemon.session(session_id)["run_id"]) / "out.journal"


def test_on_a_full_disk_agents_wait_people_still_decide_and_nothing_is_lost(on_small_disk: Daemon) -> None:
    daemon = on_small_disk
    daemon.start()
    assert daemon.process is not None
    held = daemon.new_session("@hold")
    asked = daemon.wait_for_approval(held)["approval_id"]
    joined = daemon.post("/api/sessions", {"name": "Joined", "agent_type": "custom"})["id"]
    push = {"type": "output", "data": {"text": "hello"}}
    daemon.post(f"/api/sessions/{joined}/events", push)
    printing = daemon.new_session(f"@lines {LINES} 100 20")
    until(lambda: daemon.session(printing)["turn_open"], "the first lines")
    time.sleep(0.3)
    _fill(daemon.data_dir)

    with pytest.raises(ApiError) as refused:
        daemon.post(f"/api/sessions/{joined}/events", push)
    assert (refused.value.status, refused.value.code) == (507, "disk_full")
    decided = daemon.post(f"/api/approvals/{asked}/decision", {"decision": "approve"})
    assert decided["resolution"]["answer"]["decision"] == "approve"
    until(lambda: _stands_still(_journal(daemon, printing)), "the agent to be paused")
    assert daemon.session(printing)["turn_open"]
    assert daemon.get("/api/health")["status"] == "ok"

    (daemon.data_dir / "filler").unlink()
    until(lambda: not daemon.session(printing)["turn_open"], "all lines")
    assert messages(daemon.events(printing)) == [f"line {number}\n" for number in range(1, LINES + 1)]
    daemon.wait_for_text(held, "verdict: approve")
    daemon.post(f"/api/sessions/{joined}/events", push)
    assert messages(daemon.events(joined)) == ["hello", "hello"]
    assert daemon.process.poll() is None
    assert "Traceback" not in daemon.log
