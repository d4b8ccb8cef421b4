"""tetherd as a service of the user's systemd: install, uninstall, status, logs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from tetherd import paths
from tetherd.cli.call import Call
from tetherd.cli.output import CONFIGURATION, DONE, FAILED, NOT_FOUND, Refusal, Styled
from tetherd.cli.user_manager import NAMES, SERVICE, SOCKETS, systemctl
from tetherd.client.client import ApiError, DaemonUnreachable
from tetherd.errors import Misconfigured

_LINGER = """\
systemd stops your services some seconds after your last logout, and agents
with them. With lingering they go on, and start at boot:
loginctl enable-linger"""


def register(add: Callable[..., ArgumentParser], accept_json: Callable[[ArgumentParser], None]) -> None:
    command = add(
        "service",
        show,
        "run tetherd as a service of your systemd",
        "tetherctl service install\ntetherctl service status\ntetherctl service logs -f",
        _LINGER,
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", dest="verb", required=True)
    installing = verbs.add_parser("install", help="write the units, enable and start them")
    linger = installing.add_mutually_exclusive_group()
    linger.add_argument("--linger", action="store_true", help="go on after logout, start at boot")
    linger.add_argument("--no-linger", action="store_true", help="do not ask about it")
    installing.set_defaults(run=install)
    removing = verbs.add_parser("uninstall", help="stop the service and remove its units; agents go on")
    removing.add_argument("--yes", action="store_true", help="do not ask")
    removing.set_defaults(run=uninstall)
    showing = verbs.add_parser("status", help="show how the service is")
    showing.set_defaults(run=show)
    logging = verbs.add_parser("logs", help="show the daemon's journal")
    logging.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    logging.add_argument("-n", "--lines", metavar="N", type=int, default=100, help="so many lines (100)")
    logging.add_argument("--session", metavar="ID", help="only lines about this session")
    logging.set_defaults(run=logs)
    for verb in (installing, removing, showing, logging):
        accept_json(verb)


# -- install -----------------------------------------------------------------------------------------------------


def install(call: Call) -> int:
    """Write the units, with the paths of this installation, and start them. Doing it again renews them."""
    _require_no_other(call)
    texts = _texts(call)
    directory = _unit_dir(call)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            (directory / name).write_text(texts[name])
    except OSError as error:
        raise Refusal(f"cannot write the units to {directory}: {error.strerror}", exit_code=FAILED) from error
    _manage("daemon-reload")
    # a socket cannot be renewed below a running service; agents live in units of their own and go on
    _manage("stop", SERVICE, *SOCKETS)
    _manage("enable", SERVICE, *SOCKETS)
    _manage("start", *SOCKETS)
    _manage("start", SERVICE)
    call.answer(
        {"units": [str(directory / name) for name in NAMES]}, f"tetherd runs as a service; its units are in {directory}"
    )
    _care_for_lingering(call)
    for key in sorted(key for key in call.environ if key.startswith("TETHER_") and key not in ("TETHER_RUN_ID",)):
        call.terminal.note(f"{key} is set in this shell only: the service reads config.env")
    return DONE


def _require_no_other(call: Call) -> None:
    """One that runs in a terminal holds the socket's path."""
    try:
        status = call.get("/api/status")
    except (DaemonUnreachable, ApiError):
        return
    if status["unit"] is None:
        raise Refusal("tetherd runs already, and not as a service", "stop it first: tetherctl shutdown", FAILED)


def _texts(call: Call) -> dict[str, str]:
    # pydantic is slow to import, and only this command needs the settings
    from tetherd.cli.units import unit_texts
    from tetherd.config import read_config

    program = Path(sys.executable).absolute().parent / "tetherd"
    if not os.access(program, os.X_OK):
        raise Refusal(f"there is no {program}", "install the package tetherd into this environment", FAILED)
    # as the service will read them: without this shell's environment, in the home directory
    known = {key: value for key, value in call.environ.items() if not key.startswith("TETHER_")}
    try:
        config = read_config(known, paths.home(known), paths.config_dir(known))
    except Misconfigured as error:
        raise Refusal(str(error), exit_code=CONFIGURATION) from error
    return dict(unit_texts(program, call.environ.get("PATH", os.defpath), config.hosts, config.port))


