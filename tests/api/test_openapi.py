"""The API's description: whole, valid, and the one that is committed."""

from __future__ import annotations

import json
from pathlib import Path

from tests.fakes.http_api import Api
from tetherd.api.openapi import ROUTES, document
from tetherd.api.route import PREFIX

COMMITTED = Path(__file__).parents[2] / "ui" / "openapi.json"


def test_the_committed_description_is_current() -> None:
    again = "python -m tetherd.api.openapi > ui/openapi.json"
    assert json.loads(COMMITTED.read_text()) == document(), f"make it anew: {again}"


def test_every_route_is_described_and_says_what_it_does() -> None:
    paths = document()["paths"]
    for route in ROUTES:
        operation = paths[PREFIX + route.path][route.method.lower()]
        assert operation["summary"]


def test_every_reference_leads_somewhere() -> None:
    whole = document()
    text = json.dumps(whole)
    schemas = whole["components"]["schemas"]
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schemas


async def test_it_is_served_to_anybody() -> None:
    answer = await Api().call("GET", "/api/openapi.json", token=None)
    assert (answer.status, answer.json) == (200, json.loads(json.dumps(document())))
