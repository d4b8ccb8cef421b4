"""Where config, state, runtime and sockets are.

Daemon and clients both ask here, so that they look in the same place. Asking creates nothing: whoever needs a
directory makes it (0700). `environ` stands in for os.environ in tests.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

SOCKET_PATH_LIMIT = 103
"""Bytes that fit into sockaddr_un.sun_path with its closing NUL: 104 on macOS, 108 on Linux."""


def home(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's home directory: `$HOME`, else the account's."""
    return _absolute("HOME", environ) or Path(os.path.expanduser("~"))


def config_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Holds config.env: `$XDG_CONFIG_HOME/tether`, else `~/.config/tether`."""
    return _base("XDG_CONFIG_HOME", ".config", environ) / "tether"


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The usual data directory: `$XDG_STATE_HOME/tether`, else `~/.local/state/tether`.

    Never systemd's StateDirectory=, which is ~/.config in user units before version 254.
    """
    return _base("XDG_STATE_HOME", ".local/state", environ) / "tether"


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Holds the sockets: `$XDG_RUNTIME_DIR/tetherd`, else `run` below state_dir().

    It does not follow TETHER_AGENT_DATA_DIR: clients find the daemon without knowing its settings.
    """
    given = _absolute("XDG_RUNTIME_DIR", environ)
    return given / "tetherd" if given else state_dir(environ) / "run"


def control_socket(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the daemon listens for its own user."""
    return runtime_dir(environ) / "control.sock"


def shim_socket(runtime: Path, short: str) -> Path:
    """Where the shim of one run listens. `short` names the run; a whole run directory would not fit a socket path."""
    return runtime / "shim" / f"{short}.sock"


def runs_dir(data_dir: Path) -> Path:
    """One directory for each run of an agent, named by its run id."""
    return data_dir / "runs"


def fits_socket(path: Path) -> bool:
    """Can a socket be bound here?"""
    return len(os.fsencode(path)) <= SOCKET_PATH_LIMIT


def _base(key: str, fallback: str, environ: Mapping[str, str]) -> Path:
    return _absolute(key, environ) or home(environ) / fallback


def _absolute(key: str, environ: Mapping[str, str]) -> Path | None:
    """The XDG specification: a variable that is empty or holds a relative path counts as not set."""
    value = environ.get(key, "")
    return Path(value) if os.path.isabs(value) else None
