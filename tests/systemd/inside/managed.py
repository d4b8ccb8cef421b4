"""The daemon as the test user's service, by `tetherctl service install`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.daemon import BIN, PATIENCE, Daemon, until
from tetherd.client.client import Client

HOME = Path(os.environ.get("HOME", "/"))
RUNTIME = Path(os.environ.get("XDG_RUNTIME_DIR", "/"))
UNITS = HOME / ".config" / "systemd" / "user"
SERVICE = "tetherd.service"


def systemctl(*words: str) -> str:
    """`systemctl --user`; what it says, whether it succeeds or not."""
    done = subprocess.run(("systemctl", "--user", *words), text=True, capture_output=True, timeout=PATIENCE)
    return (done.stdout + done.stderr).strip()


def shown(unit: str, name: str) -> str:
    """A property of a unit."""
    return systemctl("show", f"--property={name}", "--value", unit)


def journal(*words: str) -> str:
    """What the service has logged, oldest first."""
    subprocess.run(("journalctl", "--user", "--sync"), capture_output=True)
    said = ("journalctl", "--user", "--output=cat", "--no-pager", *words, f"--user-unit={SERVICE}")
    return subprocess.run(said, text=True, capture_output=True).stdout


class ManagedDaemon(Daemon):
    """The e2e daemon's questions, asked of the service; its lives are systemd's to begin and to end."""

    def __init__(self) -> None:
        self.home = HOME
        self.port = 8787
        self.data_dir = HOME / ".local" / "state" / "tether"
        keep = ("HOME", "USER", "LOGNAME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "LANG")
        self.environ = {key: os.environ[key] for key in keep if key in os.environ}
        self.environ["PATH"] = f"{BIN}:{os.environ['PATH']}"
        self.client = Client(RUNTIME / "tetherd" / "control.sock", patience_seconds=PATIENCE)
        self.process = None

    @property
    def log(self) -> str:
        return journal()

    @property
    def pid(self) -> int | None:
        return int(shown(SERVICE, "MainPID") or 0) or None

    @property
    def state(self) -> str:
        return shown(SERVICE, "ActiveState")

    def install(self) -> None:
        done = self.tetherctl("service", "install", "--no-linger")
        assert done.returncode == 0, done.stderr

    def drop_in(self, *lines: str) -> None:
        """Settings of the unit, from its next start on."""
        directory = UNITS / f"{SERVICE}.d"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "test.conf").write_text("\n".join(["[Service]", *lines, ""]))
        systemctl("daemon-reload")

    def configure(self, text: str) -> None:
        """Lines added to config.env."""
        file = HOME / ".config" / "tether" / "config.env"
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = file.read_text() if file.exists() else ""
        file.write_text(before + text)
        file.chmod(0o600)

    def restart(self) -> None:
        systemctl("restart", SERVICE)

    def kill(self) -> None:
        """kill -9, and systemd has another one running."""
        pid = self.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: self.pid not in (None, pid) and self.state == "active", "the next life")

    def agent_units(self) -> dict[str, str]:
        """The units of agents that are loaded, with their control groups."""
        listed = systemctl("list-units", "--all", "--plain", "--no-legend", "tether-agent-*.service")
        return {line.split()[0]: shown(line.split()[0], "ControlGroup") for line in listed.splitlines() if line.split()}

    def agents(self) -> set[int]:
        """Whatever bears the mark of a run; the home is everybody's here."""
        marked = [path.parent for path in Path("/proc").glob("[0-9]*/environ") if b"TETHER_RUN_ID=" in _read(path)]
        return {int(path.name) for path in marked}

    def sweep(self) -> None:
        for unit in ("tetherd.socket", "tetherd-http.socket", SERVICE, "tether.slice"):
            systemctl("stop", unit)
        super().sweep()
        systemctl("reset-failed")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@contextmanager
def managed_daemon() -> Iterator[ManagedDaemon]:
    """Installed and running, with nothing left of it before and after."""
    daemon = ManagedDaemon()
    _forget(daemon)
    try:
        daemon.install()
        daemon.first_answer("/api/status")
        yield daemon
    finally:
        _forget(daemon)


def _forget(daemon: ManagedDaemon) -> None:
    daemon.sweep()
    for directory in (daemon.data_dir, HOME / ".config" / "tether", HOME / "work", UNITS):
        shutil.rmtree(directory, ignore_errors=True)
    systemctl("daemon-reload")
