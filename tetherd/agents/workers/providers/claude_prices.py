"""What Claude costs by the token, and how much it can read.

Source: the price list and the models' pages of the vendor's documentation (platform.claude.com/docs, "Pricing" and
"Models overview"), as of November 2026. A model that is not here costs an unknown amount.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tetherd.agents.workers.core.usage import Usage

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens; `cache_write` of the cache that lasts five minutes."""

    read: float
    written: float
    cache_write: float
    cache_read: float


@dataclass(frozen=True, slots=True)
class Model:
    """`long` is the price of a request that reads more than `long_tokens`, all of it."""

    context_tokens: int
    price: Price
    long_tokens: int | None = None
    long: Price | None = None


_FABLE_5 = Model(1_000_000, Price(10, 50, 12.5, 1))
_OPUS_5 = Model(1_000_000, Price(5, 25, 6.25, 0.5))
_SONNET_4 = Price(3, 15, 3.75, 0.3)

MODELS = {
    "claude-fable-5": _FABLE_5,
    "claude-fable-5-1": Model(1_000_000, Price(10, 50, 12.5, 0.25)),
    "claude-opus-5-5": Model(1_000_000, Price(4, 20, 5, 0.2)),
    "claude-opus-5": _OPUS_5,
    "claude-opus-4-8": _OPUS_5,
    "claude-opus-4-7": _OPUS_5,
    "claude-opus-4-6": _OPUS_5,
    "claude-opus-4-5": Model(200_000, _OPUS_5.price),
    "claude-sonnet-5-5": Model(1_000_000, Price(2, 10, 2.5, 0.1)),
    "claude-sonnet-5": Model(1_000_000, Price(2, 10, 2.5, 0.2)),
    "claude-sonnet-4-6": Model(1_000_000, _SONNET_4),
    "claude-sonnet-4-5": Model(200_000, _SONNET_4),
    "claude-haiku-5-5": Model(1_000_000, Price(0.1, 0.5, 0.125, 0.01), 100_000, Price(0.5, 2.5, 0.625, 0.05)),
    "claude-haiku-4-5": Model(200_000, Price(1, 5, 1.25, 0.1)),
}


def known_model(name: str) -> Model | None:
    """By its name, with or without the date of a snapshot."""
    return MODELS.get(re.sub(r"-20\d{6}$", "", name))


def cost_usd(model: str, usage: Usage) -> float | None:
    """What one answer cost; None when its model's price is not known, or its tokens are not."""
    known = known_model(model)
    if known is None or usage.read is None or usage.written is None:
        return None
    price = known.price
    if known.long and known.long_tokens is not None and usage.read > known.long_tokens:
        price = known.long
    cache_read, cache_written = usage.cache_read or 0, usage.cache_written or 0
    dollars = (
        (usage.read - cache_read - cache_written) * price.read
        + cache_read * price.cache_read
        + cache_written * price.cache_write
        + usage.written * price.written
    )
    return dollars / _MILLION
