"""A browser for all tests of the web app, a daemon for each; and a loud word where there is no browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.daemon import Daemon, fresh_daemon
from tests.ui.browser import Browser, missing, open_browser


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if lacks := missing():
        pytest.skip(f"the web app is not tested without {', '.join(lacks)}")
    with open_browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """Whatever went wrong inside a page that nobody expected fails the test; a refused resource among it."""
    chromium.problems()
    yield chromium
    problems = chromium.problems()
    chromium.close_pages()
    assert problems == []


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """Whoever is on this machine may come in: what pairing does is another test's matter."""
    with fresh_daemon("--dev") as daemon:
        yield daemon
