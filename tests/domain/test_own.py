"""What reaches for tetherd is seen in time, whatever a command looks like."""

from __future__ import annotations

import pytest

from tests.domain.builders import approval
from tetherd.domain.calls import call_of
from tetherd.domain.own import reaches_for_us


def why(command: str) -> str | None:
    return reaches_for_us(call_of(approval(command=command), "/w", {}), "a title", ())


@pytest.mark.parametrize("command", ["c🙂" * 40_000, "x" * 1_000_000, "a/" * 200_000, "*" * 200_000, "[" * 200_000])
def test_an_endless_word_does_not_stop_the_daemon(command: str) -> None:
    why(command)


@pytest.mark.parametrize(
    "command", ["cat ~/.config/*", "ls ~/.loc?l/state/*/x", "kill $(pgrep teth?rd)", "t[e]therctl x"]
)
def test_a_glob_that_may_name_us_is_seen(command: str) -> None:
    assert why(command) is not None
