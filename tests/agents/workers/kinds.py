"""The two workers, and what differs between them for a test."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from tests.agents.workers.worker_client import ROOT
from tetherd.agents.adapters.claude_api import KEYS as CLAUDE_KEYS
from tetherd.agents.adapters.litellm import KEYS as LITELLM_KEYS

KEY = "sk-of-the-tests-0123456789"


@dataclass(frozen=True)
class Kind:
    """`model` has a price, `unknown_model` has none. `path` is what the API's address ends in."""

    name: str
    model: str
    unknown_model: str
    key: str
    address: str
    path: str
    hidden: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def argv(self, model: str | None = None, *more: str) -> list[str]:
        module = f"tetherd.agents.workers.{self.name}"
        chosen = f"--model={model or self.model}"
        return [sys.executable, "-P", "-m", module, chosen, *more, "--hidden", *self.hidden]

    def settings(self, url: str, key: str | None = KEY) -> dict[str, str]:
        """The environment; without a key when it is None."""
        told = {self.address: url + self.path, "PYTHONPATH": str(ROOT), **self.environment}
        return told | ({self.key: key} if key else {})

    def require(self) -> None:
        if self.name == "litellm" and importlib.util.find_spec("litellm") is None:
            pytest.skip("LiteLLM is not installed: pip install -e '.[litellm]'")


CLAUDE = Kind(
    name="claude_api",
    model="claude-sonnet-5-5",
    unknown_model="claude-of-tomorrow",
    key="ANTHROPIC_API_KEY",
    address="ANTHROPIC_BASE_URL",
    path="",
    hidden=CLAUDE_KEYS,
)
LITELLM = Kind(
    name="litellm",
    model="openai/gpt-4o",
    unknown_model="openai/model-of-tomorrow",
    key="OPENAI_API_KEY",
    address="OPENAI_API_BASE",
    path="/v1",
    hidden=LITELLM_KEYS,
    environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
)
