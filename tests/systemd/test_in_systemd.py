"""A sample of the tests that run below a real systemd; `make test-systemd` runs all of them."""

from __future__ import annotations

import warnings

import pytest

from tests.systemd.boot import missing, run_inside


def test_a_sample_below_a_real_systemd() -> None:
    why = missing()
    if why:
        warnings.warn(f"NOT TESTED, tetherd below a real systemd: {why}", stacklevel=1)
        pytest.skip(f"NOT TESTED, tetherd below a real systemd: {why}")
    assert run_inside(["-m", "sample"]) == 0
