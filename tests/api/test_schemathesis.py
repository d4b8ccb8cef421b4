"""Requests made from our own description: never a 5xx, and problems are problem documents."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import hypothesis
import pytest
import schemathesis
import trio

from tests.fakes.http_api import Api
from tetherd.api.openapi import document

EXAMPLES = 8
schema = schemathesis.openapi.from_dict(document())
STREAMS = {"/api/events", "/api/sessions/{session_id}/events"}


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_no_request_breaks_it(case: schemathesis.Case) -> None:
    if case.method.upper() == "GET" and case.path in STREAMS:
        pytest.skip("a stream does not end: test_events_api.py follows it")
    trio.run(_send, case)


async def _send(case: schemathesis.Case) -> None:
    api = Api()
    await api.session()
    kwargs = case.as_transport_kwargs(base_url="http://localhost:8787")
    headers = {
        key: value
        for key, value in dict(kwargs.get("headers") or {}).items()
        if value.isascii() and value.isprintable()
    }
    body = json.dumps(kwargs["json"]).encode() if "json" in kwargs else kwargs.get("data")
    given = kwargs.get("params") or {}
    pairs = parse_qsl(given) if isinstance(given, str) else list(given.items())
    query = {key: value for key, value in pairs if key != "wait_s"}
    with trio.fail_after(30):
        answer = await api.call(
            kwargs["method"],
            kwargs["url"].removeprefix("http://localhost:8787"),
            raw=body if isinstance(body, bytes) else None,
            headers={
                key: value for key, value in headers.items() if key.lower() in ("content-type", "idempotency-key")
            },
            query=query,
        )
    assert answer.status < 500, (kwargs, answer.raw)
    if answer.status >= 400:
        assert answer.is_problem, answer.raw
