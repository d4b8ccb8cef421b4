"""Everybody can use it: axe on every screen in both themes, and a keyboard alone."""

from __future__ import annotations

import pytest

from tests.e2e.daemon import Daemon, until
from tests.ui.browser import DESK, PHONE, Browser, Page

WIDE = {**DESK, "isMobile": False, "hasTouch": False}


def screens(page: Page, session_id: str, approval_id: str) -> dict[str, list[str]]:
    """What axe finds on each address, and on the sheets that open there."""
    found = {}
    for path, sign in (
        ("/", ".row"),
        (f"/sessions/{session_id}", "role=button[name='Approve']"),
        ("/approvals", "article.ask"),
        (f"/approvals/{approval_id}", "article.ask"),
        ("/new", "role=button[name='Start']"),
        ("/settings", "text=Appearance"),
    ):
        page.goto(path)
        page.see(sign)
        found[path] = page.axe()
    page.goto(f"/sessions/{session_id}")
    page.click("role=button[name='More']")
    page.see("dialog")
    found["sheet"] = page.axe()
    page.press("Escape")
    page.click("role=button[name='Reject']")
    page.see("dialog")
    found["reject"] = page.axe()
    return {path: problems for path, problems in found.items() if problems}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desk"])
def test_axe_finds_nothing_on_any_screen(browser: Browser, daemon: Daemon, theme: str, size: str) -> None:
    session_id = daemon.new_session("edit NOTES.md")
    daemon.new_session("ask")
    daemon.wait_for_state(daemon.new_session("echo done"), "awaiting_input")
    until(lambda: len(daemon.get("/api/approvals")["approvals"]) == 2, "both questions")
    approval_id = daemon.wait_for_approval(session_id)["approval_id"]
    page = browser.open(daemon.url, colorScheme=theme, **(PHONE if size == "phone" else WIDE), reducedMotion="reduce")
    assert screens(page, session_id, approval_id) == {}


def test_a_keyboard_alone_finds_a_session_approves_and_writes(browser: Browser, daemon: Daemon) -> None:
    session_id = daemon.new_session("@hold")
    page = browser.open(daemon.url, **WIDE)
    page.goto("/")
    page.see(".row")
    focus(page, ".row")
    page.press("Enter")
    page.see("role=button[name='Approve'] >> visible=true")
    assert page.path() == f"/sessions/{session_id}"
    focus(page, ".dock .btn.go")
    until(lambda: page.do(".dock .btn.go", "getAttribute", "aria-disabled") == "false", "the buttons to be armed")
    page.press("Enter")
    daemon.wait_for_text(session_id, "verdict: approve")
    focus(page, "#message")
    page.cdp("Input.insertText", text="echo typed")
    page.press("Enter")
    daemon.wait_for_text(session_id, "echo 5")


def focus(page: Page, selector: str) -> None:
    """Tab until it has the focus, as somebody would who sees the ring move."""
    for _ in range(60):
        if page.evaluate(f"document.activeElement?.matches({selector!r})"):
            return
        page.press("Tab")
    raise AssertionError(f"Tab never comes to {selector}")
