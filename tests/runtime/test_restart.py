"""Who is started again, and who is not."""

from __future__ import annotations

import pytest
import trio

from tetherd.errors import Fatal, Misconfigured, Unavailable
from tetherd.runtime.restart import PAUSE_SECONDS, Intensity, Restart, run_with_restarts


class Part:
    """Fails as told, one life after the other; then it ends well."""

    def __init__(self, *failures: BaseException) -> None:
        self._failures = list(failures)
        self.starts: list[float] = []

    async def run(self) -> None:
        self.starts.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self._failures:
            raise self._failures.pop(0)


async def test_a_transient_part_is_started_until_it_ends_well(autojump_clock: trio.testing.MockClock) -> None:
    part = Part(Unavailable("a"), ValueError("b"))
    await run_with_restarts("part", part.run, Restart.TRANSIENT)
    assert len(part.starts) == 3


async def test_a_temporary_part_is_never_started_again(autojump_clock: trio.testing.MockClock) -> None:
    part, seen = Part(ValueError("a")), list[BaseException]()
    await run_with_restarts("part", part.run, Restart.TEMPORARY, seen.append)
    assert len(part.starts) == 1
    assert [str(error) for error in seen] == ["a"]


async def test_a_permanent_part_is_started_whenever_it_ends(autojump_clock: trio.testing.MockClock) -> None:
    part = Part()
    with trio.move_on_after(600):
        await run_with_restarts("part", part.run, Restart.PERMANENT)
    assert len(part.starts) > 5


async def test_what_a_person_must_mend_is_parked(autojump_clock: trio.testing.MockClock) -> None:
    part = Part(ExceptionGroup("both", [ValueError("x"), Misconfigured("the token was revoked")]))
    seen: list[BaseException] = []
    await run_with_restarts("part", part.run, Restart.PERMANENT, seen.append)
    assert [str(error) for error in seen] == ["the token was revoked"]
    assert len(part.starts) == 1


async def test_fatal_climbs(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(ExceptionGroup) as group:
        await run_with_restarts("part", Part(Fatal("disk")).run, Restart.PERMANENT)
    assert group.group_contains(Fatal)


async def test_many_failures_in_a_row_bring_a_pause(autojump_clock: trio.testing.MockClock) -> None:
    part = Part(*[ValueError(str(number)) for number in range(12)])
    await run_with_restarts("part", part.run, Restart.TRANSIENT)
    waits = [after - before for before, after in zip(part.starts, part.starts[1:], strict=False)]
    assert len(part.starts) == 13
    assert max(waits) >= PAUSE_SECONDS


def test_intensity_forgets() -> None:
    intensity = Intensity()
    assert [intensity.failed(0.0) for _ in range(6)] == [False] * 5 + [True]
    assert not intensity.failed(1000.0)
