"""Claude by API key: a worker of our own, with tools of our own."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tetherd.agents.acp.codec import AcpCodec
from tetherd.plugin import AgentCodec, JsonObject, Launch, LaunchSpec, Profile
from tetherd.settings import Setting, model_name, one_of

EFFORTS = ("low", "medium", "high", "xhigh", "max")
KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
"""The commands that the agent runs do not get these."""


class ClaudeApiAdapter:
    """It asks in every mode: what passes without a person is our policy's to say."""

    name = "claude_api"
    description = "Claude by API key: tetherd's own worker, needs no other program"
    external = False
    profile = Profile(abilities=("images", "reasons", "resume", "fork", "tokens", "cost"))
    aliases = ()
    environment_keys = (
        *KEYS,
        "ANTHROPIC_BASE_URL",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NO_PROXY",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
    )
    settings = (
        Setting(
            "TETHER_CLAUDE_API_MODEL",
            "model",
            "name",
            "claude-sonnet-5-5",
            "The model of `claude_api` sessions, as the Anthropic API calls it.",
            model_name,
        ),
        Setting(
            "TETHER_CLAUDE_API_EFFORT",
            "effort",
            " | ".join(EFFORTS),
            "",
            "How hard the model of `claude_api` sessions tries; when it is not set, the model's own measure.",
            one_of(*EFFORTS),
        ),
    )

    def launch(self, spec: LaunchSpec) -> Launch:
        effort = spec.settings.get("effort", "")
        argv = (
            # -P: the agent runs in a project's directory, and what lies there must not be imported instead of ours
            *(sys.executable, "-P", "-m", "tetherd.agents.workers.claude_api"),
            f"--model={spec.settings['model']}",
            *([f"--effort={effort}"] if effort else []),
            *([f"--fork-of={spec.fork_of}"] if spec.fork_of else []),
            *("--hidden", *KEYS),
        )
        return Launch(
            argv=argv,
            environment=dict(spec.environment),
            directory=spec.directory,
            conversation=spec.vendor_session_id,
        )

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        return AcpCodec(spec, snapshot)

    def login(self, settings: Mapping[str, str], environment: Mapping[str, str]) -> str:
        return "API key" if any(key in environment for key in KEYS) else "no API key"

    def program(self, settings: Mapping[str, str]) -> str | None:
        return sys.executable
