"""The built-in demo agent, a worker of our own."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tetherd.agents.acp.codec import AcpCodec
from tetherd.plugin import AgentCodec, JsonObject, Launch, LaunchSpec

# -P: the agent runs in a project's directory, and what lies there must not be imported instead of ours
ARGV = (sys.executable, "-P", "-m", "tetherd.agents.workers.demo")


class DemoAdapter:
    name = "demo"
    description = "built in: shows everything, needs no key and no network"
    external = False
    aliases = ()
    environment_keys = ()
    settings = ()

    def launch(self, spec: LaunchSpec) -> Launch:
        return Launch(argv=ARGV, environment=dict(spec.environment), directory=spec.directory)

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        return AcpCodec(spec, snapshot)

    def program(self, settings: Mapping[str, str]) -> str | None:
        return sys.executable
