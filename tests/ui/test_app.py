"""The web app on a phone, on the real daemon, with the demo agent."""

from __future__ import annotations

from tests.e2e.daemon import Daemon, messages, of_type, until
from tests.ui.browser import Browser, Page

APPROVE = "role=button[name='Approve']"
REJECT = "role=button[name='Reject']"


def open_session(browser: Browser, daemon: Daemon, session_id: str) -> Page:
    page = browser.open(daemon.url)
    page.goto(f"/sessions/{session_id}")
    return page


def test_a_session_is_started_watched_and_a_diff_approved_with_a_thumb(browser: Browser, daemon: Daemon) -> None:
    work = daemon.home / "work"
    work.mkdir()
    page = browser.open(daemon.url)
    page.goto("/")
    page.tap("text=New session")
    page.fill("label:has-text('What should it do?') textarea", "edit NOTES.md")
    page.fill("label:has-text('Directory') input", str(work))
    page.tap("label:has-text('demo') input")
    page.tap("role=button[name='Start']")
    page.see("text=edit NOTES.md")
    page.see("text=Looked after by the tetherd demo agent.")
    page.tap(APPROVE)
    until(lambda: (work / "NOTES.md").is_file(), "the edit")
    page.see("text=/Approved by .* on the web app/")
    (session,) = daemon.get("/api/sessions")["sessions"]
    assert (session["name"], session["mode"]) == ("edit NOTES.md", "ask")


def test_a_question_is_answered_with_one_tap(browser: Browser, daemon: Daemon) -> None:
    session_id = daemon.new_session("ask")
    page = browser.open(daemon.url)
    page.goto("/approvals")
    page.tap("role=button[name='green']")
    daemon.wait_for_text(session_id, "You chose green.")
    page.see("text=Which colour should the heading be? green")


def test_a_rejection_carries_its_reason_to_the_agent(browser: Browser, daemon: Daemon) -> None:
    session_id = daemon.new_session("@hold")
    page = open_session(browser, daemon, session_id)
    page.tap(REJECT)
    page.tap("role=button[name='Use a branch']")
    page.tap("role=button[name='Reject and say so']")
    daemon.wait_for_text(session_id, "verdict: reject Use a branch")


def test_two_requests_at_once_are_two_cards_and_both_are_decided(browser: Browser, daemon: Daemon) -> None:
    session_id = daemon.new_session("@two")
    page = browser.open(daemon.url)
    page.goto("/approvals")
    page.see("text=2 requests wait for you")
    page.tap(f"article:has-text('echo second') >> {APPROVE}")
    page.see("text=1 request waits for you")
    page.tap(f"article:has-text('echo first') >> {APPROVE}")
    daemon.wait_for_text(session_id, "first approve, second approve; answered second, first")
    assert page.count("p.resolved") == 2


def test_what_is_answered_elsewhere_collapses_in_its_place(browser: Browser, daemon: Daemon) -> None:
    daemon.new_session("@two")
    page = browser.open(daemon.url)
    page.goto("/approvals")
    page.see("article:has-text('echo second')")
    first = daemon.wait_for_approval()
    assert daemon.tetherctl("reject", first["approval_id"], "--reason", "no").returncode == 0
    page.see("p.resolved:has-text('Rejected by local owner on the command line'):has-text('“no”')")
    assert page.count("article.ask") == 1


def test_a_tap_on_what_has_just_appeared_decides_nothing(browser: Browser, daemon: Daemon) -> None:
    page = browser.open(daemon.url)
    page.goto("/approvals")
    page.see("text=When an agent asks, it shows here.")
    page.evaluate(
        "new MutationObserver((_, watcher) => { const found = [...document.querySelectorAll('article button')]"
        ".find(one => one.textContent === 'Approve'); if (found) { watcher.disconnect(); found.click(); window.early = true } })"
        ".observe(document.body, {childList: true, subtree: true})"
    )
    session_id = daemon.new_session("@hold")
    page.see("article:has-text('echo held')")
    assert page.evaluate("window.early")
    assert daemon.wait_for_approval(session_id)["state"] == "pending"
    page.tap(APPROVE)
    daemon.wait_for_text(session_id, "verdict: approve")


