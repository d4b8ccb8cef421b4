"""Who is let in."""

from __future__ import annotations

import ipaddress

import pytest

from tests.fakes.http_api import AGENT_ON_SOCKET, SOCKET, STRANGER_ON_SOCKET, Api
from tetherd.api.auth import owner_in
from tetherd.domain.ids import Role

TCP4 = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2253 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1
   1: 0100007F:C350 0100007F:2253 01 00000000:00000000 00:00000000 00000000  1001        0 2 1
   2: 0100007F:2253 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 3 1
""".splitlines()


async def test_health_is_open_and_says_nothing_else() -> None:
    answer = await Api().call("GET", "/api/health", token=None)
    assert (answer.status, sorted(answer.json)) == (200, ["status", "version"])


@pytest.mark.parametrize(
    "path", ["/api/sessions", "/api/approvals", "/api/status", "/api/agents", "/api/tokens", "/api/events"]
)
async def test_without_a_token_there_is_nothing(path: str) -> None:
    answer = await Api().call("GET", path, token=None)
    assert (answer.status, answer.is_problem) == (401, True)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Basic x", "Bearer", "Bearer ", "Bearer nobody", "Bearer \u00e9", "tether_x"])
async def test_wrong_credentials_are_refused_alike(header: str) -> None:
    answer = await Api().call("GET", "/api/sessions", token=None, headers={"Authorization": header})
    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")


async def test_a_token_in_the_address_opens_nothing() -> None:
    api = Api()
    assert (await api.call("GET", f"/api/sessions?token={api.owner}", token=None)).status == 401


async def test_a_revoked_token_opens_nothing_more() -> None:
    api = Api()
    made = (await api.call("POST", "/api/tokens", {"name": "phone", "role": "observer"})).json
    assert (await api.call("GET", "/api/sessions", token=made["token"])).status == 200
    assert (await api.call("DELETE", f"/api/tokens/{made['token_id']}")).status == 200
    assert (await api.call("GET", "/api/sessions", token=made["token"])).status == 401
    listed = (await api.call("GET", "/api/tokens")).json["tokens"]
    assert "token" not in listed[0]


@pytest.mark.parametrize("role", [Role.APPROVER, Role.OBSERVER])
async def test_tokens_and_the_stop_are_for_owners(role: Role) -> None:
    api = Api()
    token = api.token(role)
    for method, path, body in (
        ("GET", "/api/tokens", None),
        ("POST", "/api/tokens", {"name": "x", "role": "owner"}),
        ("POST", "/api/shutdown", {}),
    ):
        assert (await api.call(method, path, body, token=token)).status == 403
    assert api.stops == 0


async def test_an_observer_looks_and_touches_nothing() -> None:
    api = Api()
    session = await api.session()
    token = api.token(Role.OBSERVER)
    path = f"/api/sessions/{session['session_id']}"
    assert (await api.call("GET", path, token=token)).status == 200
    for target, body in (("/input", {"text": "x"}), ("/stop", {}), ("/interrupt", {}), ("/start", {})):
        assert (await api.call("POST", path + target, body, token=token)).status == 403
    assert (await api.call("POST", "/api/sessions", {"name": "x", "agent_type": "c"}, token=token)).status == 403


async def test_an_approver_does_not_widen() -> None:
    api = Api()
    session = await api.session()
    path = f"/api/sessions/{session['session_id']}"
    token = api.token(Role.APPROVER)
    assert (await api.call("PATCH", path, {"approval_mode": "auto"}, token=token)).status == 403
    assert (await api.call("PATCH", path, {"name": "new"}, token=token)).status == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost", "localhost:80", "127.0.0.1:8787.evil.example", ""])
async def test_another_name_is_misdirected(host: str) -> None:
    answer = await Api().call("GET", "/api/health", host=host)
    assert (answer.status, answer.is_problem) == (421, True)


async def test_pages_of_others_are_refused() -> None:
    api = Api()
    for headers in (
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
    ):
        assert (await api.call("GET", "/api/sessions", headers=headers)).status == 403, headers
    own = {"Origin": "http://localhost:8787", "Sec-Fetch-Site": "same-origin"}
    assert (await api.call("GET", "/api/sessions", headers=own)).status == 200


async def test_the_socket_knows_its_owner_by_uid_and_refuses_everybody_else() -> None:
    api = Api()
    assert (await api.call("GET", "/api/tokens", token=None, scope=SOCKET, host="whatever")).status == 200
    assert (await api.call("GET", "/api/sessions", token=None, scope=STRANGER_ON_SOCKET)).status == 403
    assert (await api.call("GET", "/api/sessions", scope=STRANGER_ON_SOCKET)).status == 403
    assert (
        await api.call("GET", "/api/sessions", token=None, scope=SOCKET, headers={"Origin": "http://x"})
    ).status == 403


async def test_a_process_below_an_agent_is_an_agent_whatever_token_it_found() -> None:
    api = Api()
    session = await api.session()
    own = f"/api/sessions/{session['session_id']}"
    assert (await api.call("GET", own, token=None, scope=AGENT_ON_SOCKET)).status == 403
    assert (await api.call("GET", own, scope=AGENT_ON_SOCKET)).status == 403
    assert (await api.call("GET", own, token=session["token"], scope=AGENT_ON_SOCKET)).status == 200


async def test_dev_lets_nobody_in_whose_process_is_not_found() -> None:
    assert (await Api(dev=True).call("GET", "/api/sessions", token=None)).status == 401


def test_the_table_of_connections_names_the_owner_of_the_clients_end() -> None:
    client = (ipaddress.ip_address("127.0.0.1"), 0xC350)
    server = (ipaddress.ip_address("127.0.0.1"), 0x2253)
    assert owner_in(TCP4, client, server) == 1001
    assert owner_in(TCP4, server, client) == 1000
    assert owner_in(TCP4, (client[0], 1), server) is None
