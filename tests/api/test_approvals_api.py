"""REST: approvals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.http_api import AGENT_ON_SOCKET, SOCKET, Answer, Api
from tetherd.domain.ids import Role

ASK = {"type": "permission_request", "data": {"tool": "Bash", "command": "make deploy", "request_id": "q-1"}}


async def asked(api: Api) -> tuple[dict[str, Any], dict[str, Any]]:
    """A session, and the approval that its agent asks for with its own token."""
    session = await api.session()
    path = f"/api/sessions/{session['session_id']}/events"
    answer = await api.call("POST", path, ASK, token=session["token"])
    assert (answer.status, answer.json["request_id"]) == (200, "q-1")
    waiting = (await api.call("GET", "/api/approvals")).json["approvals"]
    assert len(waiting) == 1
    return session, waiting[0]


async def decide(api: Api, approval: dict[str, Any], decision: str = "approve", **more: Any) -> Answer:
    sent = {key: more.pop(key) for key in ("token", "scope", "headers") if key in more}
    path = f"/api/approvals/{approval['approval_id']}/decision"
    return await api.call("POST", path, {"decision": decision, **more}, **sent)


async def test_an_approval_shows_what_is_asked() -> None:
    api = Api()
    session, approval = await asked(api)
    assert (approval["kind"], approval["command"], approval["state"]) == ("command", "make deploy", "pending")
    one = await api.call("GET", f"/api/approvals/{approval['approval_id']}")
    assert one.json == approval
    assert one.json["session_id"] == session["session_id"]


async def test_the_first_answer_counts_and_the_second_is_told_who_was_first() -> None:
    api = Api()
    _, approval = await asked(api)
    first = await decide(api, approval, digest=approval["digest"])
    assert (first.status, first.json["state"]) == (200, "resolved")
    second = await decide(api, approval, "reject", token=api.token(Role.APPROVER, name="anna"))
    assert (second.status, second.json["code"]) == (409, "already_resolved")
    by = second.json["resolution"]["by"]["actor"]
    assert (by["principal"]["name"], by["surface"]) == ("a owner", "api")
    assert second.json["resolution"]["at"]
    assert second.is_problem


async def test_the_same_answer_of_the_same_person_again_is_the_same() -> None:
    api = Api()
    _, approval = await asked(api)
    assert [(await decide(api, approval)).status for _ in range(3)] == [200, 200, 200]
    assert sum(event.type == "approval_resolved" for event in api.control.events(approval["session_id"])) == 1


async def test_an_answer_to_something_else_is_refused_and_says_what_stands_now() -> None:
    api = Api()
    _, approval = await asked(api)
    answer = await decide(api, approval, digest="0" * 64)
    assert (answer.status, answer.json["code"], answer.json["digest"]) == (409, "digest_mismatch", approval["digest"])
    assert (await decide(api, approval, digest=approval["digest"])).status == 200


@pytest.mark.parametrize("name", ["q-1", "approval"])
async def test_the_short_form_takes_the_agents_name_and_ours(name: str) -> None:
    api = Api()
    session, approval = await asked(api)
    path = f"/api/sessions/{session['session_id']}/permission"
    body = {"request_id": approval["approval_id"] if name == "approval" else name, "allow": False, "message": "no"}
    answer = await api.call("POST", path, body)
    assert (answer.status, answer.json["resolution"]["answer"]["reason"]) == (200, "no")
    assert (await api.call("POST", path, body | {"request_id": "q-2"})).status == 404


@pytest.mark.parametrize(("role", "status"), [(Role.OWNER, 200), (Role.APPROVER, 200), (Role.OBSERVER, 403)])
async def test_who_may_decide(role: Role, status: int) -> None:
    api = Api()
    _, approval = await asked(api)
    assert (await decide(api, approval, token=api.token(role))).status == status


async def test_the_agent_that_asks_may_not_decide() -> None:
    api = Api()
    session, approval = await asked(api)
    assert (await decide(api, approval, token=session["token"])).status == 403
    short = {"request_id": "q-1", "allow": True}
    path = f"/api/sessions/{session['session_id']}/permission"
    assert (await api.call("POST", path, short, token=session["token"])).status == 403
    assert (await decide(api, approval, token=None, scope=AGENT_ON_SOCKET)).status == 403
    assert (await decide(api, approval, token=None, scope=SOCKET)).status == 200


async def test_an_agent_sees_the_approvals_of_its_own_session_only() -> None:
    api = Api()
    session, approval = await asked(api)
    other = await api.session()
    assert len((await api.call("GET", "/api/approvals", token=session["token"])).json["approvals"]) == 1
    assert (await api.call("GET", "/api/approvals", token=other["token"])).json["approvals"] == []
    assert (await api.call("GET", f"/api/approvals/{approval['approval_id']}", token=other["token"])).status == 404


async def test_a_question_is_answered_by_choice_or_in_words() -> None:
    api = Api()
    session = await api.session()
    path = f"/api/sessions/{session['session_id']}/events"
    for given, choice, text in (
        ("red", ["red"], None),
        ("neither", [], "neither"),
        (["red", "blue"], ["red", "blue"], None),
    ):
        data = {"text": "Which colour?", "options": ["red", "blue"]}
        request_id = (await api.call("POST", path, {"type": "question", "data": data})).json["request_id"]
        answer = await decide(api, {"approval_id": request_id}, answer=given)
        assert answer.status == 200, answer.raw
        said = answer.json["resolution"]["answer"]
        assert (said["choice"], said["text"]) == (choice, text)


async def test_closed_approvals_are_listed_newest_first() -> None:
    api = Api()
    _, approval = await asked(api)
    await decide(api, approval)
    closed = (await api.call("GET", "/api/approvals?state=closed")).json["approvals"]
    assert [one["approval_id"] for one in closed] == [approval["approval_id"]]
    assert (await api.call("GET", "/api/approvals/a-000000000000")).status == 404
