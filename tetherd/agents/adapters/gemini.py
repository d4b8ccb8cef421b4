"""Gemini CLI, by the Agent Client Protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tetherd.agents.acp import preset
from tetherd.agents.acp.terms import Terms
from tetherd.plugin import Launch, LaunchSpec, Profile

POLICY = Path(preset.__file__).with_name("gemini-ask.toml")

NOT_IN_ITS_MINUTE = """
while ls "$HOME"/.gemini/tmp/*/chats/session-"$(date -u +%Y-%m-%dT%H-%M)"-"$1".jsonl >/dev/null 2>&1; do sleep 1; done
shift
exec "$@"
"""
"""Gemini CLI names the record of a session by its id and the minute. One that is loaded in the minute in which its
record was begun is written over and forgotten (seen with 0.61.0), so such a load waits for the next minute."""
ID_DIGITS = 8
"""Of a session's id in the name of its record."""


class GeminiAdapter(preset.AcpPreset):
    """Its administrator's policy, which stands above what the user and the project allow, is ours: ask."""

    name = "gemini"
    description = "Gemini CLI (gemini --acp)"
    profile = Profile(tested_with="0.61.0", abilities=("images", "resume", "tokens"))
    settings = preset.own_settings("GEMINI", "Gemini CLI", "gemini")
    environment_keys = (
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_LOCATION",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_GEMINI_BASE_URL",
        "GOOGLE_GENAI_USE_GCA",
        "GOOGLE_GENAI_USE_VERTEXAI",
    )

    def arguments(self, spec: LaunchSpec) -> Sequence[str]:
        words = ["--acp", "--approval-mode", "default", "--admin-policy", str(POLICY)]
        words += ["--skip-trust"] if spec.is_trusted else []
        return [*words, "--model", spec.settings["model"]] if spec.settings["model"] else words

    def credentials(self, environment: Mapping[str, str]) -> Sequence[Path]:
        return (Path(environment.get("HOME", "/"), ".gemini", "oauth_creds.json"),)

    def launch(self, spec: LaunchSpec) -> Launch:
        launch = super().launch(spec)
        if spec.vendor_session_id is None:
            return launch
        wait = ("/bin/sh", "-c", NOT_IN_ITS_MINUTE, "sh", spec.vendor_session_id[:ID_DIGITS])
        return replace(launch, argv=(*wait, *launch.argv))

    def environment(self, spec: LaunchSpec) -> Mapping[str, str]:
        # the program starts itself anew with another memory limit otherwise: a second process for nothing
        return {"GEMINI_CLI_NO_RELAUNCH": "true"}

    def terms(self, spec: LaunchSpec) -> Terms:
        return Terms(asking_mode="default", replays_late=True)
