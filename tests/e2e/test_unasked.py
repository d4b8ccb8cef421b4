"""What an agent would run unasked, and cannot be kept from, keeps it from starting."""

from __future__ import annotations

import pytest

from tests.e2e.daemon import fresh_daemon
from tetherd.client.client import ApiError


@pytest.mark.parametrize("name", ["opencode.json", ".opencode"])
def test_a_session_does_not_start_and_says_how_it_could(name: str) -> None:
    with fresh_daemon() as daemon:
        work = daemon.home / "work"
        (work / "sub").mkdir(parents=True)
        (work / name).mkdir()
        with pytest.raises(ApiError) as refused:
            daemon.new_session("hello", adapter="opencode", directory=str(work / "sub"))
        assert (refused.value.status, refused.value.code) == (422, "not_trusted")
        assert str(work / name) in str(refused.value)
        assert str(work / "sub") in str(refused.value.hint)
        assert not daemon.shims()
