"""REST: paired devices, and that half of their proof is worth nothing."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest

from tests.fakes.http_api import HOST, TCP, Api
from tetherd.domain.ids import Role

OURS = {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}


@dataclass
class Device:
    """A browser that was paired: what it sends by itself, and what its page adds."""

    api: Api
    made: dict[str, Any]
    set_cookie: str

    @property
    def cookie(self) -> str:
        (morsel,) = SimpleCookie(self.set_cookie).values()
        return f"{morsel.key}={morsel.value}"

    async def call(self, method: str, path: str, body: Any = None, **more: str) -> Any:
        headers = {"Cookie": self.cookie, "X-Tetherd-Key": self.made["key"], **OURS, **more}
        return await self.api.call(method, path, body, token=None, headers={k: v for k, v in headers.items() if v})


async def paired(api: Api, role: str = "owner", **headers: str) -> Device:
    offer = (await api.call("POST", "/api/pairings", {"role": role})).json
    code = offer["link"].partition("#pair=")[2]
    body = {"code": code, "name": "Pixel 8"}
    answer = await api.call("POST", "/api/pair", body, token=None, headers={**OURS, **headers})
    assert answer.status == 201, answer.raw
    return Device(api, answer.json, answer.headers["Set-Cookie"])


async def test_a_link_makes_a_device_that_is_let_in_by_both_halves() -> None:
    api = Api()
    device = await paired(api, "approver")
    me = (await device.call("GET", "/api/me")).json
    assert (me["role"], me["surface"], me["device"]) == ("approver", "web", "Pixel 8")
    assert me["device_id"] == device.made["device_id"]


async def test_the_link_leads_to_the_public_address_and_holds_its_code_where_no_server_sees_it() -> None:
    offer = (await Api().call("POST", "/api/pairings", {})).json
    assert offer["link"].startswith("https://laptop.example.net/#pair=")
    assert len(offer["code"]) == 9


async def test_the_cookie_is_for_the_api_of_this_daemon_alone() -> None:
    plain = (await paired(Api())).set_cookie
    assert plain.startswith("tetherd-8787=")
    for part in ("HttpOnly", "Path=/api/", "SameSite=Strict"):
        assert part in plain
    assert "Secure" not in plain
    api = Api(allowed_hosts=frozenset({HOST, "laptop.example.net"}))
    offer = (await api.call("POST", "/api/pairings", {})).json
    answer = await api.call(
        "POST",
        "/api/pair",
        {"code": offer["code"], "name": "x"},
        token=None,
        host="laptop.example.net",
        headers={"Origin": "https://laptop.example.net"},
    )
    assert answer.headers["Set-Cookie"].startswith("__Secure-tetherd-8787=")
    assert "Secure;" in answer.headers["Set-Cookie"].partition("=")[2]


@pytest.mark.parametrize("left_out", ["Cookie", "X-Tetherd-Key"])
async def test_one_half_alone_opens_nothing(left_out: str) -> None:
    device = await paired(Api())
    assert (await device.call("GET", "/api/sessions")).status == 200
    assert (await device.call("GET", "/api/sessions", **{left_out: ""})).status == 401


async def test_the_halves_of_two_devices_do_not_fit() -> None:
    api = Api()
    one, other = await paired(api), await paired(api)
    assert (await one.call("GET", "/api/sessions", **{"X-Tetherd-Key": other.made["key"]})).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": ""},
    ],
)
async def test_pages_of_others_get_nothing_even_with_both_halves(headers: dict[str, str]) -> None:
    api = Api()
    device = await paired(api)
    made = await device.call("POST", "/api/sessions", {"name": "x", "agent_type": "c"}, **headers)
    assert made.status == 403
    assert (await api.call("GET", "/api/sessions")).json["sessions"] == []


async def test_a_form_is_no_request_of_ours() -> None:
    device = await paired(Api())
    answer = await device.api.call(
        "POST",
        "/api/sessions",
        raw=b'{"name":"x","agent_type":"c"}',
        token=None,
        headers={"Cookie": device.cookie, "X-Tetherd-Key": device.made["key"], **OURS, "Content-Type": "text/plain"},
    )
    assert answer.status == 415


async def test_under_another_name_nobody_is_paired() -> None:
    api = Api()
    code = (await api.call("POST", "/api/pairings", {})).json["code"]
    answer = await api.call("POST", "/api/pair", {"code": code, "name": "x"}, token=None, host="evil.example:8787")
    assert answer.status == 421
    assert await api.devices.list() == ()


async def test_a_revoked_device_is_out_at_once_and_stays_in_the_list() -> None:
    api = Api()
    device = await paired(api)
    path = f"/api/devices/{device.made['device_id']}"
    assert (await api.call("DELETE", path)).json["revoked_at"] is not None
    assert (await device.call("GET", "/api/sessions")).status == 401
    (listed,) = (await api.call("GET", "/api/devices")).json["devices"]
    assert (listed["name"], "key" in listed, "cookie" in listed) == ("Pixel 8", False, False)


async def test_an_approver_shuts_out_itself_and_nobody_else() -> None:
    api = Api()
    own, other = await paired(api, "approver"), await paired(api)
    assert (await own.call("DELETE", f"/api/devices/{other.made['device_id']}")).status == 403
    assert (await own.call("GET", "/api/devices")).status == 403
    assert (await own.call("POST", "/api/pairings", {})).status == 403
    assert (await own.call("DELETE", f"/api/devices/{own.made['device_id']}")).status == 200
    assert (await other.call("GET", "/api/me")).status == 200


async def test_what_a_device_may_is_its_roles() -> None:
    api = Api()
    observer = await paired(api, "observer")
    assert (await observer.call("GET", "/api/sessions")).status == 200
    assert (await observer.call("POST", "/api/sessions", {"name": "x", "agent_type": "c"})).status == 403


async def test_wrong_codes_are_refused_alike_and_leave_nothing() -> None:
    api = Api()
    for body in ({"code": "AAAA-AAAA", "name": "x"}, {"code": "\ud800", "name": "x"}):
        answer = await api.call("POST", "/api/pair", body, token=None)
        assert (answer.status, answer.is_problem) in ((403, True), (422, True))
    assert await api.devices.list() == ()


async def test_agents_neither_pair_nor_look() -> None:
    api = Api()
    session = await api.session()
    for method, path in (("POST", "/api/pairings"), ("GET", "/api/devices"), ("DELETE", "/api/devices/d-00000000")):
        assert (await api.call(method, path, token=session["token"])).status == 403
    assert (await api.call("GET", "/api/me", token=session["token"])).json["role"] == Role.AGENT


async def test_revoking_ends_the_devices_streams_now(autojump_clock: Any) -> None:
    api = Api()
    device = await paired(api)
    client = api.app.test_client(use_cookies=False)
    headers = api.headers(None)
    headers["Cookie"], headers["X-Tetherd-Key"] = device.cookie, device.made["key"]
    async with client.request("/api/events", headers=headers, scope_base=dict(TCP)) as stream:
        await stream.send_complete()
        assert b"tetherd" in await stream.receive()
        begun = autojump_clock.current_time()
        await api.call("DELETE", f"/api/devices/{device.made['device_id']}")
        while await stream.receive():
            pass
        # a heartbeat would have been the next occasion
        assert autojump_clock.current_time() - begun < 10
