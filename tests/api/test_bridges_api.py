"""REST: chat bridges."""

from __future__ import annotations

import pytest

from tests.fakes.http_api import Api
from tetherd.domain.ids import Role


async def test_bridges_are_listed_with_their_lag_and_trouble() -> None:
    answer = await Api().call("GET", "/api/bridges")
    assert answer.status == 200
    telegram, slack = answer.json["bridges"]
    assert (telegram["name"], telegram["state"], telegram["lag"], telegram["owed"]) == ("telegram", "running", 3, 2)
    assert (slack["name"], slack["state"], slack["since"]) == ("slack", "off", None)


async def test_a_check_names_what_is_missing() -> None:
    answer = await Api().call("POST", "/api/bridges/telegram/check", {})
    assert answer.status == 200
    assert answer.json["findings"] == [
        {"what": "the token is good", "ok": True, "advice": None},
        {"what": "may pin", "ok": False, "advice": "let it"},
    ]


@pytest.mark.parametrize(
    "path, status, code", [("slack", 409, "bridge_off"), ("irc", 404, "not_found"), ("No%20such", 404, "not_found")]
)
async def test_a_bridge_that_is_off_or_unknown_is_refused(path: str, status: int, code: str) -> None:
    for what in ("check", "pairing"):
        answer = await Api().call("POST", f"/api/bridges/{path}/{what}", {})
        assert (answer.status, answer.json["code"]) == (status, code)


async def test_owners_alone_let_somebody_in() -> None:
    api = Api()
    assert (await api.call("POST", "/api/bridges/telegram/pairing", {})).json["code"] == "0123456789"
    for role in (Role.APPROVER, Role.OBSERVER):
        answer = await api.call("POST", "/api/bridges/telegram/pairing", {}, token=api.token(role))
        assert answer.status == 403


async def test_agents_do_not_see_bridges() -> None:
    api = Api()
    made = await api.session()
    assert (await api.call("GET", "/api/bridges", token=made["token"])).status == 403
