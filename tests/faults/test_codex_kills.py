"""A short run of the kills with Codex; the long one is `python -m tests.faults.codex_kills`."""

from __future__ import annotations

import pytest

from tests.faults.codex_kills import run_rounds


@pytest.mark.slow
def test_codex_works_on_while_the_daemon_is_killed() -> None:
    tally = run_rounds(rounds=4, seed=11)
    assert tally.violations == []
    assert tally.counts["kills"] >= 4
