"""Settings: environment > ./.env > config.env, read once.

`./.env` lies where the daemon happens to be started, which may be a repository that somebody else wrote. So it is
refused as soon as it holds a setting of ours and git tracks it or another user may write it; and settings that could
hand the daemon over (GUARDED) are refused from it inside any git work tree: they belong into config.env.
An empty value counts as not set. Values are taken literally: nothing is interpolated, os.environ is not changed.
"""

from __future__ import annotations

import difflib
import ipaddress
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, SecretStr

from tetherd import paths
from tetherd.domain.limits import NO_LIMITS, Limits
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
from tetherd.settings import DEFAULT_ADAPTER, LOOPBACKS, PREFIX, SETTINGS, Setting

CONFIG_FILE = "config.env"
LOCAL_FILE = ".env"

_GIVEN_TO_AGENTS = frozenset({"TETHER_RUN_ID", "TETHER_SESSION_ID"})
"""What agents get from us; not settings, but there when the daemon is started from inside a session."""
_SHORT_TOKEN = 16


class Adapter(Protocol):
    """What an adapter says about its configuration; see plugin.AgentAdapter."""

    @property
    def aliases(self) -> Sequence[str]: ...
    @property
    def settings(self) -> Sequence[Setting]: ...
    @property
    def environment_keys(self) -> Sequence[str]: ...


class Bridge(Protocol):
    """What a bridge says about its configuration; see bridge.Bridge."""

    @property
    def settings(self) -> Sequence[Setting]: ...


class AdapterConfig(BaseModel):
    """An adapter's own part. `settings` holds all that it declares, by field, defaults included.

    `environment` holds the values of its environment keys that are set, in the environment or in config.env.
    """

    model_config = ConfigDict(frozen=True)

    settings: dict[str, str] = {}
    environment: dict[str, SecretStr] = {}


class Config(BaseModel):
    """All settings, checked. `data_dir` holds the database and the runs; `config_dir` is where config.env is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str = DEFAULT_ADAPTER
    token: SecretStr | None = None
    hosts: tuple[str, ...] = LOOPBACKS
    port: int = 8787
    public_url: str | None = None
    """Without a slash at its end; None where the web UI is for this machine alone."""
    data_dir: Path
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    trusted_directories: tuple[Path, ...] = ()
    limits: dict[str, Limits] = {}
    """By adapter; those of "" are for all."""
    agent_env: tuple[str, ...] = ()
    agent_environment: dict[str, SecretStr] = {}
    """Values of the `agent_env` keys that are set, in the environment or in config.env."""
    adapters: dict[str, AdapterConfig] = {}
    bridges: dict[str, dict[str, Any]] = {}
    """Of each installed bridge the values that are set, by field."""
    chat_directories: tuple[Path, ...] = ()
    config_dir: Path
    warnings: tuple[str, ...] = ()
    """One sentence each, for the log and for `tetherctl status`."""

    def limits_of(self, adapter: str) -> Limits:
        """What the settings say of an adapter's agents."""
        return self.limits.get(adapter, NO_LIMITS).over(self.limits.get("", NO_LIMITS))

    @property
    def bridge_secrets(self) -> tuple[str, ...]:
        """What bridges must show their platforms; never to be seen anywhere else."""
        values = (value for own in self.bridges.values() for value in own.values())
        return tuple(value.get_secret_value() for value in values if isinstance(value, SecretStr))

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


