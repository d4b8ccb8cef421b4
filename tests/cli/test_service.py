"""service install, uninstall, status, logs: with stand-ins for systemctl, loginctl and journalctl on the PATH."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from tests.cli.shapes import SESSION, status
from tests.fakes.stub_daemon import problem
from tetherd.cli.commands.service import _LINGER
from tetherd.cli.output import Refusal
from tetherd.cli.units import unit_texts
from tetherd.cli.user_manager import NAMES, SERVICE

PROGRAM = Path("/opt/tether/bin/tetherd")


class Machine:
    """The programs of a machine with systemd: what they are asked is noted, what they say is set."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.says("systemctl")
        self.says("loginctl", "yes")
        self.says("journalctl")

    def says(self, program: str, out: str = "", err: str = "", code: int = 0) -> None:
        file = self.directory / program
        file.write_text(
            f"#!/bin/sh\necho {program} \"$@\" >>'{self.directory}/asked'\n"
            f"cat <<'E'\n{out}\nE\ncat >&2 <<'E'\n{err}\nE\nexit {code}\n"
        )
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    @property
    def asked(self) -> list[str]:
        file = self.directory / "asked"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return Machine(tmp_path)


def units(environ: dict[str, str]) -> Path:
    return Path(environ["HOME"]) / ".config/systemd/user"


# -- the text of the units ---------------------------------------------------------------------------------------


def test_units_name_absolute_paths_and_the_addresses_of_the_settings() -> None:
    texts = unit_texts(PROGRAM, "/a b/bin::bin:/x%y:/a b/bin", ("127.0.0.1", "::1"), 9000)
    lines = texts[SERVICE].splitlines()
    assert 'ExecStart="/opt/tether/bin/tetherd"' in lines
    assert 'Environment="PATH=/a b/bin:/x%%y"' in lines
    listen = [line for line in texts["tetherd-http.socket"].splitlines() if line.startswith(("Listen", "Free"))]
    assert listen == ["ListenStream=127.0.0.1:9000", "ListenStream=[::1]:9000"]
    assert "FreeBind=yes" in unit_texts(PROGRAM, "", ("10.0.0.1",), 9000)["tetherd-http.socket"].splitlines()


@pytest.mark.parametrize("path", ['/a"b', "/a$b", "/a\\b", "/a\nb", "/a'b"])
def test_a_path_that_no_unit_can_hold_is_refused(path: str) -> None:
    with pytest.raises(Refusal, match="a unit file cannot hold"):
        unit_texts(Path(path), "/bin", ("127.0.0.1",), 8787)
    assert f"PATH={'/bin'}" in unit_texts(PROGRAM, f"{path}:/bin", ("::1",), 1)[SERVICE]


# -- install -----------------------------------------------------------------------------------------------------


def test_install_writes_enables_and_starts(run, environ, machine: Machine) -> None:
    ran = run("service", "install")
    assert (ran.code, ran.err) == (0, "")
    assert sorted(file.name for file in units(environ).iterdir()) == sorted(NAMES)
    assert f'ExecStart="{Path(sys.executable).parent}/tetherd"' in (units(environ) / SERVICE).read_text()
    sockets = "tetherd.socket tetherd-http.socket"
    assert machine.asked[:5] == [
        "systemctl --user daemon-reload",
        f"systemctl --user stop tetherd.service {sockets}",
        f"systemctl --user enable tetherd.service {sockets}",
        f"systemctl --user start {sockets}",
        "systemctl --user start tetherd.service",
    ]
    assert run("service", "install", "--json").records == [{"units": [str(units(environ) / name) for name in NAMES]}]


def test_install_says_which_settings_the_service_will_not_see(run, environ, machine: Machine) -> None:
    environ["TETHER_AGENT_PORT"] = "9000"
    ran = run("service", "install")
    assert ran.err == "TETHER_AGENT_PORT is set in this shell only: the service reads config.env\n"
    assert ":8787" in (units(environ) / "tetherd-http.socket").read_text()


def test_install_refuses_wrong_settings_before_it_writes(run, environ, machine: Machine) -> None:
    file = Path(environ["HOME"]) / ".config/tether/config.env"
    file.parent.mkdir(parents=True)
    file.write_text("TETHER_AGENT_PORT=many\n")
    ran = run("service", "install")
    assert (ran.code, ran.out) == (78, "")
    assert "TETHER_AGENT_PORT='many' cannot be used" in ran.err
    assert not units(environ).exists()


def test_install_says_what_systemd_refused(run, machine: Machine) -> None:
    machine.says("systemctl", err="Failed to connect to bus: No medium found\nmore", code=1)
    ran = run("service", "install")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "tetherctl: systemctl --user daemon-reload: Failed to connect to bus: No medium found\n"


