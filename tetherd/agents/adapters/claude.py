"""Claude Code, the `claude` program, with whichever login it has."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from tetherd.agents.claude.codec import ClaudeCodec
from tetherd.agents.claude.frames import session_id_for
from tetherd.agents.claude.login import config_directory, look
from tetherd.plugin import AgentCodec, JsonObject, Launch, LaunchSpec, Profile, Resumed
from tetherd.settings import Setting, command_line

STREAMS = (
    "-p",
    "--input-format",
    "stream-json",
    "--output-format",
    "stream-json",
    "--verbose",
    "--include-partial-messages",
    "--permission-prompt-tool",
    "stdio",
    "--permission-mode",
    "default",
)
"""Its own modes are never used: what passes unasked is for tetherd to say."""

QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_SDK_READS_SESSION_STATE": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
}
"""No telemetry, no update of itself in mid-work."""

OWN_SETTINGS, ALL_SETTINGS = "user", "user,project,local"


class ClaudeAdapter:
    """Where a directory is not trusted, the settings that lie in it (hooks, MCP servers, allow rules) are left out."""

    name = "claude_subprocess"
    description = "Claude Code: the `claude` program, with whichever login it has"
    external = False
    profile = Profile(
        tested_with="2.1.330",
        abilities=(
            "images",
            "questions",
            "plans",
            "reasons",
            "edited input",
            "resume",
            "fork",
            "tokens",
            "cost",
        ),
    )
    aliases = ("claude",)
    settings = (
        Setting(
            "TETHER_CLAUDE_COMMAND",
            "command",
            "command line",
            "claude",
            "The Claude Code program, and arguments that it gets before ours.",
            command_line,
            guarded=True,
        ),
        Setting(
            "TETHER_CLAUDE_MODEL",
            "model",
            "name",
            "",
            "The model that Claude Code uses; its own choice when not set.",
            str,
        ),
    )
    environment_keys = (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "CLAUDE_CODE_MAX_RETRIES",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CONFIG_DIR",
    )

    def launch(self, spec: LaunchSpec) -> Launch:
        argv = [*shlex.split(spec.settings["command"]), *STREAMS]
        if model := spec.settings["model"]:
            argv.append(f"--model={model}")
        argv.append(f"--setting-sources={ALL_SETTINGS if spec.is_trusted else OWN_SETTINGS}")
        environment = {**spec.environment, **QUIET}
        session_id = spec.vendor_session_id or session_id_for(spec.run_id)
        begin = (*argv, f"--session-id={session_id}")
        if spec.fork_of is not None:
            begin = (*argv, f"--resume={spec.fork_of}", "--fork-session", f"--session-id={session_id}")
        if spec.vendor_session_id is None:
            return Launch(argv=begin, environment=environment, directory=spec.directory, conversation=session_id)
        files = f"{config_directory(spec.environment)}/projects/*/{session_id}.jsonl"
        return Launch(
            argv=begin,
            environment=environment,
            directory=spec.directory,
            conversation=session_id,
            resumed=Resumed(argv=(*argv, f"--resume={session_id}"), only_if=files),
        )

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        return ClaudeCodec(spec, snapshot)

    def login(self, settings: Mapping[str, str], environment: Mapping[str, str]) -> str:
        means = look(settings["command"], environment)
        return "logged in" if means.login else "API key" if means.key else "not logged in"

    def program(self, settings: Mapping[str, str]) -> str | None:
        return shlex.split(settings["command"])[0]
