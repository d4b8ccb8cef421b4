"""What a phone has to load."""

from __future__ import annotations

import re

import pytest

from tests.ui.browser import SHELL

FIRST_LOAD_BYTES = 60 * 1024
CHUNK_BYTES = 40 * 1024

WEB = SHELL.parent


@pytest.mark.skipif(not SHELL.is_file(), reason="the web app's size is not measured before it is built (make ui)")
def test_the_first_load_and_every_later_chunk_are_small() -> None:
    """Compressed by gzip, as daemons and proxies of any age send it."""
    first = set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', SHELL.read_text()))
    packed = {f"/assets/{file.stem}": file.stat().st_size for file in (WEB / "assets").glob("*.gz")}
    assert first
    assert sum(packed[path] for path in first) + (WEB / "index.html.gz").stat().st_size <= FIRST_LOAD_BYTES
    assert all(size <= CHUNK_BYTES for path, size in packed.items() if path not in first)
