"""Every screen on a phone and on a desk, light and dark: python -m tests.ui.screenshots DIRECTORY"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.e2e.daemon import Daemon, fresh_daemon, until
from tests.ui.browser import DESK, PHONE, Browser, Page, missing, open_browser

SIZES = {"390": PHONE, "1280": {**DESK, "isMobile": False, "hasTouch": False}}
QUEUE = '''"""The queue of requests that wait for a person."""

import trio

LIMIT = 300


class Waiting:
    def __init__(self) -> None:
        self._events: dict[str, trio.Event] = {}

    async def wait(self, key: str) -> bool:
        event = self._events[key]
        with trio.move_on_after(LIMIT):
            await event.wait()
        return event.is_set()
'''
SAID = """There is one hard-coded limit, `300`, in `Waiting.wait`. When it runs out the caller gets `False`, which looks
the same as a person saying no.

1. Read the limit from the settings.
2. Return an explicit `expired` instead.

```python
with trio.move_on_after(settings.limit) as scope:
    await event.wait()
if scope.cancelled_caught:
    return Answer.EXPIRED
```

| before | after |
| --- | --- |
| `False` | `Answer.EXPIRED` |
"""


def fill(daemon: Daemon) -> dict[str, str]:
    """Sessions in every state; the address of each screen by its name."""
    work = daemon.home / "tetherd"
    work.mkdir()
    (work / "queue.py").write_text(QUEUE)
    where = {"directory": str(work)}
    command = daemon.new_session("run git clean -fdx && make release", name="Release 0.4 clean-up", **where)
    edit = daemon.new_session("edit queue.py", name="Move queue time-outs to settings", **where)
    daemon.new_session("ask", name="Docs site: choose a heading colour", **where)
    daemon.new_session("@lines 3\n@sleep 3000", name="Flaky websocket test", **where)
    daemon.new_session("@crash 1", name="Upgrade hypercorn", **where)
    talk = daemon.post("/api/sessions", {"name": "Explain the time-outs", "agent_type": "custom"})["session_id"]
    daemon.post(f"/api/sessions/{talk}/input", {"text": "Why does a time-out look like a no?"})
    for event in (
        {"type": "thinking", "data": {"text": "The limit stands in the class."}},
        {"type": "tool_call", "data": {"tool_call_id": "1", "tool": "Read", "title": "Read queue.py", "input": {}}},
        {"type": "tool_result", "data": {"tool_call_id": "1", "ok": True, "output": QUEUE}},
        {"type": "output", "data": {"text": SAID}},
        {"type": "status", "data": {"status": "awaiting_input"}},
    ):
        daemon.post(f"/api/sessions/{talk}/events", event)
    until(lambda: len(daemon.get("/api/approvals")["approvals"]) == 3, "three requests")
    approval_id = daemon.wait_for_approval(edit)["approval_id"]
    return {
        "sessions": "/",
        "session": f"/sessions/{edit}",
        "command": f"/sessions/{command}",
        "transcript": f"/sessions/{talk}",
        "approvals": "/approvals",
        "approval": f"/approvals/{approval_id}",
        "new": "/new",
        "settings": "/settings",
    }


def take(browser: Browser, daemon: Daemon, directory: Path) -> None:
    screens = fill(daemon)
    for size, options in SIZES.items():
        for theme in ("light", "dark"):
            page = browser.open(daemon.url, f"{size}-{theme}", **{**options, "colorScheme": theme})
            for name, path in screens.items():
                page.goto(path)
                shoot(page, directory / f"{name}-{size}-{theme}.png")


def shoot(page: Page, file: Path) -> None:
    page.see("h1")
    page.see_no("text=connecting")
    page.evaluate("new Promise(done => setTimeout(done, 700))")  # what moves has come to rest
    page.screenshot(file)


def main() -> int:
    if lacks := missing():
        print(f"wanting: {', '.join(lacks)}", file=sys.stderr)
        return 1
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    with open_browser() as browser, fresh_daemon("--dev") as daemon:
        take(browser, daemon, directory)
    print(f"{len(list(directory.glob('*.png')))} pictures in {directory}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
