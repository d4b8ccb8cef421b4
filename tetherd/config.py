"""Settings: environment > ./.env > config.env, read once.

`./.env` lies where the daemon happens to be started, which may be a repository that somebody else wrote. So it is
refused as soon as it holds a setting of ours and git tracks it or another user may write it; and settings that could
hand the daemon over (GUARDED) are refused from it inside any git work tree: they belong into config.env.
An empty value counts as not set. Values are taken literally: nothing is interpolated, os.environ is not changed.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import secrets
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, SecretStr

from tetherd import logconfig, paths
from tetherd.envfile import (
    Entry,
    append_privately,
    is_in_work_tree,
    is_shown_to_others,
    read_env_file,
    require_own,
    require_untracked,
)
from tetherd.errors import Misconfigured

CONFIG_FILE = "config.env"
LOCAL_FILE = ".env"
PREFIX = "TETHER_"
LOOPBACKS = ("127.0.0.1", "::1")

_GIVEN_TO_AGENTS = frozenset({"TETHER_RUN_ID", "TETHER_SESSION_ID"})
"""What agents get from us; not settings, but there when the daemon is started from inside a session."""
_SHORT_TOKEN = 16


class Config(BaseModel):
    """All settings, checked. `data_dir` holds the database and the runs; `config_dir` is where config.env is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str = "demo"
    token: SecretStr | None = None
    hosts: tuple[str, ...] = LOOPBACKS
    port: int = 8787
    data_dir: Path
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    acp_command: tuple[str, ...] = ()
    """The agent's program and its arguments; empty when not set."""
    agent_env: tuple[str, ...] = ()
    agent_environment: dict[str, SecretStr] = {}
    """Values of the `agent_env` keys that are set, in the environment or in config.env."""
    config_dir: Path
    warnings: tuple[str, ...] = ()
    """One sentence each, for the log and for `tetherctl status`."""

    @property
    def is_loopback_only(self) -> bool:
        return all(ipaddress.ip_address(host).is_loopback for host in self.hosts)


class WrongSetting(Misconfigured):
    """A value that cannot be used: which, where it stands, and what would be accepted."""

    def __init__(self, key: str, where: str, value: str | None, accepted: str) -> None:
        self.key = key
        self.where = where
        self.accepted = accepted
        said = "" if value is None else f"={value!r}"
        super().__init__(f"{where}: {key}{said} cannot be used; accepted: {accepted}")


class Setting(NamedTuple):
    """One line of the reference. `default` as a person would write it; `parse` raises ValueError."""

    key: str
    field: str
    kind: str
    default: str
    meaning: str
    parse: Callable[[str], Any]
    guarded: bool = False
    secret: bool = False


def read_config(
    environ: Mapping[str, str],
    directory: Path,
    config_dir: Path,
    *,
    flags: Mapping[str, str] | None = None,
    adapters: Collection[str] | None = None,
) -> Config:
    """The settings of this process. Raises Misconfigured.

    `directory` is where ./.env is looked for. `flags` are settings from the command line, by their key; they come
    before all others. `adapters` are the names that TETHER_AGENT_ADAPTER may have, where they are known.
    """
    config_file = config_dir / CONFIG_FILE
    if ours := read_env_file(config_file, PREFIX):
        require_own(config_file)
    local = _trusted(directory, read_env_file(directory / LOCAL_FILE, PREFIX))
    found = {
        **ours,
        **local,
        **{key: Entry(value, "the environment") for key, value in environ.items() if value},
        **{key: Entry(value, "the command line") for key, value in (flags or {}).items()},
    }
    values: dict[str, Any] = {"data_dir": paths.state_dir(environ), "config_dir": config_dir}
    for setting in SETTINGS:
        if entry := found.get(setting.key):
            values[setting.field] = _parsed(setting, entry, environ)
    if adapters is not None and (chosen := values.get("adapter", "demo")) not in adapters:
        where = found["TETHER_AGENT_ADAPTER"].where if "adapter" in values else "the default"
        raise WrongSetting("TETHER_AGENT_ADAPTER", where, chosen, ", ".join(sorted(adapters)) or "none is installed")
    wanted = values.get("agent_env", ())
    passed = {key: environ.get(key) or ours[key].value for key in wanted if environ.get(key) or key in ours}
    values["agent_environment"] = {key: SecretStr(value) for key, value in passed.items()}
    return Config(**values, warnings=tuple(_warnings(found, values, config_file)))


