"""Directories whose own settings, hooks and servers may run without anybody being asked."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


class Trust:
    """A directory is trusted when it, or one above it, was named by the user. Links are followed on both sides."""

    def __init__(self, directories: Iterable[Path]) -> None:
        self.take(directories)

    def take(self, directories: Iterable[Path]) -> None:
        """These from now on, for agents that are started later."""
        self._roots = tuple(Path(os.path.realpath(directory)) for directory in directories)

    def covers(self, directory: str) -> bool:
        return any(Path(os.path.realpath(directory)).is_relative_to(root) for root in self._roots)
