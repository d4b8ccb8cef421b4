"""The web app's files: what is served, how, and that nothing else is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.fakes.http_api import Api

SHELL = b"<!doctype html><title>app</title>"
SCRIPT = b"export const answer = 42;"


@pytest.fixture
def api(tmp_path: Path) -> Api:
    web = tmp_path / "web"
    (web / "assets").mkdir(parents=True)
    (web / "index.html").write_bytes(SHELL)
    (web / "sw.js").write_bytes(b"// worker")
    (web / "manifest.webmanifest").write_bytes(b"{}")
    (web / "assets" / "index-DrJYlLhY.js").write_bytes(SCRIPT)
    (web / "assets" / "index-DrJYlLhY.js.gz").write_bytes(gzip.compress(SCRIPT))
    (tmp_path / "secret").write_text("not yours")
    return Api(web_dir=web)


@pytest.mark.parametrize("path", ["/", "/sessions/s-0123456789ab", "/approvals", "/approvals/a-1", "/new", "/settings"])
async def test_every_address_of_the_app_is_its_one_page_and_needs_no_token(api: Api, path: str) -> None:
    answer = await api.call("GET", path, token=None)
    assert (answer.status, answer.raw) == (200, SHELL)
    assert answer.headers["Cache-Control"] == "no-cache"


async def test_no_script_of_others_runs_and_none_of_ours_makes_markup_from_text(api: Api) -> None:
    policy = (await api.call("GET", "/", token=None)).headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"} < set(policy)
    assert not [one for one in policy if "unsafe" in one or "http" in one]


async def test_files_with_a_hash_in_their_name_are_kept_for_good_and_sent_compressed(api: Api) -> None:
    path = "/assets/index-DrJYlLhY.js"
    packed = await api.call("GET", path, token=None, headers={"Accept-Encoding": "gzip, br;q=0"})
    assert (packed.headers["Content-Encoding"], gzip.decompress(packed.raw)) == ("gzip", SCRIPT)
    assert "immutable" in packed.headers["Cache-Control"]
    plain = await api.call("GET", path, token=None)
    assert (plain.raw, "Content-Encoding" in plain.headers) == (SCRIPT, False)
    assert plain.headers["Content-Type"].startswith("text/javascript")
    assert plain.headers["Vary"] == "Accept-Encoding"


async def test_what_has_not_changed_is_not_sent_again(api: Api) -> None:
    etag = (await api.call("GET", "/sw.js", token=None)).headers["ETag"]
    answer = await api.call("GET", "/sw.js", token=None, headers={"If-None-Match": etag})
    assert (answer.status, answer.raw) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/secret", "/../secret", "/assets/../../secret", "/%2e%2e/secret", "/assets/", "/sw.js/", "//sw.js", "/x"]
)
async def test_nothing_else_is_a_file(api: Api, path: str) -> None:
    answer = await api.call("GET", path, token=None)
    assert (answer.status, answer.is_problem) == (404, True)


async def test_files_take_no_method_but_get(api: Api) -> None:
    assert (await api.call("POST", "/", {}, token=None)).status == 405


async def test_under_a_foreign_name_there_is_no_app(api: Api) -> None:
    assert (await api.call("GET", "/", token=None, host="evil.example")).status == 421


async def test_where_it_is_not_built_a_plain_page_says_how() -> None:
    answer = await Api().call("GET", "/", token=None)
    assert answer.status == 200
    assert b"make ui" in answer.raw
    assert (await Api().call("GET", "/approvals", token=None)).status == 404
