"""What a worker is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tetherd.agents.workers.core.provider import Provider
from tetherd.agents.workers.tools.tool import Tools


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """`home` holds its conversations; commands get `environment` and nothing else."""

    name: str
    title: str
    provider: Provider
    tools: Tools
    home: Path
    environment: Mapping[str, str]
    fork_of: str | None = None
    """The conversation of which new sessions begin with a copy."""
    secrets: tuple[str, ...] = ()
    """What must not be told to anybody, whatever an API writes into its errors."""

    def discreet(self, words: str) -> str:
        """The words without the secrets."""
        for secret in self.secrets:
            words = words.replace(secret, "***")
        return words