def read_config(
    environ: Mapping[str, str],
    directory: Path,
    config_dir: Path,
    *,
    flags: Mapping[str, str] | None = None,
    adapters: Mapping[str, Adapter] | None = None,
    bridges: Mapping[str, Bridge] | None = None,
) -> Config:
    """The settings of this process. Raises Misconfigured.

    `directory` is where ./.env is looked for. `flags` are settings from the command line, by their key; they come
    before all others. `adapters` are those that are installed, by name: what TETHER_AGENT_ADAPTER may be, and
    settings of their own. Without them neither is looked at. `bridges` are those that are installed, by name.
    """
    plugs = (*(adapters or {}).values(), *(bridges or {}).values())
    settings = (*SETTINGS, *(setting for plug in plugs for setting in plug.settings))
    config_file = config_dir / CONFIG_FILE
    if ours := read_env_file(config_file, PREFIX):
        require_own(config_file)
    local = _trusted(directory, read_env_file(directory / LOCAL_FILE, PREFIX), settings)
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
    names = {word: name for name, adapter in (adapters or {}).items() for word in (name, *adapter.aliases)}
    if adapters is not None and (chosen := values.get("adapter", DEFAULT_ADAPTER)) not in names:
        where = found["TETHER_AGENT_ADAPTER"].where if "adapter" in values else "the default"
        raise WrongSetting("TETHER_AGENT_ADAPTER", where, chosen, ", ".join(sorted(adapters)) or "none is installed")
    if adapters is not None:
        values["adapter"] = names[chosen]
    values["bridges"] = {
        name: {one.field: _parsed(one, found[one.key], environ) for one in bridge.settings if one.key in found}
        for name, bridge in (bridges or {}).items()
    }
    wanted = values.get("agent_env", ())
    if secret := next((one.key for one in settings if one.secret and one.key in wanted), None):
        where = found["TETHER_AGENT_ENV"].where
        raise WrongSetting("TETHER_AGENT_ENV", where, None, f"names of variables that are for agents; {secret} is ours")
    values["agent_environment"] = _passed(wanted, environ, ours)
    values["adapters"] = {
        name: AdapterConfig(
            settings={one.field: _own_value(one, found.get(one.key), environ) for one in adapter.settings},
            environment=_passed(adapter.environment_keys, environ, ours),
        )
        for name, adapter in (adapters or {}).items()
    }
    known = [setting.key for setting in settings]
    return Config(**values, warnings=tuple(_warnings(found, values, config_file, known)))


def _passed(keys: Sequence[str], environ: Mapping[str, str], ours: Mapping[str, Entry]) -> dict[str, SecretStr]:
    """The values of environment variables that agents get, as far as they are set: here, or in config.env."""
    passed = {key: environ.get(key) or (ours[key].value if key in ours else "") for key in keys}
    return {key: SecretStr(value) for key, value in passed.items() if value}


def _trusted(directory: Path, local: Mapping[str, Entry], settings: Sequence[Setting]) -> dict[str, Entry]:
    """The settings of ./.env that may be used: only ours, and none of them from a file that others wrote."""
    known = {setting.key for setting in settings}
    mine = {key: entry for key, entry in local.items() if key.startswith(PREFIX) or key in known}
    if not mine:
        return {}
    require_own(directory / LOCAL_FILE)
    require_untracked(directory / LOCAL_FILE)
    guarded = {setting.key for setting in settings if setting.guarded}
    for key, entry in mine.items():
        if (key in guarded or key.endswith("_API_BASE")) and is_in_work_tree(directory):
            raise Misconfigured(
                f"{entry.where}: {key} is not read from a git work tree, where an agent may write it; "
                f"move it to {CONFIG_FILE} in the configuration directory, or into the environment"
            )
    return mine


def _own_value(setting: Setting, entry: Entry | None, environ: Mapping[str, str]) -> str:
    return str(_parsed(setting, entry, environ)) if entry else setting.default


def _parsed(setting: Setting, entry: Entry, environ: Mapping[str, str]) -> Any:
    value = entry.value
    if setting.field in ("data_dir", "trusted_directories"):
        parts = value.split(":") if setting.field == "trusted_directories" else [value]
        value = ":".join(str(paths.home(environ) / part[2:]) if part.startswith("~/") else part for part in parts)
    try:
        return setting.parse(value)
    except ValueError as error:
        shown = None if setting.secret else entry.value
        raise WrongSetting(setting.key, entry.where, shown, str(error)) from None


def _warnings(
    found: Mapping[str, Entry], values: Mapping[str, Any], config_file: Path, known: Sequence[str]
) -> list[str]:
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
