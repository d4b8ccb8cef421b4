"""Tests that run a worker's parts in this very process."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from tetherd.agents.workers.tools.commands import PR_SET_CHILD_SUBREAPER


@pytest.fixture(autouse=True)
def no_subreaper() -> Iterator[None]:
    """What Commands makes of a process does not stay: other tests' orphans are not ours."""
    yield
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
