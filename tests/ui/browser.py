"""A browser of our own: Debian's Chromium, led by playwright-core in a Node process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
PLAYWRIGHT = ROOT / "ui" / "node_modules" / "playwright-core"
AXE = ROOT / "ui" / "node_modules" / "axe-core" / "axe.min.js"
SHELL = ROOT / "tetherd" / "web" / "index.html"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")

PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "deviceScaleFactor": 2,
    "isMobile": True,
    "hasTouch": True,
}
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}


def missing() -> list[str]:
    """What the browser tests need and this machine has not, in words that say how to get it."""
    lacks = []
    if shutil.which("node") is None:
        lacks.append("node (Debian: apt install nodejs npm)")
    if not PLAYWRIGHT.is_dir() or not SHELL.is_file():
        lacks.append("the built web app (make ui)")
    if chromium() is None:
        lacks.append("chromium (Debian: apt install chromium)")
    return lacks


def chromium() -> str | None:
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


class BrowserError(AssertionError):
    """What playwright said: usually that it waited in vain."""


class Browser:
    """Many pages, each in a profile of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._pages: list[Page] = []
        self.version = str(self._answer()["version"])

    def open(self, url: str, name: str = "page", **options: Any) -> Page:
        """A new page in a fresh profile. `options` are those of playwright's newContext."""
        self.ask(name, "browser", "open", {"baseURL": url, **PHONE, **options})
        page = Page(self, name)
        self._pages.append(page)
        return page

    def close_pages(self) -> None:
        for page in self._pages:
            self.ask(page.name, "browser", "close")
        self._pages.clear()

    def ask(self, page: str, on: str, method: str, *args: Any, selector: str | None = None) -> Any:
        order = {"page": page, "on": on, "method": method, "args": args, "selector": selector}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        if "error" in answer:
            raise BrowserError(f"{on} {selector or ''} {method}: {answer['error']}")
        return answer["value"]

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise BrowserError("the browser is gone")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def problems(self) -> list[str]:
        """All that went wrong inside the pages since the last call: errors, and what the policy refused."""
        return [f"{page.name}: {one}" for page in self._pages for one in page.problems()]


class Page:
    """One page. Whatever acts on an element waits for it: it is there, visible, still and enabled."""

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser = browser
        self.name = name

    def goto(self, path: str) -> None:
        self._browser.ask(self.name, "page", "goto", path)

    def reload(self) -> None:
        self._browser.ask(self.name, "page", "reload")

    def do(self, selector: str, method: str, *args: Any) -> Any:
        """Any method of playwright's Locator on the first element that `selector` finds."""
        return self._browser.ask(self.name, "first", method, *args, selector=selector)

    def see(self, selector: str) -> None:
        """Wait until it is visible."""
        self.do(selector, "waitFor")

    def see_no(self, selector: str) -> None:
        """Wait until it is hidden or gone."""
        self.do(selector, "waitFor", {"state": "hidden"})

    def click(self, selector: str) -> None:
        self.do(selector, "click")

    def tap(self, selector: str) -> None:
        self.do(selector, "tap")

    def fill(self, selector: str, text: str) -> None:
        self.do(selector, "fill", text)

    def text(self, selector: str) -> str:
        return str(self.do(selector, "innerText"))

    def count(self, selector: str) -> int:
        return int(self._browser.ask(self.name, "locator", "count", selector=selector))

    def press(self, key: str) -> None:
        self._browser.ask(self.name, "keyboard", "press", key)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self.cdp("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"].get("exception", answer["exceptionDetails"])))
        return answer["result"].get("value")

    def cdp(self, method: str, **params: Any) -> Any:
        return self._browser.ask(self.name, "cdp", "send", method, params)

    def context(self, method: str, *args: Any) -> Any:
        return self._browser.ask(self.name, "context", method, *args)

    def page(self, method: str, *args: Any) -> Any:
        return self._browser.ask(self.name, "page", method, *args)

    def screenshot(self, path: Path) -> None:
        self.page("screenshot", {"path": str(path)})

    def path(self) -> str:
        return str(self.evaluate("location.pathname"))

    def problems(self) -> list[str]:
        found: list[str] = self._browser.ask(self.name, "problems", "take")
        return found

    def axe(self) -> list[str]:
        """What axe finds against WCAG 2.2 AA and its best practices, a line each."""
        self.evaluate(AXE.read_text())
        rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = self.evaluate(
            f"axe.run(document, {{runOnly: {json.dumps(rules)}}}).then(r => r.violations.map(v =>"
            " `${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(' | ')}`))"
        )
        return list(found)


def kept(page: Page) -> str:
    """All that the app keeps in this browser, as JSON."""
    return str(
        page.evaluate(
            "new Promise(done => { const o = indexedDB.open('tetherd'); o.onsuccess = () => { const all = o.result"
            ".transaction('device').objectStore('device').getAll(); all.onsuccess = () => done(JSON.stringify(all.result)) } })"
        )
    )


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Nothing of it is left at the end, whatever happens."""
    program = chromium()
    assert program is not None
    argv = ("node", str(Path(__file__).parent / "browser.mjs"), program)
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield Browser(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
