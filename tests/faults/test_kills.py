"""A short run of the kills; the long one is `python -m tests.faults.kills`."""

from __future__ import annotations

import pytest

from tests.faults.kills import Plan, run_kills


@pytest.mark.slow
def test_kill_minus_nine_loses_nothing() -> None:
    tally = run_kills(Plan(rounds=5, seed=7, lines=2_000, inputs=20))
    assert tally.violations == []
    assert tally.counts["kills"] >= 6
