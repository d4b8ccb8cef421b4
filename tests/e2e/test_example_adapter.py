"""The example adapter, installed beside tetherd as a user would."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon, idle_daemon, messages, of_type

EXAMPLE = Path(__file__).parents[2] / "contrib" / "example-adapter"


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    place = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", str(place), str(EXAMPLE)], check=True, capture_output=True)
    with idle_daemon() as daemon:
        daemon.environ |= {"PYTHONPATH": str(place), "TETHER_AGENT_ENV": "PYTHONPATH"}
        daemon.start()
        yield daemon


def test_it_is_listed_and_works_like_any_other(daemon: Daemon) -> None:
    assert "example" in {agent["adapter"] for agent in daemon.get("/api/agents")["agents"]}
    session = daemon.new_session("hello wörld 🙂!", adapter="toy")
    approval = daemon.wait_for_approval(session)
    assert approval["command"] == "shout hello wörld 🙂!"
    daemon.kill()
    daemon.start()
    daemon.post(f"/api/approvals/{approval['approval_id']}/decision", {"decision": "approve"})
    events = daemon.wait_for_text(session, "HELLO WÖRLD 🙂!")
    assert messages(events)[0] == "hello wörld 🙂! "
    daemon.wait_for_state(session, "awaiting_input")
    daemon.post(f"/api/sessions/{session}/input", {"text": "again!"})
    daemon.wait_for_approval(session)
    daemon.post(f"/api/sessions/{session}/interrupt")
    daemon.wait_for_state(session, "awaiting_input")
    outcomes = [event["data"]["outcome"] for event in of_type(daemon.events(session), "turn_completed")]
    assert outcomes == ["completed", "interrupted"]
