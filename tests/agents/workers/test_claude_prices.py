"""What Claude's answers cost."""

from __future__ import annotations

import pytest

from tetherd.agents.workers.core.usage import Usage
from tetherd.agents.workers.providers.claude_prices import cost_usd, known_model


@pytest.mark.parametrize(
    "model, usage, dollars",
    [
        ("claude-sonnet-5-5", Usage(read=1_000_000, written=100_000), 2 + 1),
        ("claude-haiku-4-5-20251001", Usage(read=10_000, written=1_000), 0.01 + 0.005),
        # of 100,000 tokens read, 60,000 came from the cache and 20,000 went into it
        (
            "claude-opus-4-8",
            Usage(read=100_000, written=0, cache_read=60_000, cache_written=20_000),
            0.1 + 0.03 + 0.125,
        ),
        # above its limit a request costs more, all of it
        ("claude-haiku-5-5", Usage(read=100_000, written=1_000), 0.01 + 0.0005),
        ("claude-haiku-5-5", Usage(read=200_000, written=1_000), 0.1 + 0.0025),
    ],
)
def test_the_price_of_an_answer(model: str, usage: Usage, dollars: float) -> None:
    assert cost_usd(model, usage) == pytest.approx(dollars)


@pytest.mark.parametrize(
    "model, usage",
    [
        ("claude-of-tomorrow", Usage(read=1, written=1)),
        ("claude-sonnet-5-5", Usage(read=1)),
        ("claude-sonnet-5-5", Usage(written=1)),
        ("claude-sonnet-5-5-preview", Usage(read=1, written=1)),
    ],
)
def test_what_is_not_known_is_not_zero(model: str, usage: Usage) -> None:
    assert cost_usd(model, usage) is None


def test_a_model_is_known_with_the_date_of_a_snapshot() -> None:
    assert known_model("claude-opus-4-5-20251101") is known_model("claude-opus-4-5") is not None


def test_usage_adds_up_and_what_only_one_side_knows_counts() -> None:
    both = Usage(read=1, written=2, cost_usd=0.5) + Usage(read=3, cache_read=4)
    assert both == Usage(read=4, written=2, cache_read=4, cost_usd=0.5)
    assert Usage() + Usage() == Usage()
