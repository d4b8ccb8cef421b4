"""A short run of the kills in a chat; the long one is `python -m tests.faults.chat_kills`."""

from __future__ import annotations

import pytest

from tests.faults.chat_kills import run_chat_kills


@pytest.mark.slow
def test_kill_minus_nine_in_a_conversation_loses_and_doubles_nothing() -> None:
    tally = run_chat_kills(5, seed=11)
    assert tally.violations == []
    assert tally.counts["kills"] == 5 and tally.counts["rounds"] >= 2
