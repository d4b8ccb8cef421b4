"""A browser is let in, and shut out again."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.e2e.daemon import Daemon, fresh_daemon, until
from tests.ui.browser import DESK, Browser, Page, kept


@pytest.fixture
def guarded() -> Iterator[Daemon]:
    """A daemon as people have it: nobody comes in over TCP without a token or a paired device."""
    with fresh_daemon() as daemon:
        yield daemon


def offer(daemon: Daemon, role: str = "owner") -> dict[str, Any]:
    ran = daemon.tetherctl("--json", "pair", "--role", role)
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def paired(browser: Browser, daemon: Daemon, role: str = "owner", name: str = "Pixel 8", **options: Any) -> Page:
    page = browser.open(daemon.url, name=name, **options)
    page.goto(offer(daemon, role)["link"])
    page.fill("label:has-text('Name of this device') input", name)
    page.tap("role=button[name='Pair']") if not options else page.click("role=button[name='Pair']")
    page.see("h1:has-text('Sessions')")
    return page


def test_a_link_lets_a_phone_in_and_is_forgotten_by_the_address(browser: Browser, guarded: Daemon) -> None:
    session_id = guarded.new_session("@hold")
    page = paired(browser, guarded)
    assert page.evaluate("location.href") == f"{guarded.url}/"
    page.tap(".row")
    page.tap("role=button[name='Approve']")
    guarded.wait_for_text(session_id, "verdict: approve")
    page.see("text=Approved on Pixel 8")
    device = json.loads(guarded.tetherctl("--json", "devices", "list").stdout)
    assert (device["name"], device["role"]) == ("Pixel 8", "owner")
    browser.problems()  # the first request of a stranger is refused: that is how the page learns that it is one


def test_the_page_comes_in_again_after_a_reload_and_no_script_reads_its_cookie(
    browser: Browser, guarded: Daemon
) -> None:
    page = paired(browser, guarded)
    browser.problems()
    page.reload()
    page.see("text=No sessions yet.")
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("JSON.stringify(Object.values(localStorage))") == '["system"]'


def test_a_typed_code_does_too_and_a_wrong_one_says_so(browser: Browser, guarded: Daemon) -> None:
    page = browser.open(guarded.url)
    page.goto("/")
    page.fill("label:has-text('Code') input", "0000-0000")
    page.tap("role=button[name='Pair']")
    page.see("text=this code is not good, or no longer")
    page.fill("label:has-text('Code') input", offer(guarded)["code"].lower())
    page.tap("role=button[name='Pair']")
    page.see("text=No sessions yet.")
    browser.problems()


def test_a_phone_is_let_in_by_the_app_itself(browser: Browser, guarded: Daemon) -> None:
    desk = paired(browser, guarded, name="desk", **DESK, isMobile=False, hasTouch=False)
    desk.goto("/settings")
    desk.click('role=button[name="Pair an observer\'s device"]')
    code = desk.text(".bigcode")
    phone = browser.open(guarded.url, name="phone")
    phone.goto("/")
    phone.fill("label:has-text('Code') input", code)
    phone.tap("role=button[name='Pair']")
    phone.see("text=No sessions yet.")
    phone.goto("/settings")
    phone.see("text=observer: looks")
    assert phone.count("role=button[name=/Pair an/]") == 0
    browser.problems()


def test_a_device_that_is_shut_out_shows_nothing_more_at_once(browser: Browser, guarded: Daemon) -> None:
    guarded.new_session("@hold", name="A secret name")
    page = paired(browser, guarded)
    page.see("text=A secret name")
    (device,) = guarded.get("/api/devices")["devices"]
    assert guarded.tetherctl("devices", "revoke", device["device_id"]).returncode == 0
    page.see("text=Pair this device")
    page.reload()
    page.see("text=Pair this device")
    assert "A secret name" not in page.evaluate("document.body.innerText")
    assert "secret" not in kept(page)
    browser.problems()


def test_a_stolen_cookie_is_worth_nothing_without_the_other_half(browser: Browser, guarded: Daemon) -> None:
    page = paired(browser, guarded)
    (cookie,) = page.context("cookies")
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/api/")
    request = urllib.request.Request(
        f"{guarded.url}/api/sessions", headers={"Cookie": f"{cookie['name']}={cookie['value']}"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 401
    refused.value.close()
    browser.problems()


def test_a_page_on_another_port_of_the_host_reads_nothing_and_does_nothing(browser: Browser, guarded: Daemon) -> None:
    page = paired(browser, guarded)
    with strangers_page() as address:
        page.goto(address)
        for method, body in (("GET", "undefined"), ("POST", '\'{"name":"x","agent_type":"c"}\'')):
            for mode in ("cors", "no-cors"):
                got = page.evaluate(
                    f"fetch('{guarded.url}/api/sessions', {{method: '{method}', mode: '{mode}', body: {body},"
                    " credentials: 'include'}).then(async r => r.type + (await r.text()), () => 'refused')"
                )
                assert got in ("refused", "opaque")
    until(lambda: guarded.get("/api/status"), "the daemon")
    assert guarded.get("/api/sessions")["sessions"] == []
    browser.problems()


@contextmanager
def strangers_page() -> Iterator[str]:
    """The address of a page that another program of the same machine serves."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>another</title>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("localhost", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()
        thread.join()
