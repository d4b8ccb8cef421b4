"""Every setting of the daemon: its name, what it means and what it may be."""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from tetherd import logconfig
from tetherd.limits_text import read_limits

PREFIX = "TETHER_"
DEFAULT_ADAPTER = "claude_auto"
LOOPBACKS = ("127.0.0.1", "::1")


class Setting(NamedTuple):
    """One line of the reference. `default` as a person would write it; `parse` raises ValueError.

    `field` is where Config has the value; of an adapter's own setting, how its `LaunchSpec.settings` calls it; of a
    bridge's, how its `BridgePort.settings` does.
    """

    key: str
    field: str
    kind: str
    default: str
    meaning: str
    parse: Callable[[str], Any]
    guarded: bool = False
    secret: bool = False


# -- what each value may be --------------------------------------------------------------------------------------


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words, in whichever case."""

    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(", ".join(words))
        return value.lower()

    return parse


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", value):
        raise ValueError("the name of an agent adapter, as `tetherctl agents` lists them")
    return value


def model_name(value: str) -> str:
    """A model in its vendor's words."""
    if not re.fullmatch(r"[!-~]{1,200}", value):
        raise ValueError("the name of a model: visible ASCII characters without spaces")
    return value


def _token(value: str) -> SecretStr:
    if not re.fullmatch(r"[!-~]+", value):
        raise ValueError("visible ASCII characters without spaces")
    return SecretStr(value)


def _hosts(value: str) -> tuple[str, ...]:
    hosts: list[str] = []
    for part in re.split(r"[,\s]+", value.strip(", \t")):
        try:
            hosts += LOOPBACKS if part == "localhost" else [str(ipaddress.ip_address(part.strip("[]")))]
        except ValueError:
            raise ValueError("IP addresses of this machine, or localhost, separated by commas") from None
    return tuple(dict.fromkeys(hosts))


def _port(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise ValueError("a number from 1 to 65535")
    return int(value)


def _public_url(value: str) -> str:
    """Scheme, name and port of an address, in lower case."""
    match = re.fullmatch(r"(https?)://([a-z0-9.-]+)(?::([0-9]{1,5}))?/?", value.lower())
    if match is None:
        raise ValueError("an address such as https://laptop.example.net, without a path")
    scheme, name, port = match.groups()
    is_usual = port is None or int(port) == {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{name}" if is_usual else f"{scheme}://{name}:{port}"


def _directory(value: str) -> Path:
    path = Path(value)
    if not path.is_absolute() or "\0" in value:
        raise ValueError("an absolute path, or one that begins with ~/")
    return path


def _directories(value: str) -> tuple[Path, ...]:
    return tuple(_directory(part) for part in value.split(":") if part)


def one_word(value: str) -> str:
    """A name as vendors give them: a model's, an effort's."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.:/@-]{0,199}", value):
        raise ValueError("a name without spaces")
    return value


def command_line(value: str) -> str:
    """A value that a shell could read as a program and its arguments."""
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise ValueError(f"a command line as a shell would read it ({error})".lower()) from None
    if not words:
        raise ValueError("a program and its arguments")
    return value


def _keys(value: str) -> tuple[str, ...]:
    keys = tuple(dict.fromkeys(re.split(r"[,\s]+", value.strip(", \t"))))
    if not all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) and not key.startswith(PREFIX) for key in keys):
        raise ValueError(f"names of environment variables separated by commas, none of them {PREFIX}*")
    return keys


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "TETHER_AGENT_ADAPTER",
        "adapter",
        "name",
        DEFAULT_ADAPTER,
        "The agent that a session gets when it names none; `tetherctl agents` lists them.",
        _name,
    ),
    Setting(
        "TETHER_AGENT_TOKEN",
        "token",
        "secret",
        "",
        "What clients over TCP must show. When it is not set, the first start makes one and keeps it in config.env.",
        _token,
        guarded=True,
        secret=True,
    ),
    Setting(
        "TETHER_AGENT_HOST",
        "hosts",
        "addresses",
        ",".join(LOOPBACKS),
        "Where to listen: IP addresses separated by commas. Anything wider than loopback needs a token.",
        _hosts,
        guarded=True,
    ),
    Setting("TETHER_AGENT_PORT", "port", "number", "8787", "The TCP port of the API and the web UI.", _port),
    Setting(
        "TETHER_AGENT_PUBLIC_URL",
        "public_url",
        "URL",
        "",
        "Where other devices find the web UI: the address of the HTTPS proxy that leads here. Its name is then let in.",
        _public_url,
        guarded=True,
    ),
    Setting(
        "TETHER_AGENT_DATA_DIR",
        "data_dir",
        "directory",
        "~/.local/state/tether",
        "Where the database and the runs of the agents are; the default follows XDG_STATE_HOME.",
        _directory,
    ),
    Setting(
        "TETHER_AGENT_LOG_LEVEL",
        "log_level",
        " | ".join(logconfig.LEVELS),
        "info",
        "The least important lines that are still logged.",
        one_of(*logconfig.LEVELS),
    ),
    Setting(
        "TETHER_AGENT_LOG_FORMAT",
        "log_format",
        " | ".join(logconfig.FORMATS),
        "text",
        "How log lines on stderr look.",
        one_of(*logconfig.FORMATS),
    ),
    Setting(
        "TETHER_TRUSTED_DIRECTORIES",
        "trusted_directories",
        "directories",
        "",
        "Directories, separated by colons: in and below them agents may use settings, hooks and servers found there.",
        _directories,
        guarded=True,
    ),
    Setting(
        "TETHER_AGENT_LIMITS",
        "limits",
        "limits",
        "",
        "What each agent may use, such as `memory_max=4G, tasks_max=2000, demo.sandbox=yes`: memory_max, memory_high, "
        "cpu_weight (1 to 10000, others have 100), tasks_max and sandbox, for all or, with its name, for one adapter.",
        read_limits,
        guarded=True,
    ),
    Setting(
        "TETHER_AGENT_ENV",
        "agent_env",
        "names",
        "",
        "Further environment variables that agents get, separated by commas, such as API keys and proxies.",
        _keys,
    ),
    Setting(
        "TETHER_CHAT_DIRECTORIES",
        "chat_directories",
        "directories",
        "",
        "Where people may start sessions from a chat: absolute paths with `:` between; what lies below is included.",
        _directories,
        guarded=True,
    ),
)
"""The daemon's own settings, in the order of the reference; those of the adapters come behind them."""


def env_example(settings: Iterable[Setting]) -> str:
    """The text of .env.example: every setting, commented out, with its default."""
    head = (
        "# Settings of tetherd. Copy what you change to ~/.config/tether/config.env (or to ./.env, see below).\n"
        "# The environment comes before ./.env, and ./.env before config.env. An empty value counts as not set.\n"
        "# Inside a git work tree, ./.env must not be tracked and must not hold the settings marked [not from a\n"
        "# work tree]: an agent could write them.\n"
    )
    return head + "".join(
        f"\n# {setting.meaning}\n# ({setting.kind}){' [not from a work tree]' if setting.guarded else ''}\n"
        f"#{setting.key}={setting.default}\n"
        for setting in settings
    )
