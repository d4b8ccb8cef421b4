"""Which kinds of agent can be started on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

import trio

from tetherd.control import AgentView
from tetherd.errors import Misconfigured
from tetherd.plugin import AgentAdapter, Chooser


async def describe_agents(
    adapters: Mapping[str, AgentAdapter],
    settings: Mapping[str, Mapping[str, str]],
    environments: Mapping[str, Mapping[str, str]],
    default: str,
) -> tuple[AgentView, ...]:
    """All adapters by name, with the program that each would run (or the adapter it would choose), if it is there."""
    views: list[AgentView] = []
    for name, adapter in sorted(adapters.items()):
        if isinstance(adapter, Chooser):
            program = path = await trio.to_thread.run_sync(_chosen, adapter, settings, environments)
        else:
            program = adapter.program(settings.get(name, {}))
            path = await trio.to_thread.run_sync(shutil.which, program) if program else None
        views.append(
            AgentView(
                adapter=name,
                description=adapter.description,
                found=None if adapter.external else path is not None,
                program=path or program,
                version=None,
                default=name == default,
            )
        )
    return tuple(views)


def _chosen(
    chooser: Chooser, settings: Mapping[str, Mapping[str, str]], environments: Mapping[str, Mapping[str, str]]
) -> str | None:
    try:
        return chooser.choose(settings, environments).adapter
    except Misconfigured:
        return None
