"""The user's service manager, as the command line asks it."""

from __future__ import annotations

import subprocess

from tetherd.cli.output import FAILED, Refusal

SERVICE = "tetherd.service"
SOCKETS = ("tetherd.socket", "tetherd-http.socket")
SLICE = "tether.slice"
NAMES = (SERVICE, *SOCKETS, SLICE)
"""Our units."""

_SECONDS = 60.0


def systemctl(*words: str, program: str = "systemctl") -> subprocess.CompletedProcess[str]:
    """Run `systemctl --user`. Raises Refusal where there is no systemd."""
    try:
        return subprocess.run(
            (program, "--user", *words), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS
        )
    except FileNotFoundError:
        raise Refusal(f"this machine has no {program}", "without systemd: tether start --keep-agents", FAILED) from None
    except subprocess.TimeoutExpired:
        raise Refusal(f"{program} --user {' '.join(words)} does not answer", exit_code=FAILED) from None


def is_running(unit: str) -> bool:
    """Has it not ended yet?"""
    state = systemctl("show", "--property=ActiveState", "--value", unit).stdout.strip()
    return state not in ("inactive", "failed")
