"""What every test may rely on: it starts clean, and what it leaves behind is an error."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.programs import MISSING, PROGRAMS


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """No child process of ours outlives the test that started it."""
    before = _children()
    yield
    assert _children() <= before


def _children() -> set[int]:
    found = set()
    for task in Path("/proc/self/task").iterdir():
        try:
            found |= {int(pid) for pid in (task / "children").read_text().split()}
        except FileNotFoundError:  # the thread has ended
            continue
    return {pid for pid in found if _is_alive(pid)}


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_the_machine() -> None:
    """The settings of whoever runs the tests do not reach them."""
    for key in [key for key in os.environ if key.startswith("TETHER_")]:
        del os.environ[key]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was not tested for want of a program is said aloud, not only as an s among the dots."""
    reasons = [report.longrepr[2] for report in terminalreporter.stats.get("skipped", [])]
    lost = Counter(reason.partition(MISSING)[2].split()[0] for reason in reasons if MISSING in reason)
    for name, count in sorted(lost.items()):
        terminalreporter.write_line(
            f"NOT TESTED: {count} tests want the real {name} ({PROGRAMS[name].package}); `make agents` gets it",
            red=True,
            bold=True,
        )
    for why in sorted({reason.removeprefix("Skipped: ") for reason in reasons if "web app" in reason}):
        terminalreporter.write_line(f"NOT TESTED: {why}", red=True, bold=True)
