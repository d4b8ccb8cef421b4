"""Programs that join by themselves, by REST or MCP."""

from __future__ import annotations

from collections.abc import Mapping

from tetherd.errors import Fatal
from tetherd.plugin import AgentCodec, JsonObject, Launch, LaunchSpec


class ExternalAdapter:
    """Names the kind; there is nothing to launch and nothing to read, and nobody may try."""

    name = "external"
    description = "a program that joins by REST or MCP"
    external = True
    aliases = ()
    environment_keys = ()
    settings = ()

    def launch(self, spec: LaunchSpec) -> Launch:
        raise Fatal(f"session {spec.session_id} is external: its program starts by itself")

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        raise Fatal(f"session {spec.session_id} is external: its program has no stdout of ours")

    def program(self, settings: Mapping[str, str]) -> str | None:
        return None
