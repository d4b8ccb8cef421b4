"""Pi, by its RPC mode and an extension of ours that asks."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from tetherd.agents.logins import login_state
from tetherd.agents.pi import codec
from tetherd.domain.modes import Mode
from tetherd.errors import Rejected
from tetherd.plugin import AgentCodec, JsonObject, Launch, LaunchSpec, Profile
from tetherd.settings import Setting, command_line, one_of

GATE = Path(codec.__file__).with_name("gate.js")
QUIET = {"PI_OFFLINE": "1", "PI_SKIP_VERSION_CHECK": "1", "PI_TELEMETRY": "0"}
"""No look for updates, and no package that a project's settings name is installed before anybody is asked."""

LEVELS = ("off", "minimal", "low", "medium", "high", "xhigh")


class ExtensionsCannotBeAsked(Rejected):
    """With extensions of the user's own loaded, not all that happens is a tool call."""

    code = "cannot_ask"
    status = 422
    hint = "set TETHER_PI_EXTENSIONS=off, trust the directory (TETHER_TRUSTED_DIRECTORIES), or start in mode auto"

    def __init__(self, mode: Mode) -> None:
        super().__init__(
            f"Pi's own extensions are loaded (TETHER_PI_EXTENSIONS=on): they run code that nobody is asked about, "
            f"so mode {mode} would promise too much"
        )


class PiAdapter:
    """Pi asks nobody by itself: gate.js, loaded for this run alone, turns its tool calls into questions."""

    name = "pi_rpc"
    description = "Pi (pi --mode rpc); each tool call is asked for"
    external = False
    profile = Profile(
        tested_with="0.74.2",
        abilities=("images", "questions", "reasons", "edited input", "steering", "resume", "fork", "tokens", "cost"),
    )
    aliases = ("pi",)
    settings = (
        Setting(
            "TETHER_PI_COMMAND",
            "command",
            "command line",
            "pi",
            "The Pi program, and arguments that it gets before ours.",
            command_line,
            guarded=True,
        ),
        Setting(
            "TETHER_PI_MODEL",
            "model",
            "name",
            "",
            "The model that Pi uses, as `provider/model`; its own choice when not set.",
            str,
        ),
        Setting(
            "TETHER_PI_THINKING",
            "thinking",
            " | ".join(LEVELS),
            "",
            "How much Pi lets the model think; its own choice when not set.",
            one_of(*LEVELS),
        ),
        Setting(
            "TETHER_PI_EXTENSIONS",
            "extensions",
            "on | off",
            "off",
            "Whether Pi loads the extensions of the user and of the project, which may run anything without being "
            "asked: then only sessions in mode `auto` or in a trusted directory start.",
            one_of("on", "off"),
            guarded=True,
        ),
    )
    environment_keys = (
        "PI_CODING_AGENT_DIR",
        "PI_CODING_AGENT_SESSION_DIR",
        "AI_GATEWAY_API_KEY",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_OAUTH_TOKEN",
        "AWS_ACCESS_KEY_ID",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_API_VERSION",
        "AZURE_OPENAI_BASE_URL",
        "AZURE_OPENAI_DEPLOYMENT_NAME_MAP",
        "AZURE_OPENAI_RESOURCE_NAME",
        "CEREBRAS_API_KEY",
        "CLOUDFLARE_ACCOUNT_ID",
        "CLOUDFLARE_API_KEY",
        "CLOUDFLARE_GATEWAY_ID",
        "DEEPSEEK_API_KEY",
        "FIREWORKS_API_KEY",
        "GEMINI_API_KEY",
        "GROQ_API_KEY",
        "KIMI_API_KEY",
        "MINIMAX_API_KEY",
        "MISTRAL_API_KEY",
        "MOONSHOT_API_KEY",
        "OPENAI_API_KEY",
        "OPENCODE_API_KEY",
        "OPENROUTER_API_KEY",
        "TOGETHER_API_KEY",
        "XAI_API_KEY",
        "ZAI_API_KEY",
    )

    def launch(self, spec: LaunchSpec) -> Launch:
        with_extensions = spec.settings["extensions"] == "on"
        if with_extensions and spec.mode is not Mode.AUTO and not spec.is_trusted:
            raise ExtensionsCannotBeAsked(spec.mode)
        argv = [*shlex.split(spec.settings["command"]), "--mode", "rpc"]
        argv += [] if with_extensions else ["--no-extensions"]
        argv += ["--extension", str(GATE)]
        for flag in ("model", "thinking"):
            if value := spec.settings[flag]:
                argv += [f"--{flag}", value]
        if spec.vendor_session_id is not None:
            argv += ["--session", spec.vendor_session_id]
        elif spec.fork_of is not None:
            argv += ["--fork", spec.fork_of]
        return Launch(
            argv=tuple(argv),
            environment={**spec.environment, **QUIET},
            directory=spec.directory,
            conversation=spec.vendor_session_id,
        )

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        return codec.PiCodec(spec, snapshot)

    def login(self, settings: Mapping[str, str], environment: Mapping[str, str]) -> str:
        home = environment.get("PI_CODING_AGENT_DIR") or f"{environment.get('HOME', '/')}/.pi/agent"
        return login_state(environment, (Path(home, "auth.json"), Path(home, "models.json")))

    def program(self, settings: Mapping[str, str]) -> str | None:
        return shlex.split(settings["command"])[0]
