"""Which kinds of agent can be started on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field

import trio

from tetherd.agents.versions import Versions
from tetherd.control import AgentView
from tetherd.errors import Misconfigured
from tetherd.plugin import AgentAdapter, Chooser, LoginTeller, profile_of

Table = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Programs:
    """The adapters, with their settings and their agents' environments by name."""

    adapters: Mapping[str, AgentAdapter]
    settings: Table
    environments: Table
    versions: Versions = field(default_factory=Versions)

    async def describe(self, default: str) -> tuple[AgentView, ...]:
        """All adapters by name, with the program that each would run (or the adapter it would choose), if it is there.

        Programs are asked for their version all at once, each within a few seconds and once only.
        """
        views: dict[str, AgentView] = {}

        async def describe(name: str) -> None:
            views[name] = await self._view(name, is_default=name == default)

        async with trio.open_nursery() as nursery:
            for name in self.adapters:
                nursery.start_soon(describe, name)
        return tuple(views[name] for name in sorted(views))

    async def _view(self, name: str, *, is_default: bool) -> AgentView:
        adapter = self.adapters[name]
        settings, environment = self.settings.get(name, {}), self.environments.get(name, {})
        program, path = await trio.to_thread.run_sync(self._program, adapter, settings)
        profile, login, version = profile_of(adapter), None, None
        if isinstance(adapter, LoginTeller):
            login = await trio.to_thread.run_sync(adapter.login, settings, environment)
        if path is not None and profile.tested_with is not None:
            version = await self.versions.of(path, environment)
        return AgentView(
            adapter=name,
            description=adapter.description,
            found=None if adapter.external else path is not None,
            program=path or program,
            version=version,
            default=is_default,
            tested_with=profile.tested_with,
            login=login,
            abilities=profile.abilities,
        )

    def _program(self, adapter: AgentAdapter, settings: Mapping[str, str]) -> tuple[str | None, str | None]:
        """What would be run, and where it is."""
        if isinstance(adapter, Chooser):
            try:
                chosen = adapter.choose(self.settings, self.environments).adapter
            except Misconfigured:
                return None, None
            return chosen, chosen if chosen in self.adapters else None
        program = adapter.program(settings)
        return program, shutil.which(program) if program else None
