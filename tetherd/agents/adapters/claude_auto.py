"""Claude by whatever way there is on this machine."""

from __future__ import annotations

from collections.abc import Mapping

from tetherd.agents.claude.login import choose, look
from tetherd.errors import Fatal
from tetherd.plugin import AgentCodec, Chosen, JsonObject, Launch, LaunchSpec


class ClaudeAutoAdapter:
    """Stands for another adapter, which a session gets when it is made; see plugin.Chooser.

    The choice is never made again: what runs must be read by the codec it was started with.
    """

    name = "claude_auto"
    description = "Claude: the `claude` program if it can be used, else the API with a key"
    external = False
    aliases = ()
    settings = ()
    environment_keys = ()

    def choose(
        self, settings: Mapping[str, Mapping[str, str]], environments: Mapping[str, Mapping[str, str]]
    ) -> Chosen:
        """By what the other adapters are set to. Reads the disk. Raises Misconfigured when there is no way."""
        return choose(look(settings["claude_subprocess"]["command"], environments["claude_subprocess"]))

    def launch(self, spec: LaunchSpec) -> Launch:
        raise Fatal(f"session {spec.session_id} was made without an agent being chosen")

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        raise Fatal(f"session {spec.session_id} was made without an agent being chosen")

    def program(self, settings: Mapping[str, str]) -> str | None:
        return None
