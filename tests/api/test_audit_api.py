"""REST: the audit."""

from __future__ import annotations

import pytest

from tests.fakes.http_api import Api
from tetherd.domain.ids import Role


async def test_records_come_in_pages() -> None:
    api = Api()
    for number in range(3):
        api.audit.note("decided", n=number)
    page = (await api.call("GET", "/api/audit", query={"limit": 2})).json
    assert ([record["body"]["n"] for record in page["records"]], page["next_after"]) == ([0, 1], 2)
    page = (await api.call("GET", "/api/audit", query={"after": 3})).json
    assert (page["records"], page["next_after"]) == ([], 3)


async def test_a_check_tells_of_the_chain_and_of_a_head() -> None:
    api = Api()
    first = api.audit.note("decided")
    api.audit.note("decided")
    found = (await api.call("GET", "/api/audit/verify", query={"head": first.hash})).json
    assert (found["records"], found["broken"], found["anchored"]) == (2, None, True)
    del api.audit.records[0]
    broken = (await api.call("GET", "/api/audit/verify")).json["broken"]
    assert broken == {"number": 2, "why": "record 1 is missing"}
    assert (await api.call("GET", "/api/audit/verify", query={"head": "x"})).status == 422


@pytest.mark.parametrize("path", ["/api/audit", "/api/audit/verify"])
async def test_an_agent_sees_nothing_of_it(path: str) -> None:
    api = Api()
    session = await api.session()
    assert (await api.call("GET", path, token=session["token"])).status == 403
    assert (await api.call("GET", path, token=api.token(Role.OBSERVER))).status == 200
