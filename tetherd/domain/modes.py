"""Approval modes of a session, narrow to wide."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    """What passes without a person: nothing, edits inside the project, or all but what is always asked."""

    ASK = "ask"
    EDITS = "edits"
    AUTO = "auto"

    @property
    def width(self) -> int:
        """0, 1 or 2: a mode with a higher width lets more pass."""
        return list(Mode).index(self)
