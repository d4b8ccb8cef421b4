"""OpenCode, by the Agent Client Protocol."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from tetherd.agents.acp.preset import AcpPreset, own_settings
from tetherd.plugin import JsonObject, Launch, LaunchSpec, Profile

ASK: JsonObject = {
    "*": "ask",
    "read": {"*": "allow", "*.env": "ask", "*.env.*": "ask", "*.env.example": "allow"},
    "glob": "allow",
    "grep": "allow",
    "list": "allow",
    "lsp": "allow",
    "skill": "allow",
    "todoread": "allow",
    "todowrite": "allow",
    "question": "deny",
    "bash": "ask",
    "edit": "ask",
    "webfetch": "ask",
    "websearch": "ask",
    "task": "ask",
    "external_directory": "ask",
    "doom_loop": "ask",
}
"""Without it OpenCode asks nothing. Its last rule that fits wins, so `*` stands first; each agent of its own has rules
that come after the common ones, so they are given these as well. Questions would wait for an answer in a terminal."""

OWN_FILES = (".opencode", "opencode.json", "opencode.jsonc")
"""What a project may bring along. OPENCODE_DISABLE_PROJECT_CONFIG keeps its settings out, but plugins that it names or
holds are run all the same (seen with 1.18.33); OpenCode looks for them in the directory and in all above it."""

AGENTS = ("build", "general", "explore")


class OpenCodeAdapter(AcpPreset):
    """In a directory that is not trusted it starts only if no configuration of OpenCode's lies in or above it."""

    name = "opencode"
    description = "OpenCode (opencode acp)"
    profile = Profile(tested_with="1.18.33", abilities=("images", "resume", "tokens", "cost"))
    settings = own_settings("OPENCODE", "OpenCode", "opencode")
    environment_keys = (
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "GROQ_API_KEY",
        "OPENAI_API_KEY",
        "OPENCODE_API_KEY",
        "OPENCODE_CONFIG",
        "OPENCODE_CONFIG_DIR",
        "OPENROUTER_API_KEY",
        "XAI_API_KEY",
    )

    def arguments(self, spec: LaunchSpec) -> Sequence[str]:
        return ("acp",)

    def environment(self, spec: LaunchSpec) -> Mapping[str, str]:
        # the agent `plan` refuses edits by itself: its rules stay
        agents: JsonObject = {agent: {"permission": ASK} for agent in AGENTS}
        config: JsonObject = {"autoupdate": False, "share": "disabled", "permission": ASK, "agent": agents}
        if model := spec.settings["model"]:
            config["model"] = model
        environment = {
            "OPENCODE_CONFIG_CONTENT": json.dumps(config),
            "OPENCODE_PERMISSION": json.dumps(ASK),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
        }
        return environment if spec.is_trusted else {**environment, "OPENCODE_DISABLE_PROJECT_CONFIG": "1"}

    def credentials(self, environment: Mapping[str, str]) -> Sequence[Path]:
        data = environment.get("XDG_DATA_HOME") or f"{environment.get('HOME', '/')}/.local/share"
        return (Path(data, "opencode", "auth.json"),)

    def launch(self, spec: LaunchSpec) -> Launch:
        launch = super().launch(spec)
        return launch if spec.is_trusted else replace(launch, unless=tuple(_own_files(spec)))


def _own_files(spec: LaunchSpec) -> Iterator[str]:
    """Globs for the files, from the directory upwards; those in the user's home are the user's own."""
    place = PurePosixPath(spec.directory)
    for folder in (place, *place.parents):
        if str(folder) != spec.environment.get("HOME"):
            yield from (f"{glob.escape(str(folder))}/{name}" for name in OWN_FILES)
