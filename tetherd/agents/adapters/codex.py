"""OpenAI's Codex, by its app-server."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from tetherd.agents.codex.codec import CodexCodec
from tetherd.agents.codex.restraints import SANDBOXES
from tetherd.plugin import AgentCodec, JsonObject, Launch, LaunchSpec, Profile
from tetherd.settings import Setting, command_line, one_of, one_word


class CodexAdapter:
    """`codex app-server` over stdio; the sidecar of its name is that process behind its shim."""

    name = "codex_sdk_sidecar"
    description = "OpenAI's Codex, by `codex app-server`; it asks before whatever it runs or changes"
    external = False
    aliases = ("codex",)
    environment_keys = ("CODEX_HOME",)
    profile = Profile(
        tested_with="0.169.0",
        abilities=("images", "questions", "reasons", "resume", "fork", "tokens"),
    )
    settings = (
        Setting(
            "TETHER_CODEX_COMMAND",
            "command",
            "command line",
            "codex",
            "The program that starts Codex; `app-server` is put behind it.",
            command_line,
            guarded=True,
        ),
        Setting(
            "TETHER_CODEX_MODEL",
            "model",
            "name",
            "",
            "The model that Codex uses; when it is not set, that of Codex's own settings.",
            one_word,
        ),
        Setting(
            "TETHER_CODEX_EFFORT",
            "effort",
            "name",
            "",
            "How long the model thinks, such as low, medium or high; when it is not set, Codex decides.",
            one_word,
        ),
        Setting(
            "TETHER_CODEX_SANDBOX",
            "sandbox",
            " | ".join(SANDBOXES),
            next(iter(SANDBOXES)),
            "The sandbox in which Codex runs a command that was approved; docs/agents/codex.md says what each does.",
            one_of(*SANDBOXES),
            guarded=True,
        ),
        Setting(
            "TETHER_CODEX_RULES",
            "rules",
            "refuse | honour",
            "refuse",
            "What becomes of a session while Codex has rules of its own, which let commands pass unasked.",
            one_of("refuse", "honour"),
            guarded=True,
        ),
    )

    def launch(self, spec: LaunchSpec) -> Launch:
        argv = (*_words(spec.settings), "app-server")
        return Launch(
            argv=argv,
            environment=dict(spec.environment),
            directory=spec.directory,
            conversation=spec.vendor_session_id,
        )

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        return CodexCodec(spec, snapshot)

    def login(self, settings: Mapping[str, str], environment: Mapping[str, str]) -> str:
        """By the file alone: Codex may keep its login in a keyring, or use a provider that wants another key."""
        home = environment.get("CODEX_HOME") or f"{environment.get('HOME', '/')}/.codex"
        return "logged in" if Path(home, "auth.json").is_file() else "no login in auth.json"

    def program(self, settings: Mapping[str, str]) -> str | None:
        return _words(settings)[0]


def _words(settings: Mapping[str, str]) -> list[str]:
    """The setting was checked when it was read; without one (an adapter by itself) it is Codex's own name."""
    return shlex.split(settings.get("command") or "codex")
