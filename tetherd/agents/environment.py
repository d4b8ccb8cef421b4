"""What agents see of our environment: what a person's shell has, and nothing of ours.

Deny by default: a secret that happens to stand in the daemon's environment reaches an agent only where the setting
TETHER_AGENT_ENV names it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

PASSED = frozenset(
    {
        "COLORTERM",
        "EDITOR",
        "HOME",
        "LANG",
        "LANGUAGE",
        "LOGNAME",
        "PATH",
        "SHELL",
        "SSH_AUTH_SOCK",
        "TERM",
        "TMPDIR",
        "TZ",
        "USER",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
        "XDG_STATE_HOME",
    }
)


def agent_environment(environ: Mapping[str, str], wanted: Mapping[str, SecretStr]) -> dict[str, str]:
    """The environment of every agent; `wanted` are the values of what TETHER_AGENT_ENV names."""
    passed = {key: value for key, value in environ.items() if key in PASSED or key.startswith("LC_")}
    return passed | {key: value.get_secret_value() for key, value in wanted.items()}
