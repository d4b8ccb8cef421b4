"""The story with the daemon killed at every place of it: before and after each commit, send, ack and read."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from trio.testing import MockClock

from tests.faults.enumerated.harness import make_repeatable
from tests.faults.enumerated.story import tell

SEEDS = 8
"""Interleavings of the two surfaces and the agent; in each one, every place is tried."""
KINDS = {
    "before a commit",
    "after a commit",
    "before a frame is sent",
    "after a frame is sent",
    "before an ack is told",
    "before a read is told",
    "before the end is told",
    "before a stop is sent",
    "after a stop is sent",
    "before the launch",
    "after the launch",
}


@pytest.mark.parametrize("seed", range(6))
async def test_the_story_without_a_crash_in_several_interleavings(
    tmp_path: Path, autojump_clock: MockClock, seed: int
) -> None:
    make_repeatable(seed)
    lab = await tell(tmp_path, seed)
    assert set(lab.bombs[0].places) >= KINDS


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_crash_at_every_place_changes_nothing_that_was_promised(
    tmp_path: Path, autojump_clock: MockClock, seed: int
) -> None:
    make_repeatable(seed)
    places = len((await tell(tmp_path / "whole", seed)).bombs[0].places)
    for death in range(1, places + 1):
        await _die(tmp_path, seed, death)


@pytest.mark.parametrize("share", range(4))
async def test_a_second_crash_while_the_first_one_is_recovered_from(
    tmp_path: Path, autojump_clock: MockClock, share: int
) -> None:
    chance = random.Random(share)
    for _ in range(8):
        await _die(tmp_path, 100 + share, chance.randrange(1, 115), chance.randrange(1, 20), chance.randrange(1, 40))


async def _die(tmp_path: Path, seed: int, *deaths: int) -> None:
    make_repeatable(seed)
    path = tmp_path / "-".join(map(str, (seed, *deaths)))
    try:
        lab = await tell(path, seed, *deaths)
    except BaseException as error:
        error.add_note(f"seed {seed}, deaths at {deaths}")
        raise
    assert lab.bombs[0].is_gone, "nobody died"
    shutil.rmtree(path)