def test_while_the_agent_works_what_is_written_is_queued_and_an_interrupt_ends_the_turn(
    browser: Browser, daemon: Daemon
) -> None:
    session_id = daemon.new_session("@sleep 600")
    page = open_session(browser, daemon, session_id)
    page.fill("#message", "echo next")
    page.tap("role=button[name='Queue']")
    page.see("text=Waits for its turn")
    page.tap("role=button[name='Interrupt the agent']")
    page.see("text=Interrupted")
    daemon.wait_for_text(session_id, "echo 4")
    page.see("text=/^echo 4 /")


def test_the_page_goes_on_by_itself_through_a_kill_with_nothing_missing_or_doubled(
    browser: Browser, daemon: Daemon
) -> None:
    session_id = daemon.new_session("@lines 200 5 20")
    page = open_session(browser, daemon, session_id)
    page.see("text=line 10")
    daemon.kill()
    page.see("text=No connection")
    daemon.start("--dev")
    page.see("text=line 200")
    page.see_no("text=No connection")
    said = page.evaluate("[...document.querySelectorAll('.ev.say')].map(e => e.innerText.trim())")
    assert said == [text.strip() for text in messages(daemon.events(session_id))]
    assert said == [f"line {number}" for number in range(1, 201)]


def test_a_long_transcript_opens_at_its_end_and_older_parts_come_when_scrolled_to(
    browser: Browser, daemon: Daemon
) -> None:
    session_id = daemon.new_session("@lines 700")
    daemon.wait_for_text(session_id, "line 700\n")
    page = open_session(browser, daemon, session_id)
    page.see("text=/^line 700$/")
    at_first = page.count(".ev.say")
    assert at_first < 300
    until(lambda: _scrolled_to_the_start(page), "the beginning")
    said = page.evaluate("[...document.querySelectorAll('.ev.say')].map(e => e.innerText.trim())")
    assert said == [f"line {number}" for number in range(1, 701)]
    daemon.post(f"/api/sessions/{session_id}/input", {"text": "echo end"})
    page.tap("role=button[name=/Jump to latest/]")
    page.see("text=/^echo 3 /")


def _scrolled_to_the_start(page: Page) -> bool:
    page.evaluate("document.querySelector('main').scrollTop = 0")
    return page.evaluate("document.querySelector('.ev.say').innerText.trim()") == "line 1"


def test_logs_rename_mode_stop_resume_and_delete(browser: Browser, daemon: Daemon) -> None:
    session_id = daemon.new_session("@stderr 3")
    daemon.wait_for_text(session_id, "3 lines on stderr")
    page = open_session(browser, daemon, session_id)
    more = "role=button[name='More']"
    page.tap(more)
    page.fill("label:has-text('Name') input", "Renamed")
    page.tap("role=button[name='Rename']")
    page.see("h1:has-text('Renamed')")
    page.tap("label:has-text('Edits') input")
    until(lambda: daemon.session(session_id)["mode"] == "edits", "the mode")
    page.tap("role=button[name='Logs']")
    page.see("text=stderr line 3")
    page.tap("role=button[name='Close']")
    page.tap(more)
    page.tap("role=button[name='Stop']")
    page.tap("role=button[name=/^Yes, stop/]")
    page.tap("role=button[name='Resume']")
    daemon.wait_for_state(session_id, "awaiting_input")
    page.tap(more)
    page.tap("role=button[name='Stop']")
    page.tap("role=button[name=/^Yes, stop/]")
    page.see("text=This session has ended.")
    page.tap(more)
    page.tap("role=button[name='Delete']")
    page.tap("role=button[name=/^Yes, delete/]")
    page.see("text=No sessions yet.")
    assert of_type(daemon.events(), "session_deleted")
