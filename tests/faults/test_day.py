"""A short day; the long one is `python -m tests.faults.day`."""

from __future__ import annotations

import pytest

from tests.faults.day import Plan, run_day


@pytest.mark.slow
def test_a_short_day_leaves_nothing_behind() -> None:
    tally = run_day(Plan(turns=80, sessions=4, claude=1, restarts=1))
    assert tally.violations == []
    assert tally.counts["turns"] == 80
