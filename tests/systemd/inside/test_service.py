"""The daemon as a service: it comes up, is started by its sockets, dies when stuck, and says what is wrong."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.daemon import BIN, until
from tests.systemd.inside.managed import HOME, SERVICE, UNITS, ManagedDaemon, journal, managed_daemon, shown, systemctl
from tetherd.client.client import ApiError

SOCKETS = ("tetherd.socket", "tetherd-http.socket")


@pytest.mark.sample
def test_it_is_active_when_it_answers(daemon: ManagedDaemon) -> None:
    assert (daemon.state, shown(SERVICE, "SubState"), shown(SERVICE, "Type")) == ("active", "running", "notify")
    assert daemon.get("/api/status")["unit"] == SERVICE
    until(lambda: "0 sessions run" in shown(SERVICE, "StatusText"), "its status line")
    for name in SOCKETS:
        assert (shown(name, "ActiveState"), shown(name, "UnitFileState")) == ("active", "enabled")
    assert shown(SERVICE, "UnitFileState") == "enabled"


def test_its_units_are_without_fault(daemon: ManagedDaemon) -> None:
    files = [str(file) for file in UNITS.iterdir() if file.is_file()]
    assert len(files) == 4
    done = subprocess.run(("systemd-analyze", "--user", "verify", *files), capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.sample
def test_a_command_starts_a_daemon_that_was_stopped(daemon: ManagedDaemon) -> None:
    systemctl("stop", SERVICE)
    assert daemon.state == "inactive"
    done = daemon.tetherctl("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert daemon.state == "active"


def test_http_starts_it_too(daemon: ManagedDaemon) -> None:
    systemctl("stop", SERVICE)
    asked = daemon.run(["curl", "--silent", "--max-time", "60", f"{daemon.url}/api/health"])
    assert '"status":"ok"' in asked.stdout


def test_shutdown_stops_the_unit_and_it_stays_stopped(daemon: ManagedDaemon) -> None:
    done = daemon.tetherctl("shutdown", "--yes")
    assert done.returncode == 0, done.stderr
    assert "has stopped" in done.stdout
    assert daemon.state == "inactive"
    assert shown(SERVICE, "Result") == "success"
    assert daemon.tetherctl("service", "status").stdout.splitlines()[0] == "service    inactive"
    assert daemon.state == "inactive"


# -- the watchdog ------------------------------------------------------------------------------------------------

STUCK = """
import os, time
from tetherd.agents.adapters.demo import DemoAdapter
class StuckOnce(DemoAdapter):
    name = "stuck"
    def codec(self, spec, snapshot):
        mark = os.path.expanduser("~/stuck-once")
        if not os.path.exists(mark):
            open(mark, "w").close()
            time.sleep(3600)
        return super().codec(spec, snapshot)
