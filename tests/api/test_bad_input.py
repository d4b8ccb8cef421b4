"""Whatever comes in: a 4xx problem document, never a 5xx."""

from __future__ import annotations

import json

import pytest

from tests.fakes.http_api import Api
from tetherd.api.openapi import ROUTES
from tetherd.api.route import PREFIX

IDS = {
    "{session_id}": "s-000000000000",
    "{approval_id}": "a-000000000000",
    "{token_id}": "t-0",
    "{seq}": "1",
    "{bridge}": "telegram",
}
WRITES = sorted({(r.method, r.path) for r in ROUTES if r.method in ("POST", "PATCH")})
HARMLESS = {"/shutdown"}
"""An empty body is all it takes."""

BODIES: dict[str, bytes] = {
    "not json": b"{",
    "half a number": b'{"name": -}',
    "a list": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "a number": b"1",
    "unknown keys": b'{"colour": "red"}',
    "wrong types": b'{"name": 1, "text": [], "decision": {}, "events": "x", "type": 3, "data": 4, "role": null}',
    "NUL": b'{"name": "a\\u0000b", "text": "a\\u0000b"}',
    "a lone surrogate": b'{"name": "\\ud800", "text": "\\ud800", "type": "output", "data": {"text": "\\udc00"}}',
    "a surrogate as a key": b'{"\\ud800": 1}',
    "deep nesting": b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "a huge integer": b'{"grace_seconds": ' + b"9" * 5000 + b', "name": ' + b"9" * 5000 + b"}",
    "a huge exponent": b'{"grace_seconds": 1e999999}',
    "no number": b'{"grace_seconds": NaN}',
    "bad UTF-8": b'{"name": "\xff\xfe", "text": "\xc3\x28"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "the same key twice": b'{"name": 1, "name": 2, "text": 3}',
    "a name of 10,000 characters": b'{"name": "' + b"x" * 10_000 + b'", "text": 1}',
    "more than the limit": b'{"text": "' + b"x" * 1_100_000 + b'"}',
}


def url(path: str) -> str:
    for name, value in IDS.items():
        path = path.replace(name, value)
    return PREFIX + path


@pytest.mark.parametrize("method, path", WRITES)
async def test_every_hostile_body_gets_a_problem_document(method: str, path: str) -> None:
    api = Api()
    for name, body in BODIES.items():
        answer = await api.call(method, url(path), raw=body)
        assert 400 <= answer.status < 500, (name, answer.status, answer.raw[:300])
        assert answer.is_problem, name
    assert api.control.submitted == []


@pytest.mark.parametrize("method, path", [one for one in WRITES if one[1] not in HARMLESS])
async def test_the_content_type_must_be_json(method: str, path: str) -> None:
    api = Api()
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=utf-16",
    ):
        answer = await api.call(method, url(path), raw=b'{"name": "x"}', headers={"Content-Type": kind})
        assert (answer.status, answer.is_problem) == (415, True), kind


async def test_unknown_ids_and_ids_of_no_shape_are_404() -> None:
    api = Api()
    for session_id in ("s-000000000000", "x", "%F0%9F%92%A9", "a" * 5000, "s-00000000000Z"):
        answer = await api.call("GET", f"/api/sessions/{session_id}")
        assert (answer.status, answer.is_problem) == (404, True), session_id


async def test_wrong_methods_say_which_are_right() -> None:
    api = Api()
    for method, path in (
        ("DELETE", "/api/sessions"),
        ("PUT", "/api/health"),
        ("PATCH", "/api/approvals"),
        ("POST", "/"),
    ):
        answer = await api.call(method, path)
        assert (answer.status, answer.is_problem) == (405, True)
        assert answer.headers["Allow"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=x",
        "limit=1&limit=2",
        "before=-1",
        "state=none",
        "before=99999999999999999999999",
        "colour=red",
        "search=%00",
    ],
)
async def test_wrong_queries_name_what_is_wrong(query: str) -> None:
    answer = await Api().call("GET", f"/api/sessions?{query}")
    assert (answer.status, answer.is_problem) == (422, True)
    assert query.partition("=")[0] in json.dumps(answer.json["errors"])


@pytest.mark.parametrize("after", ["x", "-1", "1.2.3", "9" * 30, "%00", "e1.x"])
async def test_wrong_cursors_are_refused(after: str) -> None:
    api = Api()
    assert (await api.call("GET", f"/api/events?after={after}")).status == 422
    assert (await api.call("GET", "/api/events", headers={"Last-Event-ID": "what"})).status == 422
