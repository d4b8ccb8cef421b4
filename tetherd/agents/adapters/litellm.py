"""Any model that LiteLLM reaches: a worker of our own, with tools of our own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec

from tetherd.agents.acp.codec import AcpCodec
from tetherd.errors import Misconfigured
from tetherd.plugin import AgentCodec, JsonObject, Launch, LaunchSpec, Profile
from tetherd.settings import Setting, model_name, one_of

EFFORTS = ("low", "medium", "high")
KEYS = (
    "ANTHROPIC_API_KEY",
    "AZURE_API_KEY",
    "CEREBRAS_API_KEY",
    "COHERE_API_KEY",
    "DEEPSEEK_API_KEY",
    "FIREWORKS_AI_API_KEY",
    "GEMINI_API_KEY",
    "GROQ_API_KEY",
    "HUGGINGFACE_API_KEY",
    "LITELLM_PROXY_API_KEY",
    "MISTRAL_API_KEY",
    "MOONSHOT_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "TOGETHERAI_API_KEY",
    "XAI_API_KEY",
)
"""The commands that the agent runs do not get these."""


class LiteLlmAdapter:
    """It asks in every mode: what passes without a person is our policy's to say.

    LiteLLM is imported by the worker alone; here it is only looked for.
    """

    name = "litellm"
    description = "any model that LiteLLM reaches: tetherd's own worker, needs tetherd[litellm]"
    external = False
    profile = Profile(abilities=("images", "reasons", "resume", "fork", "tokens", "cost"))
    aliases = ()
    environment_keys = (
        *KEYS,
        "AZURE_API_BASE",
        "AZURE_API_VERSION",
        "LITELLM_PROXY_API_BASE",
        "OLLAMA_API_BASE",
        "OPENAI_API_BASE",
        "OPENAI_BASE_URL",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "NO_PROXY",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
    )
    settings = (
        Setting(
            "TETHER_LITELLM_MODEL",
            "model",
            "vendor/name",
            "",
            "The model of `litellm` sessions, as LiteLLM calls it, such as `openai/gpt-5.5` or `ollama/qwen3`.",
            model_name,
        ),
        Setting(
            "TETHER_LITELLM_EFFORT",
            "effort",
            " | ".join(EFFORTS),
            "",
            "How hard the model of `litellm` sessions tries, where it can be told.",
            one_of(*EFFORTS),
        ),
    )

    def launch(self, spec: LaunchSpec) -> Launch:
        model, effort = spec.settings.get("model", ""), spec.settings.get("effort", "")
        if find_spec("litellm") is None:
            raise Misconfigured("LiteLLM is not installed; it is an extra: pip install 'tetherd[litellm]'")
        if not model:
            raise Misconfigured(
                "TETHER_LITELLM_MODEL is not set: give a model in words of LiteLLM, such as openai/gpt-5.5"
            )
        argv = (
            # -P: the agent runs in a project's directory, and what lies there must not be imported instead of ours
            *(sys.executable, "-P", "-m", "tetherd.agents.workers.litellm"),
            f"--model={model}",
            *([f"--effort={effort}"] if effort else []),
            *([f"--fork-of={spec.fork_of}"] if spec.fork_of else []),
            *("--hidden", *KEYS),
        )
        # its import would fetch a list of prices, from a host that nobody asked for
        environment = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", **spec.environment}
        return Launch(argv=argv, environment=environment, directory=spec.directory, conversation=spec.vendor_session_id)

    def codec(self, spec: LaunchSpec, snapshot: JsonObject | None) -> AgentCodec:
        return AcpCodec(spec, snapshot)

    def login(self, settings: Mapping[str, str], environment: Mapping[str, str]) -> str:
        """Which vendor's key a model needs is LiteLLM's to know; here it is only said whether there are any."""
        return "API key" if any(key in environment for key in KEYS) else "no API key"

    def program(self, settings: Mapping[str, str]) -> str | None:
        return sys.executable if find_spec("litellm") else None