"""


def test_a_stuck_loop_is_restarted_and_shows_where_it_stood(daemon: ManagedDaemon, tmp_path: Path) -> None:
    metadata = tmp_path / "stuck-1.dist-info"
    metadata.mkdir()
    (tmp_path / "stuck_adapter.py").write_text(STUCK)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: stuck\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[tetherd.agents]\nstuck = stuck_adapter:StuckOnce\n")
    daemon.drop_in("WatchdogSec=2", f"Environment=PYTHONPATH={tmp_path}")
    daemon.restart()
    before = daemon.pid
    with pytest.raises(Exception, match=r"tetherd|daemon"):  # whoever asks a stuck daemon gets no answer
        daemon.new_session("@echo a", adapter="stuck")
    until(lambda: daemon.pid not in (None, before) and daemon.state == "active", "another life")
    assert "stuck_adapter.py" in journal()
    assert "Watchdog timeout" in journal()
    (HOME / "stuck-once").unlink()


def test_a_slow_disk_is_no_reason_to_restart(daemon: ManagedDaemon) -> None:
    """Another process holds the database's lock: the writer waits, as it would for a disk, longer than the watchdog."""
    daemon.drop_in("WatchdogSec=2")
    daemon.restart()
    daemon.get("/api/status")
    before = daemon.pid
    other = sqlite3.connect(daemon.data_dir / "tether.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begun = time.monotonic()
    with pytest.raises(ApiError) as refused:  # after the ten seconds for which the writer waits
        daemon.new_session("@echo a")
    waited = time.monotonic() - begun
    other.execute("ROLLBACK")
    other.close()
    assert refused.value.is_passing
    assert waited > 4, "the disk was not slow enough to prove anything"
    assert (daemon.pid, daemon.state, shown(SERVICE, "NRestarts")) == (before, "active", "0")
    daemon.wait_for_text(daemon.new_session("@echo a"), "echo 1 ")


# -- what goes wrong ---------------------------------------------------------------------------------------------


@pytest.mark.sample
def test_a_wrong_setting_stops_it_for_good_with_one_clear_line(daemon: ManagedDaemon) -> None:
    daemon.configure("TETHER_AGENT_PORT=many\n")
    since = journal()
    systemctl("restart", SERVICE)
    until(lambda: daemon.state == "failed", "it to give up")
    assert shown(SERVICE, "ExecMainStatus") == "78"
    said = [line for line in journal().removeprefix(since).splitlines() if line.startswith("tetherd: ")]
    assert len(said) == 1
    assert "config.env" in said[0]
    assert "TETHER_AGENT_PORT='many' cannot be used" in said[0]
    # whoever asks learns it too, once, and nothing spins
    done = daemon.tetherctl("status")
    assert done.returncode == 78
    assert "TETHER_AGENT_PORT='many' cannot be used" in done.stderr
    until(lambda: daemon.state == "failed", "it to give up again")
    starts = journal().count("Starting tetherd.service")
    for name in SOCKETS:
        assert shown(name, "ActiveState") == "active"
    file = HOME / ".config" / "tether" / "config.env"
    file.write_text(file.read_text().replace("TETHER_AGENT_PORT=many\n", ""))
    assert journal().count("Starting tetherd.service") == starts
    assert daemon.tetherctl("status").returncode == 0


def test_a_crash_loop_leaves_the_sockets_alive(daemon: ManagedDaemon) -> None:
    crashing = HOME / "crashing"
    crashing.write_text("#!/bin/sh\nexit 70\n")
    crashing.chmod(0o755)
    daemon.drop_in("ExecStart=", f"ExecStart={crashing}")
    systemctl("stop", SERVICE)
    knocking = subprocess.Popen(
        [str(BIN / "tetherctl"), "list"],
        env=daemon.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: int(shown(SERVICE, "NRestarts") or 0) >= 30, "thirty crashes")
    assert [shown(name, "ActiveState") for name in SOCKETS] == ["active", "active"]
    (UNITS / f"{SERVICE}.d" / "test.conf").unlink()
    systemctl("daemon-reload")
    assert knocking.communicate(timeout=60)[1] == ""
    assert knocking.returncode == 0
    assert daemon.state == "active"


def test_a_daemon_in_a_terminal_is_not_pushed_aside(daemon: ManagedDaemon) -> None:
    assert daemon.tetherctl("service", "uninstall", "--yes").returncode == 0
    with (HOME / "log").open("w") as log:
        foreground = subprocess.Popen([str(BIN / "tetherd")], env=daemon.environ, stdout=log, stderr=log, cwd=HOME)
    daemon.process = foreground
    try:
        daemon.first_answer("/api/status")
        done = daemon.tetherctl("service", "install")
        assert done.returncode == 1
        assert "runs already, and not as a service" in done.stderr
        assert daemon.get("/api/status")["unit"] is None
        assert not list(UNITS.glob("tether*"))
    finally:
        daemon.process = None
        foreground.terminate()
        foreground.wait(60)


# -- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.sample
def test_reload_takes_new_settings_and_says_what_must_wait(daemon: ManagedDaemon) -> None:
    pid = daemon.pid
    daemon.configure("TETHER_AGENT_ADAPTER=acp\nTETHER_ACP_COMMAND=/bin/true\nTETHER_AGENT_PORT=9999\n")
    systemctl("reload", SERVICE)
    until(lambda: "settings reloaded" in journal(), "the reload")
    said = [line for line in journal().splitlines() if "setting" in line]
    assert 'changed="TETHER_AGENT_ADAPTER, TETHER_ACP_COMMAND"' in said[-2]
    assert "count from the next start on settings=TETHER_AGENT_PORT" in said[-1]
    until(lambda: shown(SERVICE, "SubState") == "running", "it to be ready again")
    (default,) = [agent for agent in daemon.get("/api/agents")["agents"] if agent["default"]]
    assert (default["adapter"], default["program"]) == ("acp", "/bin/true")
    daemon.configure("TETHER_AGENT_LOG_LEVEL=loud\n")
    systemctl("reload", SERVICE)
    until(lambda: "settings not reloaded" in journal(), "the refusal")
    assert (daemon.pid, daemon.state) == (pid, "active")


def test_a_socket_unit_for_other_settings_is_said(daemon: ManagedDaemon) -> None:
    daemon.configure("TETHER_AGENT_PORT=9999\n")
    daemon.restart()
    assert "tetherctl service install" in daemon.get("/api/status")["warnings"][0]
    daemon.install()
    daemon.port = 9999
    assert daemon.first_answer("/api/status")["url"] == "http://localhost:9999"
    assert daemon.get("/api/status")["warnings"] == []


# -- install and uninstall ---------------------------------------------------------------------------------------


def test_the_token_of_the_first_start_is_not_in_the_journal(daemon: ManagedDaemon) -> None:
    token = (HOME / ".config" / "tether" / "config.env").read_text().partition("=")[2].strip()
    assert len(token) > 20
    assert token not in journal("--all")


def test_uninstall_leaves_no_unit(daemon: ManagedDaemon) -> None:
    done = daemon.tetherctl("service", "uninstall", "--yes")
    assert done.returncode == 0, done.stderr
    assert not [file for file in UNITS.rglob("*") if not file.is_dir()]
    assert [shown(name, "LoadState") for name in (SERVICE, *SOCKETS)] == ["not-found"] * 3
    assert daemon.tetherctl("status").returncode == 3


def test_it_stops_in_time_and_sigabrt_is_not_needed(daemon: ManagedDaemon) -> None:
    pid = daemon.pid
    assert pid is not None
    systemctl("stop", SERVICE)
    assert (shown(SERVICE, "Result"), shown(SERVICE, "ExecMainStatus")) == ("success", "0")
    assert not Path(f"/proc/{pid}").exists()
    with managed_daemon() as again:
        assert again.pid not in (None, pid)
        os.kill(again.pid or 0, signal.SIGTERM)  # from whomever: systemd starts the next one
        until(lambda: again.pid not in (None, pid) and again.state == "active", "the next life")


def test_the_journal_can_be_asked_for_a_session_and_an_approval(daemon: ManagedDaemon) -> None:
    session_id = daemon.new_session("@hold")
    other = daemon.new_session("@echo a")
    daemon.wait_for_text(other, "echo 1 ")
    asked = daemon.wait_for_approval(session_id)
    daemon.post(f"/api/approvals/{asked['approval_id']}/decision", {"decision": "approve"})
    until(lambda: "approval closed" in journal(f"TETHER_APPROVAL={asked['approval_id']}"), "its line")
    assert journal(f"TETHER_APPROVAL={asked['approval_id']}").count("\n") == 2
    said = journal(f"TETHER_SESSION={session_id}")
    assert f"session={session_id}" in said
    assert other not in said
    done = daemon.tetherctl("service", "logs", "--session", session_id)
    assert "approval closed" in done.stdout, done.stderr
    fields = json.loads(journal("--output=json", f"TETHER_APPROVAL={asked['approval_id']}").splitlines()[-1])
    assert (fields["TETHER_ANSWER"], fields["TETHER_BY"], fields["PRIORITY"]) == ("approve", "actor", "6")
    assert "Z info" not in journal()
