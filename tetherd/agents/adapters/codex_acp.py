"""Codex by the Agent Client Protocol, through the program codex-acp."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tetherd.agents.acp.preset import AcpPreset, own_settings
from tetherd.domain.modes import Mode
from tetherd.errors import Rejected
from tetherd.plugin import Launch, LaunchSpec, Profile
from tetherd.settings import Setting, one_of


class ReadsAreNotAsked(Rejected):
    """Codex has a list of harmless commands; it is not ours, and its `cat` reads every file."""

    code = "cannot_ask"
    status = 422
    hint = "use the adapter codex, start in mode auto, or set TETHER_CODEX_ACP_UNASKED_READS=allow"

    def __init__(self, mode: Mode) -> None:
        super().__init__(
            "codex-acp runs commands that only read (cat, grep, ls ...) without asking, outside the project as well, "
            f"so mode {mode} would promise too much"
        )


class CodexAcpAdapter(AcpPreset):
    """codex-acp brings no sandbox of its own, and with one that is missing it asks nothing and runs nothing.

    So it runs without: every command is asked for, and runs as it was shown.
    """

    name = "codex_acp"
    description = "Codex through codex-acp; the adapter codex does more with less"
    profile = Profile(tested_with="0.16.0", abilities=("images", "resume"))
    aliases = ("codex-acp",)
    settings = (
        *own_settings("CODEX_ACP", "codex-acp", "codex-acp"),
        Setting(
            "TETHER_CODEX_ACP_UNASKED_READS",
            "unasked_reads",
            "refuse | allow",
            "refuse",
            "Whether sessions start in a mode other than `auto` although codex-acp runs commands that only read "
            "without asking, wherever they read.",
            one_of("refuse", "allow"),
            guarded=True,
        ),
    )
    environment_keys = ("CODEX_API_KEY", "CODEX_HOME", "OPENAI_API_KEY", "OPENAI_BASE_URL")

    def credentials(self, environment: Mapping[str, str]) -> Sequence[Path]:
        return (Path(environment.get("CODEX_HOME") or f"{environment.get('HOME', '/')}/.codex", "auth.json"),)

    def launch(self, spec: LaunchSpec) -> Launch:
        if spec.mode is not Mode.AUTO and spec.settings["unasked_reads"] == "refuse":
            raise ReadsAreNotAsked(spec.mode)
        return super().launch(spec)

    def arguments(self, spec: LaunchSpec) -> Sequence[str]:
        overrides = {"approval_policy": "untrusted", "sandbox_mode": "danger-full-access"}
        if model := spec.settings["model"]:
            overrides["model"] = model
        return [word for key, value in overrides.items() for word in ("-c", f"{key}={json.dumps(value)}")]
