"""Tests that run as a user of a real systemd: tests/systemd/boot.py boots one for them, and only there they run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.systemd.inside.managed import ManagedDaemon, managed_daemon

collect_ignore_glob = [] if os.environ.get("INSIDE_TEST_SYSTEMD") else ["test_*.py"]


@pytest.fixture
def daemon() -> Iterator[ManagedDaemon]:
    """Installed as a service, and running."""
    with managed_daemon() as managed:
        yield managed
