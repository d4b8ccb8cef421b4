"""The app when its daemon is away, and what it knows then."""

from __future__ import annotations

from tests.e2e.daemon import Daemon, until
from tests.ui.browser import Browser, kept

IN_CHARGE = (
    "navigator.serviceWorker.ready.then(r => new Promise(d => r.active.state === 'activated' ? d(true) : "
    "r.active.addEventListener('statechange', () => d(true))))"
)


def test_reloaded_without_its_daemon_it_shows_what_it_knew_and_lets_nobody_decide(
    browser: Browser, daemon: Daemon
) -> None:
    session_id = daemon.new_session("@hold", name="Left behind")
    daemon.wait_for_approval(session_id)
    page = browser.open(daemon.url)
    page.goto("/")
    page.see("text=Left behind")
    assert page.evaluate(IN_CHARGE)
    until(lambda: "Left behind" in kept(page), "the list to be kept")
    daemon.kill()
    page.reload()
    page.see("text=No connection. Last seen")
    page.see(".stale >> text=Left behind")
    page.goto(f"/sessions/{session_id}")
    page.see("h1:has-text('Left behind')")
    assert page.count("button:has-text('Approve')") == 0
    page.fill("#message", "too late")
    assert page.do("role=button[name='Queue']", "getAttribute", "aria-disabled") == "true"
    daemon.start("--dev")
    page.tap("text=/1 request waiting/")  # one line, as long as somebody types
    page.tap("role=button[name='Approve']")
    daemon.wait_for_text(session_id, "verdict: approve")
