"""Pairing codes: once, for minutes, and not to be guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tetherd.api.pairing import CODE_LIFE, OPEN_LIMIT, WRONG_LIMIT, Pairings, TooManyPairings, WrongCode
from tetherd.domain.ids import Role


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.mark.parametrize("which", ["link", "typed"])
def test_a_code_is_good_once_whichever_of_the_two_is_used(which: str) -> None:
    pairings = Pairings()
    _, link, typed = pairings.offer(Role.APPROVER)
    assert pairings.take(link if which == "link" else typed).role is Role.APPROVER
    for code in (link, typed):
        with pytest.raises(WrongCode):
            pairings.take(code)


def test_a_typed_code_is_read_as_it_was_meant() -> None:
    for spelled in (str.lower, lambda code: code.replace("-", ""), lambda code: f" {code[:4]} {code[5:]} ", _misread):
        pairings = Pairings()
        _, _, typed = pairings.offer(Role.OWNER)
        assert pairings.take(spelled(typed)).role is Role.OWNER


def _misread(code: str) -> str:
    return code.replace("1", "l").replace("0", "O")


def test_after_five_minutes_it_is_nothing() -> None:
    clock = Clock()
    pairings = Pairings(clock)
    _, link, _ = pairings.offer(Role.OWNER)
    clock.now += CODE_LIFE
    with pytest.raises(WrongCode):
        pairings.take(link)


def test_whoever_guesses_ends_the_typed_code_but_not_the_link() -> None:
    pairings = Pairings()
    _, link, typed = pairings.offer(Role.OWNER)
    for number in range(WRONG_LIMIT):
        with pytest.raises(WrongCode):
            pairings.take(f"GUESS{number:03}")
    with pytest.raises(WrongCode):
        pairings.take(typed)
    assert pairings.take(link).role is Role.OWNER


def test_one_guess_less_and_it_is_still_good() -> None:
    pairings = Pairings()
    _, _, typed = pairings.offer(Role.OWNER)
    for _ in range(WRONG_LIMIT - 1):
        with pytest.raises(WrongCode):
            pairings.take("")
    assert pairings.take(typed).role is Role.OWNER


def test_only_so_many_are_open_and_old_ones_make_room() -> None:
    clock = Clock()
    pairings = Pairings(clock)
    for _ in range(OPEN_LIMIT):
        pairings.offer(Role.OWNER)
    with pytest.raises(TooManyPairings):
        pairings.offer(Role.OWNER)
    clock.now += CODE_LIFE + timedelta(seconds=1)
    pairings.offer(Role.OWNER)


@pytest.mark.parametrize("code", ["", "\ud800", "é" * 9, "A" * 100_000, "0000-0000"])
def test_anything_else_is_a_wrong_code(code: str) -> None:
    with pytest.raises(WrongCode):
        Pairings().take(code)
