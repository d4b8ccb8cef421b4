"""Agents that we know, on the Agent Client Protocol: the bones of their adapters."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from tetherd.agents.acp.codec import AcpCodec
from tetherd.agents.acp.terms import Terms
from tetherd.agents.logins import login_state
from tetherd.errors import Rejected
from tetherd.plugin import AgentCodec, JsonObject, Launch, LaunchSpec, Profile
from tetherd.settings import Setting, command_line


class CannotFork(Rejected):
    """The protocol continues conversations, and copies none."""

    code = "cannot_fork"
    status = 422

    def __init__(self, adapter: str) -> None:
        super().__init__(f"{adapter} cannot begin a session as a copy of a conversation")


class AcpPreset:
    """An adapter says what is its agent's own: the command line, the environment and the terms.

    `settings` hold at least `command` and `model`, as own_settings() makes them.
    """

    name: str
    description: str
    aliases: Sequence[str] = ()
    external = False
    profile: Profile
    settings: Sequence[Setting]
    environment_keys: Sequence[str]

    def arguments(self, spec: LaunchSpec) -> Sequence[str]:
        """What follows the program."""
        return ()

    def environment(self, spec: LaunchSpec) -> Mapping[str, str]:
        """What the agent gets beyond everybody's; it wins."""
        return {}

    def terms(self, spec: LaunchSpec) -> Terms:
        return Terms()

    def launch(self, spec: LaunchSpec) -> Launch:
        if spec.fork_of is not None:
            raise CannotFork(self.name)
        return Launch(
            argv=(*shlex.split(spec.settings["command"]), *self.arguments(spec)),
            environment={**spec.environment, **self.environment(spec)},
            directory=spec.directory,
            conversation=spec.vendor_session_id,
        )

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        return AcpCodec(spec, snapshot, self.terms(spec))

    def credentials(self, environment: Mapping[str, str]) -> Sequence[Path]:
        """The files in which the agent keeps a log-in."""
        return ()

    def login(self, settings: Mapping[str, str], environment: Mapping[str, str]) -> str:
        return login_state(environment, self.credentials(environment))

    def program(self, settings: Mapping[str, str]) -> str | None:
        return shlex.split(settings["command"])[0]


def own_settings(word: str, agent: str, command: str) -> tuple[Setting, ...]:
    """The settings that each of these adapters has; `word` is what stands between TETHER_ and the rest of the key."""
    return (
        Setting(
            f"TETHER_{word}_COMMAND",
            "command",
            "command line",
            command,
            f"The {agent} program, and arguments that it gets before ours.",
            command_line,
            guarded=True,
        ),
        Setting(
            f"TETHER_{word}_MODEL",
            "model",
            "name",
            "",
            f"The model that {agent} uses; its own choice when not set.",
            str,
        ),
    )
