"""What answers used: tokens, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """None is unknown, never zero. `read` are all tokens that went in, those from a cache included."""

    read: int | None = None
    written: int | None = None
    cache_read: int | None = None
    cache_written: int | None = None
    cost_usd: float | None = None

    def __add__(self, other: Usage) -> Usage:
        """Both together; what only one of them knows counts as it is."""
        return Usage(
            read=_sum(self.read, other.read),
            written=_sum(self.written, other.written),
            cache_read=_sum(self.cache_read, other.cache_read),
            cache_written=_sum(self.cache_written, other.cache_written),
            cost_usd=_sum(self.cost_usd, other.cost_usd),
        )


def _sum(one: _Number | None, other: _Number | None) -> _Number | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other
