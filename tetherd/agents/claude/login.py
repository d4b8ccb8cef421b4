"""How Claude can be reached from this machine: the program, its login, a key.

Source: `claude` 2.1.330 keeps its login in `.credentials.json` of its configuration directory (on Linux).
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tetherd.errors import Misconfigured
from tetherd.plugin import Chosen

CLI, API = "claude_subprocess", "claude_api"
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


@dataclass(frozen=True, slots=True)
class Means:
    """What there is. `login`: the program's own, by which it needs no key."""

    program: bool
    login: bool
    key: bool


def look(command: str, environment: Mapping[str, str]) -> Means:
    """What there is for agents with this environment. Reads the disk."""
    program = shutil.which(shlex.split(command)[0], path=environment.get("PATH"))
    credentials = config_directory(environment) / ".credentials.json"
    return Means(
        program=program is not None,
        login="CLAUDE_CODE_OAUTH_TOKEN" in environment or credentials.is_file(),
        key=any(key in environment for key in KEYS),
    )


def choose(means: Means) -> Chosen:
    """Raises Misconfigured when there is no way."""
    match means:
        case Means(program=True, login=True):
            return Chosen(CLI, "Claude Code is installed and logged in")
        case Means(program=True, key=True):
            return Chosen(CLI, "Claude Code is installed, and there is an API key for it")
        case Means(program=False, key=True):
            return Chosen(API, "there is an API key, and Claude Code is not installed")
        case Means(program=True):
            raise Misconfigured("Claude Code is not logged in: run `claude` and log in, or set ANTHROPIC_API_KEY")
        case _:
            raise Misconfigured("there is no Claude here: install Claude Code and log in, or set ANTHROPIC_API_KEY")


def config_directory(environment: Mapping[str, str]) -> Path:
    """Where Claude Code keeps its settings, its login and its conversations."""
    return Path(environment.get("CLAUDE_CONFIG_DIR") or f"{environment.get('HOME', '/')}/.claude")