def test_without_systemd_it_says_what_to_do(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for verb in ("install", "status"):
        ran = run("service", verb)
        assert ran.code == 1
        assert ran.err == "tetherctl: this machine has no systemctl\nwithout systemd: tether start --keep-agents\n"


def test_a_daemon_in_a_terminal_is_left_alone(daemon, run, machine: Machine) -> None:
    daemon.answer("GET /api/status", status(unit=None), status(unit="tetherd.service"))
    ran = run("service", "install")
    assert (ran.code, machine.asked) == (1, [])
    assert ran.err.endswith("stop it first: tetherctl shutdown\n")
    assert run("service", "install").code == 0


# -- lingering ---------------------------------------------------------------------------------------------------


def test_lingering_is_explained_and_offered(run, environ, machine: Machine) -> None:
    environ["USER"] = "ann"
    machine.says("loginctl", "no")
    ran = run("service", "install")
    assert ran.err == _LINGER + "\n", "nobody can be asked here"
    assert "loginctl enable-linger ann" not in machine.asked
    assert "enable-linger" not in run("service", "install", "--no-linger").err
    ran = run("service", "install", "--linger")
    assert machine.asked[-1] == "loginctl enable-linger ann"
    assert ran.err == "lingering enabled: it goes on after you log out\n"


def test_who_may_not_linger_learns_who_can_help(run, environ, machine: Machine) -> None:
    environ["USER"] = "ann"
    machine.says("loginctl", "no", err="Access denied", code=1)
    ran = run("service", "install", "--linger")
    assert ran.code == 0
    assert ran.err == "lingering not enabled: Access denied\nan administrator can: loginctl enable-linger ann\n"


# -- uninstall, status, logs -------------------------------------------------------------------------------------


def test_uninstall_asks_and_removes(run, environ, machine: Machine) -> None:
    run("service", "install")
    assert run("service", "uninstall").code == 2
    machine.says("systemctl", "tether-agent-r-1.service loaded active running An agent")
    ran = run("service", "uninstall", "--yes")
    assert ran.code == 0
    assert "1 agents go on" in ran.err
    assert list(units(environ).iterdir()) == []
    assert "systemctl --user disable --now tetherd.socket tetherd-http.socket tetherd.service" in machine.asked
    again = run("service", "uninstall", "--yes")
    assert (again.code, again.out) == (4, "")


def test_status_does_not_ask_the_daemon(run, environ, machine: Machine) -> None:
    assert run("service", "status").out == "tetherd is not installed as a service: tetherctl service install\n"
    run("service", "install")
    machine.says(
        "systemctl", "ActiveState=failed\nStatusText=config.env: wrong\nMainPID=0\nNRestarts=2\nUnitFileState=enabled"
    )
    lines = run("service", "status").out.splitlines()
    assert lines[:2] == ["service    failed", "says       config.env: wrong"]
    (record,) = run("service", "status", "--json").records
    assert (record["state"], record["pid"], record["restarts"], record["enabled"]) == ("failed", None, 2, True)
    assert record["linger"] is True


def test_logs_become_journalctl(run, machine: Machine) -> None:
    became: list[object] = []
    for argv, words in (
        ((), ["--user-unit=tetherd.service", "--lines=100", "--no-pager"]),
        (("-f", "-n", "5"), ["--user-unit=tetherd.service", "--lines=5", "--follow"]),
        (
            ("--session", SESSION),
            ["--user-unit=tetherd.service", "--lines=100", "--no-pager", f"TETHER_SESSION={SESSION}"],
        ),
    ):
        assert run("service", "logs", *argv, execute=lambda *given: became.extend(given)).code == 0
        path = str(machine.directory / "journalctl")
        assert became == [path, [path, *words]]
        became.clear()


def test_shutdown_of_a_service_asks_its_manager_and_not_its_socket(daemon, run, machine: Machine) -> None:
    daemon.answer("GET /api/status", status(unit="tetherd.service"))
    daemon.answer("POST /api/shutdown", (202, {"status": "stopping"}))
    machine.says("systemctl", "inactive")
    ran = run("shutdown", "--yes")
    assert ran.code == 0
    assert ran.out.startswith("tetherd has stopped; the next command starts it again")
    assert [asked.path for asked in daemon.asked] == ["/api/status", "/api/shutdown"]


def test_a_service_that_cannot_start_is_a_matter_of_configuration(daemon, run) -> None:
    daemon.answer("GET /api/status", problem(503, "misconfigured", "config.env: wrong", hint="mend it"))
    ran = run("status")
    assert (ran.code, ran.err) == (78, "tetherctl: config.env: wrong\nmend it\n")


def test_a_daemon_that_has_just_started_is_asked_again(daemon, run) -> None:
    daemon.answer("GET /api/agents", problem(503, "recovering", "not yet"), (200, {"agents": []}))
    assert run("agents", patience_seconds=30.0).code == 0
    assert [asked.path for asked in daemon.asked] == ["/api/agents"] * 2
