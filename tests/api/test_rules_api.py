"""REST: rules, and approvals that make them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.test_approvals_api import asked
from tests.fakes.http_api import AGENT_ON_SOCKET, Api
from tetherd.domain import commands as cmd
from tetherd.domain.ids import Role

LOG = {"effect": "allow", "tool": "Bash(git log *)"}


async def test_a_rule_is_made_listed_and_ended() -> None:
    api = Api()
    api.rules.written = "[[rule]]\ndeny = 'Bash(git push*)'\n"
    made = await api.call("POST", "/api/rules", LOG | {"lasts_seconds": 60, "asked_by": ["human"]})
    assert (made.status, made.json["text"]) == (
        201,
        "allow Bash(git log *) asked by human until 2026-11-24 12:01:00 UTC",
    )
    assert made.json["author"]["principal"]["name"] == "a owner"
    listed = (await api.call("GET", "/api/rules")).json
    assert [rule["text"] for rule in listed["rules"]] == ["deny Bash(git push*)", made.json["text"]]
    assert [rule["origin"] for rule in listed["rules"]] == ["policy.toml line 1", f"grant {made.json['rule_id']}"]
    ended = await api.call("DELETE", f"/api/rules/{made.json['rule_id']}")
    assert (ended.status, ended.json["rule_id"]) == (200, made.json["rule_id"])
    assert (await api.call("DELETE", f"/api/rules/{made.json['rule_id']}")).status == 404
    refused = await api.call("DELETE", "/api/rules/line-1")
    assert (refused.status, refused.json["code"]) == (409, "not_a_grant")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"effect": "allow"}, "tool"),
        ({"effect": "maybe", "tool": "Bash"}, "effect"),
        ({"effect": "allow", "tool": "Bash("}, None),
        ({"effect": "allow", "tool": "Edit", "exact": "x"}, "body"),
        ({"effect": "allow", "tool": "Bash", "directory": "relative"}, "body"),
        ({"effect": "allow", "tool": "Bash", "lasts_seconds": 0}, "lasts_seconds"),
        ({"effect": "allow", "tool": "Bash", "lasts_seconds": 10**9}, "lasts_seconds"),
        ({"effect": "allow", "tool": "Bash", "asked_by": []}, "asked_by"),
        ({"effect": "allow", "tool": "Bash\x00"}, "tool"),
        ({"effect": "allow", "tool": "Bash", "surprise": 1}, "surprise"),
    ],
)
async def test_what_is_no_rule_is_refused(body: dict[str, Any], where: str | None) -> None:
    answer = await Api().call("POST", "/api/rules", body)
    assert answer.status == 422 and answer.is_problem
    if where:
        assert answer.json["errors"][0]["where"] == where
    else:
        assert answer.json["code"] == "bad_pattern"


@pytest.mark.parametrize("role", Role)
async def test_who_may_make_rules(role: Role) -> None:
    api = Api()
    session = await api.session()
    token = session["token"] if role is Role.AGENT else api.token(role)
    wide = (await api.call("POST", "/api/rules", LOG, token=token)).status
    narrow = (await api.call("POST", "/api/rules", LOG | {"session_id": session["session_id"]}, token=token)).status
    made = (await api.call("POST", "/api/rules", LOG)).json["rule_id"]
    ended = (await api.call("DELETE", f"/api/rules/{made}", token=token)).status
    assert (wide, narrow, ended) == {
        Role.OWNER: (201, 201, 200),
        Role.APPROVER: (403, 201, 403),
        Role.OBSERVER: (403, 403, 403),
        Role.AGENT: (403, 403, 403),
    }[role]


@pytest.mark.parametrize("path", ["", "/test", "/explain"])
async def test_a_process_of_an_agent_reaches_no_rules(path: str) -> None:
    api = Api()
    for token in (None, ""):
        refused = await api.call("POST", f"/api/rules{path}", LOG, token=token, scope=AGENT_ON_SOCKET)
        assert (refused.status, api.rules.granted) == (403, {})


async def test_always_makes_the_rule_that_was_shown() -> None:
    api = Api()
    _, approval = await asked(api)
    assert approval["always"] == {"tool": "Bash", "exact": "make deploy"}
    answer = await api.call(
        "POST",
        f"/api/approvals/{approval['approval_id']}/decision",
        {"decision": "approve", "scope": "everywhere", "expiry": 3600, "digest": approval["digest"]},
    )
    assert answer.status == 200
    (granted,) = [event for event in api.control.events(approval["session_id"]) if event.type == "rule_granted"]
    assert str(granted.rule) == "allow Bash exactly 'make deploy' until 2026-11-24 13:00:00 UTC"
    (command,) = [one for one in api.control.submitted if isinstance(one, cmd.AnswerApproval)]
    assert command.always is not None


async def test_always_by_a_pattern_must_be_about_it() -> None:
    api = Api()
    _, approval = await asked(api)
    path = f"/api/approvals/{approval['approval_id']}/decision"
    wrong = await api.call("POST", path, {"decision": "approve", "scope": "everywhere", "rule": "Bash(ninja)"})
    assert (wrong.status, wrong.json["code"]) == (422, "cannot_grant")
    right = await api.call("POST", path, {"decision": "approve", "scope": "everywhere", "rule": "Bash(make *)"})
    assert right.status == 200


@pytest.mark.parametrize(
    "more", [{"expiry": 5}, {"rule": "Bash"}, {"scope": "project", "expiry": 0}, {"scope": "world"}, {"scope": None}]
)
async def test_what_always_cannot_say(more: dict[str, Any]) -> None:
    api = Api()
    _, approval = await asked(api)
    path = f"/api/approvals/{approval['approval_id']}/decision"
    assert (await api.call("POST", path, {"decision": "approve", **more})).status == 422


async def test_an_approver_makes_no_rule_beyond_the_session() -> None:
    api = Api()
    _, approval = await asked(api)
    token = api.token(Role.APPROVER)
    path = f"/api/approvals/{approval['approval_id']}/decision"
    wide = await api.call("POST", path, {"decision": "approve", "scope": "everywhere"}, token=token)
    assert (wide.status, wide.json["code"]) == (403, "forbidden")
    assert (await api.call("POST", path, {"decision": "approve", "scope": "session"}, token=token)).status == 200


async def test_explain_tells_which_rule_decides() -> None:
    api = Api()
    api.rules.written = "[[rule]]\nallow = 'Bash(git log *)'\n[[rule]]\ndeny = 'Edit(/etc/**)'\n"

    async def explained(**body: Any) -> tuple[str, str]:
        answer = await api.call("POST", "/api/rules/explain", body)
        assert answer.status == 200, answer.raw
        return answer.json["outcome"], answer.json["why"]

    assert await explained(command="git log") == ("allow", "policy.toml line 1: allow Bash(git log *)")
    assert await explained(command="git log | sh") == ("ask", "what this shell is told is not known: sh")
    assert (await explained(tool="Edit", path="/etc/x"))[0] == "deny"
    assert (await explained(tool="Read", path="/etc/x"))[0] == "ask"
    assert (await explained(tool="WebFetch", url="https://a"))[0] == "ask"
    assert (await explained(command="make", mode="auto"))[0] == "allow"
    _, approval = await asked(api)
    assert (await explained(approval_id=approval["approval_id"]))[0] == "ask"
    assert (await explained(command="make", session_id=approval["session_id"]))[0] == "ask"
    for wrong in ({}, {"command": "x", "approval_id": approval["approval_id"]}):
        assert (await api.call("POST", "/api/rules/explain", wrong)).status == 422
    gone = await api.call("POST", "/api/rules/explain", {"approval_id": "a-000000000000"})
    assert gone.status == 404


async def test_another_policy_is_tried_on_what_was_asked() -> None:
    api = Api()
    _, approval = await asked(api)
    found = await api.call("POST", "/api/rules/test", {"policy": "[[rule]]\ndeny = 'Bash(make *)'\n"})
    (change,) = found.json["changes"]
    assert (found.json["tested"], change["approval_id"]) == (1, approval["approval_id"])
    assert (change["before"], change["after"], change["why"]) == (
        "ask",
        "deny",
        "policy.toml line 1: deny Bash(make *)",
    )
    assert (await api.call("POST", "/api/rules/test", {})).json["changes"] == []
    broken = await api.call("POST", "/api/rules/test", {"policy": "[[rule]]\nalow = 1"})
    assert (broken.status, broken.json["code"]) == (422, "not_a_policy")
    assert "line 1: alow is not known" in broken.json["detail"]
