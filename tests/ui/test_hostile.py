"""What an agent writes is text, whatever it looks like, and the page stays quick."""

from __future__ import annotations

import pytest

from tests.e2e.daemon import Daemon, Json
from tests.ui.browser import Browser, Page

MARK = "THE END OF IT"
HOSTILE = {
    "markup": "<img src=x onerror=\"window.hit=1\"><script>window.hit=1</script><svg onload='window.hit=1'>"
    "<iframe srcdoc='<script>parent.hit=1</script>'></iframe><style>*{display:none}</style>",
    "links": "[a](javascript:window.hit=1) [b](data:text/html,x) [c](vbscript:x) [d](JaVaScRiPt:alert(1)) "
    "![e](https://tracker.example/pixel.png) <javascript:alert(1)> [f](\x01javascript:window.hit=1)",
    "bidi": "safe \u202egnp.exe\u202c and zero\u200bwidth\u2066",
    "nesting": ">" * 5000 + " deep\n" + "\n".join(" " * depth + "- x" for depth in range(500)),
    "brackets": "[" * 20000 + "](" * 5000,
    "emphasis": "*_" * 20000,
    "table": "|a|b|\n|-|-|\n" + "|1|2|\n" * 20000,
    "a long line": "x" * 500_000,
    "fence": "```python\n" + "print('x')\n" * 20000 + "```",
}


def told(daemon: Daemon, text: str) -> str:
    """A session in which an agent said this, and then the mark."""
    session: Json = daemon.post("/api/sessions", {"name": "hostile", "agent_type": "custom"})
    path = f"/api/sessions/{session['session_id']}/events"
    daemon.post(path, {"type": "output", "data": {"text": text}})
    daemon.post(path, {"type": "output", "data": {"text": MARK}})
    return str(session["session_id"])


def opened(browser: Browser, daemon: Daemon, text: str) -> Page:
    page = browser.open(daemon.url)
    page.goto(f"/sessions/{told(daemon, text)}")
    page.see(f"text={MARK}")
    return page


@pytest.mark.parametrize("kind", HOSTILE)
def test_it_shows_as_text_and_nothing_of_it_runs(browser: Browser, daemon: Daemon, kind: str) -> None:
    page = opened(browser, daemon, HOSTILE[kind])
    assert page.evaluate("window.hit") is None
    assert page.count(".log img, .log script, .log iframe, .log style, .log svg:not(.i)") == 0
    assert page.evaluate("[...document.querySelectorAll('.log a')].every(a => /^(https?|mailto):/.test(a.href))")
    # it still answers: a page that is stuck would not
    page.tap("role=button[name='More']")
    page.see("dialog")


def test_what_cannot_be_seen_is_named(browser: Browser, daemon: Daemon) -> None:
    page = opened(browser, daemon, HOSTILE["bidi"])
    assert page.evaluate("[...document.querySelectorAll('.unseen')].map(e => e.textContent)") == [
        "U+202E",
        "U+202C",
        "U+200B",
        "U+2066",
    ]


def test_a_command_is_shown_whole_before_it_can_be_approved(browser: Browser, daemon: Daemon) -> None:
    command = "echo " + "a " * 3000 + "; rm -rf ~"
    session_id = daemon.new_session(f"run {command}")
    page = browser.open(daemon.url)
    page.goto("/approvals")
    page.tap("role=link[name='Review']")
    page.see("role=button[name='Approve']")
    assert page.text(".cmd").endswith("; rm -rf ~")
    page.goto(f"/sessions/{session_id}")
    page.see("role=link[name='Review']")
    assert page.count("role=button[name='Approve']") == 0
    page.evaluate("document.querySelector('.peek').scrollTop = 1e9")
    page.see("role=button[name='Approve']")