def _trusted(directory: Path, local: Mapping[str, Entry]) -> dict[str, Entry]:
    """The settings of ./.env that may be used: only ours, and none of them from a file that others wrote."""
    mine = {key: entry for key, entry in local.items() if key.startswith(PREFIX)}
    if not mine:
        return {}
    require_own(directory / LOCAL_FILE)
    require_untracked(directory / LOCAL_FILE)
    guarded = {setting.key for setting in SETTINGS if setting.guarded}
    for key, entry in mine.items():
        if (key in guarded or key.endswith("_API_BASE")) and is_in_work_tree(directory):
            raise Misconfigured(
                f"{entry.where}: {key} is not read from a git work tree, where an agent may write it; "
                f"move it to {CONFIG_FILE} in the configuration directory, or into the environment"
            )
    return mine


def _parsed(setting: Setting, entry: Entry, environ: Mapping[str, str]) -> Any:
    value = entry.value
    if setting.field == "data_dir" and value.startswith("~/"):
        value = str(paths.home(environ) / value[2:])
    try:
        return setting.parse(value)
    except ValueError as error:
        shown = None if setting.secret else entry.value
        raise WrongSetting(setting.key, entry.where, shown, str(error)) from None


def _warnings(found: Mapping[str, Entry], values: Mapping[str, Any], config_file: Path) -> list[str]:
    known = [setting.key for setting in SETTINGS]
    warnings = []
    for key, entry in sorted(found.items()):
        if key.startswith(PREFIX) and key not in known and key not in _GIVEN_TO_AGENTS:
            near = difflib.get_close_matches(key, known, n=1)
            guess = f"; did you mean {near[0]}?" if near else ""
            warnings.append(f"{entry.where}: there is no setting {key}{guess}")
    own = found.get("TETHER_AGENT_TOKEN")
    if own and own.where.startswith(str(config_file)) and is_shown_to_others(config_file):
        warnings.append(f"{config_file} holds a token and can be read by other users: chmod 600 {config_file}")
    token = values.get("token")
    if token is not None and len(token.get_secret_value()) < _SHORT_TOKEN:
        warnings.append(f"TETHER_AGENT_TOKEN is shorter than {_SHORT_TOKEN} characters and may be guessed")
    for key in values.get("agent_env", ()):
        if key not in values["agent_environment"]:
            warnings.append(f"TETHER_AGENT_ENV names {key}, which is neither in the environment nor in {CONFIG_FILE}")
    return warnings


def make_token(config_dir: Path) -> str:
    """A fresh token, appended to config.env, which is made (0600) when it is not there. Raises Misconfigured."""
    token = f"tether_{secrets.token_urlsafe(32)}"
    append_privately(config_dir / CONFIG_FILE, f"TETHER_AGENT_TOKEN={token}\n")
    return token


# -- what each value may be --------------------------------------------------------------------------------------


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in words:
            raise ValueError(", ".join(words))
        return value.lower()

    return parse


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        raise ValueError("the name of an agent adapter, as `tetherctl agents` lists them")
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


def _directory(value: str) -> Path:
    path = Path(value)
    if not path.is_absolute() or "\0" in value:
        raise ValueError("an absolute path, or one that begins with ~/")
    return path


def _command(value: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(value))
    except ValueError as error:
        raise ValueError(f"a command line as a shell would read it ({error})".lower()) from None
    if not words:
        raise ValueError("a program and its arguments")
    return words


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
        "demo",
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
        _one_of(*logconfig.LEVELS),
    ),
    Setting(
        "TETHER_AGENT_LOG_FORMAT",
        "log_format",
        " | ".join(logconfig.FORMATS),
        "text",
        "How log lines on stderr look.",
        _one_of(*logconfig.FORMATS),
    ),
    Setting(
        "TETHER_ACP_COMMAND",
        "acp_command",
        "command line",
        "",
        "The program that the `acp` adapter starts: any agent that speaks the Agent Client Protocol.",
        _command,
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
)
"""Every setting there is, in the order of the reference."""


def env_example() -> str:
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
        for setting in SETTINGS
    )
