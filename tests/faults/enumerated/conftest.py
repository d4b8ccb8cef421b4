"""No threads, and one order of all things for each seed. A test asks for virtual time itself: pytest-trio looks there."""

from __future__ import annotations

import pytest

from tests.faults.enumerated.harness import make_inline, make_repeatable


@pytest.fixture(autouse=True)
def nothing_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    make_inline(monkeypatch)
    make_repeatable(0)