def _care_for_lingering(call: Call) -> None:
    args, terminal = call.args, call.terminal
    if args.no_linger or _lingers(call) is not False:
        return
    if not args.linger:
        for line in _LINGER.splitlines():
            terminal.note(line)
        if not call.is_yes("Keep it running after you log out?"):
            return
    user = _user(call)
    done = subprocess.run(("loginctl", "enable-linger", user), stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        terminal.note(f"lingering not enabled: {done.stderr.strip()}")
        terminal.note(f"an administrator can: loginctl enable-linger {user}")
    else:
        terminal.note("lingering enabled: it goes on after you log out")


# -- uninstall, status, logs -------------------------------------------------------------------------------------


def uninstall(call: Call) -> int:
    """Stop and remove the service. What its agents do goes on."""
    directory = _unit_dir(call)
    present = [directory / name for name in NAMES if (directory / name).exists()]
    if not present:
        raise Refusal(f"there are no units of ours in {directory}", exit_code=NOT_FOUND)
    call.confirm("Stop tetherd and remove its units?")
    systemctl("disable", "--now", *SOCKETS, SERVICE)
    for file in present:
        file.unlink(missing_ok=True)
    _manage("daemon-reload")
    agents = _agents()
    call.answer({"removed": [str(file) for file in present], "agents": agents}, "tetherd is no longer a service")
    if agents:
        call.terminal.note(f"{len(agents)} agents go on; end them with: systemctl --user stop tether.slice")
    return DONE


def show(call: Call) -> int:
    """How the service is, asked of systemd: a daemon that is stopped is not started by this."""
    directory = _unit_dir(call)
    found = _properties(SERVICE, "ActiveState", "SubState", "UnitFileState", "MainPID", "StatusText", "NRestarts")
    sockets = {name: _properties(name, "ActiveState")["ActiveState"] for name in SOCKETS}
    agents, linger = _agents(), _lingers(call)
    value = {
        "installed": all((directory / name).exists() for name in NAMES),
        "state": found["ActiveState"],
        "enabled": found["UnitFileState"] == "enabled",
        "pid": int(found["MainPID"] or 0) or None,
        "restarts": int(found["NRestarts"] or 0),
        "status": found["StatusText"],
        "sockets": sockets,
        "agents": agents,
        "linger": linger,
    }
    terminal = call.terminal
    if terminal.as_json:
        terminal.record(value)
        return DONE
    if not value["installed"]:
        terminal.line("tetherd is not installed as a service: tetherctl service install")
        return DONE
    state = str(value["state"])
    detail = f", process {value['pid']}" if value["pid"] else ""
    terminal.line("service    ", state if state == "active" else Styled("bad", state), detail)
    if (value["status"] and value["pid"] is not None) or state == "failed":
        terminal.line(f"says       {value['status']}")
    terminal.line("sockets    " + ", ".join(f"{name} {state}" for name, state in sockets.items()))
    terminal.line(f"at login   {'starts' if value['enabled'] else 'does not start'}")
    lingering = {True: "goes on", False: "stops: tetherctl service install --linger", None: "not known"}
    terminal.line(f"at logout  {lingering[linger]}")
    terminal.line(f"agents     {len(agents) or 'none'}")
    return DONE


def logs(call: Call) -> int:
    """Become journalctl."""
    journalctl = shutil.which("journalctl")
    if journalctl is None:
        raise Refusal("this machine has no journalctl", exit_code=FAILED)
    args = call.args
    words = [journalctl, "--user-unit=tetherd.service", f"--lines={args.lines}"]
    words += ["--follow"] if args.follow else ["--no-pager"]
    words += ["--output=json"] if call.terminal.as_json else []
    if args.session:
        words.append(f"TETHER_SESSION={call.session_id(args.session)}")
    call.execute(journalctl, words)
    return DONE


def _unit_dir(call: Call) -> Path:
    return paths.config_dir(call.environ).parent / "systemd" / "user"


def _manage(*words: str) -> None:
    done = systemctl(*words)
    if done.returncode != 0:
        why = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()
        raise Refusal(
            f"systemctl --user {' '.join(words)}: {why[0]}",
            "see: tetherctl service logs" if words[0] == "start" else None,
            FAILED,
        )


def _properties(unit: str, *names: str) -> dict[str, str]:
    lines = systemctl("show", f"--property={','.join(names)}", unit).stdout.splitlines()
    return dict.fromkeys(names, "") | dict(line.split("=", 1) for line in lines if "=" in line)


def _agents() -> list[str]:
    """Units of agents that run."""
    listed = systemctl("list-units", "--plain", "--no-legend", "--no-pager", "tether-agent-*.service").stdout
    return [line.split()[0] for line in listed.splitlines() if line.split()]


def _lingers(call: Call) -> bool | None:
    """None where nobody can tell."""
    try:
        asked = subprocess.run(
            ("loginctl", "show-user", _user(call), "--property=Linger", "--value"),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return None
    return {"yes": True, "no": False}.get(asked.stdout.strip())


def _user(call: Call) -> str:
    return call.environ.get("USER") or call.environ.get("LOGNAME") or str(os.getuid())
