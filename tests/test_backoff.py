"""Delays grow, stay below their cap, and never come together."""

from __future__ import annotations

from itertools import islice

import pytest

from tetherd.backoff import Backoff


def test_delays_grow_up_to_the_cap_and_stay_there() -> None:
    assert list(islice(Backoff(1.0, 2.0, 5.0, draw=lambda: 1.0), 5)) == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_the_shortest_delay_is_half_a_step() -> None:
    assert list(islice(Backoff(1.0, 2.0, 4.0, draw=lambda: 0.0), 4)) == [0.5, 1.0, 2.0, 2.0]


def test_each_delay_is_drawn_anew() -> None:
    drawn = iter([0.0, 1.0, 0.5])
    assert list(islice(Backoff(1.0, 1.0, 1.0, draw=lambda: next(drawn)), 3)) == [0.5, 1.0, 0.75]


def test_a_thousand_failures_do_not_overflow() -> None:
    assert next(islice(Backoff(1.0, 10.0, 60.0, draw=lambda: 1.0), 1000, None)) == 60.0


@pytest.mark.parametrize("figures", [(0.0, 2.0, 1.0), (2.0, 2.0, 1.0), (1.0, 0.5, 2.0)])
def test_figures_that_make_no_sense_are_refused(figures: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="backoff"):
        Backoff(*figures)
