"""Claude Code by the Agent Client Protocol, through the program claude-agent-acp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from tetherd.agents.acp.preset import AcpPreset, own_settings
from tetherd.agents.acp.terms import Terms
from tetherd.plugin import LaunchSpec, Profile

ASK: list[JsonValue] = ["Bash", "Edit", "MultiEdit", "NotebookEdit", "WebFetch", "WebSearch", "Write"]
"""Rules of Claude Code that say ask win over those that say allow, also over its own list of harmless commands."""

QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
}


class ClaudeAcpAdapter(AcpPreset):
    """Where a directory is not trusted, the settings that lie in it (hooks, MCP servers, allow rules) are left out."""

    name = "claude_acp"
    description = "Claude Code through claude-agent-acp; claude_subprocess does more with less"
    profile = Profile(tested_with="0.49.0", abilities=("images", "plans", "resume", "tokens", "cost"))
    aliases = ("claude-acp",)
    settings = own_settings("CLAUDE_ACP", "claude-agent-acp", "claude-agent-acp")
    environment_keys = (
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "CLAUDE_CODE_MAX_RETRIES",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CONFIG_DIR",
    )

    def credentials(self, environment: Mapping[str, str]) -> Sequence[Path]:
        home = environment.get("CLAUDE_CONFIG_DIR") or f"{environment.get('HOME', '/')}/.claude"
        return (Path(home, ".credentials.json"),)

    def environment(self, spec: LaunchSpec) -> Mapping[str, str]:
        return {**QUIET, "ANTHROPIC_MODEL": spec.settings["model"]} if spec.settings["model"] else QUIET

    def terms(self, spec: LaunchSpec) -> Terms:
        sources: list[JsonValue] = ["user", "project", "local"] if spec.is_trusted else ["user"]
        options: JsonValue = {"settingSources": sources, "settings": {"permissions": {"ask": ASK}}}
        return Terms(asking_mode="default", session_meta={"claudeCode": {"options": options}})
