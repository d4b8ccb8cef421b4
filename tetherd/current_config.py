"""The settings as they are now: read again on SIGHUP."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pydantic import SecretStr

from tetherd.agents.environment import agent_environment
from tetherd.agents.trust import Trust
from tetherd.config import Adapter, Bridge, Config
from tetherd.settings import SETTINGS

AT_START = frozenset({"token", "hosts", "port", "data_dir", "chat_directories"})
"""Fields that are looked at once; all others count from the moment they are read."""


class CurrentConfig:
    """What the daemon goes by. `settings` and `environments`, by adapter, and `trust` are live: whoever holds them
    sees each change."""

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str],
        adapters: Mapping[str, Adapter],
        bridges: Mapping[str, Bridge],
        read: Callable[[], Config],
    ) -> None:
        """`read` gives the settings anew, as at the start. Raises Misconfigured when they cannot be used."""
        self.config = config
        self.settings: dict[str, Mapping[str, str]] = {}
        self.environments: dict[str, Mapping[str, str]] = {}
        self.trust = Trust(())
        self._environ = environ
        self._adapters = adapters
        self._bridges = bridges
        self._read = read
        self._apply(config)

    def read(self) -> Config:
        """The settings as they stand in the files; may block. Raises Misconfigured."""
        return self._read()

    def take(self, fresh: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Go by `fresh` from now on. Returns the keys of what changed, settings and variables that agents are given,
        and the keys of those that did but count from the next start on."""
        before, after = dict(self._values(self.config)), dict(self._values(fresh))
        at_start = {setting.key for setting in SETTINGS if setting.field in AT_START}
        different = [key for key in {**before, **after} if _plain(before.get(key)) != _plain(after.get(key))]
        self._apply(fresh.model_copy(update={field: getattr(self.config, field) for field in AT_START}))
        return (
            tuple(key for key in different if key not in at_start),
            tuple(key for key in different if key in at_start),
        )

    def _values(self, config: Config) -> Iterator[tuple[str, object]]:
        """Every value by its key, in the order of the reference."""
        for setting in SETTINGS:
            yield setting.key, getattr(config, setting.field)
        for name, own in config.adapters.items():
            for setting in self._adapters[name].settings:
                yield setting.key, own.settings.get(setting.field)
            yield from own.environment.items()
        for name, values in config.bridges.items():
            for setting in self._bridges[name].settings:
                yield setting.key, values.get(setting.field)
        yield from config.agent_environment.items()

    def _apply(self, config: Config) -> None:
        self.config = config
        self.trust.take(config.trusted_directories)
        for name, own in config.adapters.items():
            given = {**config.agent_environment, **own.environment}
            self.settings[name] = own.settings
            self.environments[name] = agent_environment(self._environ, given)


def _plain(value: object) -> object:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
