"""How fast the web app is on a slow phone with a long session: python -m tests.ui.speed

A session with 5,000 messages is opened with the CPU throttled to a quarter, then an agent writes 50 messages a second.
"""

from __future__ import annotations

import sys
from typing import Any

from tests.e2e.daemon import Daemon, fresh_daemon
from tests.ui.browser import Browser, Page, missing, open_browser

MESSAGES = 5000
WRITTEN = 500
PAUSE_MS = 20
SLOWER = 4


def metrics(page: Page) -> dict[str, float]:
    page.cdp("HeapProfiler.collectGarbage")
    found: Any = page.cdp("Performance.getMetrics")
    return {one["name"]: one["value"] for one in found["metrics"]}


def measure(browser: Browser, daemon: Daemon) -> dict[str, float]:
    session_id = daemon.new_session(f"@lines {MESSAGES}")
    daemon.wait_for_text(session_id, f"line {MESSAGES}\n")
    daemon.wait_for_state(session_id, "awaiting_input")
    page = browser.open(daemon.url)
    page.cdp("Performance.enable")
    page.cdp("Emulation.setCPUThrottlingRate", rate=SLOWER)
    page.goto(f"/sessions/{session_id}")
    page.see(f"text=/^line {MESSAGES}$/")
    interactive = page.evaluate("new Promise(done => requestIdleCallback(() => done(performance.now())))")
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
    before = metrics(page)
    daemon.post(f"/api/sessions/{session_id}/input", {"text": f"@lines {WRITTEN} 1 {PAUSE_MS}\n@echo end"})
    page.see("text=/^echo 3 /")
    after = metrics(page)
    return {
        "first paint, ms": paint,
        "idle after load, at most, ms": interactive,
        "script per message, ms": (after["ScriptDuration"] - before["ScriptDuration"]) / WRITTEN * 1000,
        "layout per message, ms": (after["LayoutDuration"] - before["LayoutDuration"]) / WRITTEN * 1000,
        "all work per message, ms": (after["TaskDuration"] - before["TaskDuration"]) / WRITTEN * 1000,
        "heap after load, MB": before["JSHeapUsedSize"] / 1e6,
        "heap at the end, MB": after["JSHeapUsedSize"] / 1e6,
    }


def main() -> int:
    if lacks := missing():
        print(f"wanting: {', '.join(lacks)}", file=sys.stderr)
        return 1
    with open_browser() as browser, fresh_daemon("--dev") as daemon:
        for name, value in measure(browser, daemon).items():
            print(f"{name:32} {value:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
