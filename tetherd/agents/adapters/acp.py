"""Any agent that speaks the Agent Client Protocol."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from tetherd.agents.acp.codec import AcpCodec
from tetherd.errors import Misconfigured
from tetherd.plugin import AgentCodec, JsonObject, Launch, LaunchSpec, Profile
from tetherd.settings import Setting, command_line


class AcpAdapter:
    """Driven by command line: the setting `command`, read as a shell would, but run without one.

    It asks whatever the agent asks: what the agent's own settings allow never reaches us.
    """

    name = "acp"
    description = "any agent that speaks the Agent Client Protocol, by its command line"
    external = False
    profile = Profile(abilities=("resume",))
    aliases = ()
    environment_keys = ()
    settings = (
        Setting(
            "TETHER_ACP_COMMAND",
            "command",
            "command line",
            "",
            "The program that the `acp` adapter starts: any agent that speaks the Agent Client Protocol.",
            command_line,
            guarded=True,
        ),
    )

    def launch(self, spec: LaunchSpec) -> Launch:
        return Launch(argv=_words(spec.settings), environment=dict(spec.environment), directory=spec.directory)

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        return AcpCodec(spec, snapshot)

    def program(self, settings: Mapping[str, str]) -> str | None:
        try:
            return _words(settings)[0]
        except Misconfigured:
            return None


def _words(settings: Mapping[str, str]) -> tuple[str, ...]:
    command = settings.get("command", "")
    if not command:
        raise Misconfigured("TETHER_ACP_COMMAND is not set: give the command line of an agent that speaks ACP")
    return tuple(shlex.split(command))
