"""tetherctl rules, and approve --always."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shapes import APPROVAL, PHONE, SESSION, approval_body, approvals, asked, resolved
from tests.domain.test_rules import rule
from tests.fakes.stub_daemon import problem
from tetherd.domain.approval import ApprovalKind
from tetherd.domain.rule import Effect, Rule
from tetherd.keepers import RulesView
from tetherd.ruleschema import RuleBody, RuleList

NOW = datetime(2026, 1, 1, 12, 4, tzinfo=UTC)
DECISION = f"POST /api/approvals/{APPROVAL}/decision"
DENY = rule(Effect.DENY, "Bash(git push*)", line=3).model_copy(update={"rule_id": "line-3"})
GRANT = rule(Effect.ALLOW, "Bash", exact="make", author=PHONE, made_at=NOW, expires_at=NOW)


def listed(*rules: Rule, **more: Any) -> tuple[int, dict[str, Any]]:
    fields: dict[str, Any] = {"rules": rules, "file": "/c/policy.toml", "fault": None, "is_good": True, "now": NOW}
    return 200, RuleList.of(RulesView(**fields | more)).model_dump(mode="json")


def body(one: Rule) -> dict[str, Any]:
    return RuleBody.of(one, NOW).model_dump(mode="json")


def test_rules_are_listed_strongest_first(daemon, run) -> None:
    daemon.answer("GET /api/rules", listed(GRANT, DENY))
    ran = run("rules", "list")
    first, second = ran.out.splitlines()[1:]
    assert first.split()[:3] == ["line-3", "deny", "Bash(git"]
    assert first.endswith("policy.toml line 3")
    assert "allow Bash exactly 'make' until 2026-01-01 12:04:00 UTC (has run out)" in second
    assert "owner, " in second
    assert run("rules", "list", "--json").records == [body(DENY), body(GRANT)]


def test_without_rules_it_is_said_where_to_write_them(daemon, run) -> None:
    daemon.answer("GET /api/rules", listed())
    assert run("rules", "list").out == "No rules yet. Write some into /c/policy.toml, or: tetherctl rules add\n"


@pytest.mark.parametrize(("is_good", "said"), [(True, "the last good rules hold"), (False, "mode auto asks")])
def test_what_is_wrong_with_the_file_is_said(daemon, run, is_good: bool, said: str) -> None:
    daemon.answer("GET /api/rules", listed(DENY, fault="/c/policy.toml, line 2: no", is_good=is_good))
    ran = run("rules", "list")
    assert ran.err.startswith("/c/policy.toml, line 2: no\n") and said in ran.err


def test_a_rule_is_added_with_all_that_narrows_it(daemon, run, tmp_path: Path) -> None:
    daemon.answer("POST /api/rules", (201, body(GRANT)))
    assert run("rules", "add", "allow", "Bash(make *)").out == f"{GRANT.rule_id}: {GRANT}\n"
    assert daemon.last("POST").body == {"effect": "allow", "tool": "Bash(make *)"}
    words = ["--exact", "make", "--session", SESSION, "--directory", str(tmp_path), "--adapter", "pi*"]
    words += ["--path", "inside", "--asked-by", "human", "--asked-by", "agent", "--for", "8h", "--message", "no"]
    run("rules", "add", "deny", "Bash", *words)
    assert daemon.last("POST").body == {
        "effect": "deny",
        "tool": "Bash",
        "exact": "make",
        "session_id": SESSION,
        "directory": str(tmp_path),
        "adapter": "pi*",
        "path": "inside",
        "asked_by": ["human", "agent"],
        "message": "no",
        "lasts_seconds": 8 * 3600,
    }


@pytest.mark.parametrize("time", ["8", "h", "0h", "-1h", "8 h", "8w", "1.5h", "99999999d"])
def test_a_time_that_is_none_is_refused(daemon, run, time: str) -> None:
    ran = run("rules", "add", "allow", "Bash", f"--for={time}")
    assert ran.code == 2
    assert "write it like 30m, 8h or 7d" in ran.err


def test_a_rule_is_removed(daemon, run) -> None:
    daemon.answer("DELETE /api/rules/g-1", (200, body(GRANT)))
    assert run("rules", "remove", "g-1").out == f"removed {GRANT.rule_id}: {GRANT}\n"
    daemon.answer("DELETE /api/rules/g-2", problem(404, "not_found", "no rule g-2"))
    assert run("rules", "remove", "g-2").code == 4


def test_another_policy_is_tried(daemon, run, tmp_path: Path) -> None:
    change = {"approval_id": APPROVAL, "title": "make", "before": "ask", "after": "deny", "why": "line 1"}
    daemon.answer("POST /api/rules/test", (200, {"tested": 7, "changes": [change]}))
    file = tmp_path / "policy.toml"
    file.write_text("[[rule]]\n")
    ran = run("rules", "test", str(file))
    assert (ran.code, ran.out) == (
        1,
        f"{APPROVAL}  ask -> deny: make\n  line 1\n7 recorded approvals, 1 of them would end otherwise\n",
    )
    assert daemon.last("POST").body == {"policy": "[[rule]]\n"}
    assert run("rules", "test", "--json").records == [{"tested": 7, "changes": [change]}]
    assert daemon.last("POST").body == {}
    daemon.answer("POST /api/rules/test", (200, {"tested": 7, "changes": []}))
    assert run("rules", "test").code == 0
    assert run("rules", "test", str(tmp_path)).code == 2


def test_explain_shows_the_rule_of_each_command(daemon, run, tmp_path: Path) -> None:
    parts = [
        {"text": "make", "effect": "allow", "rule": "grant g-1: allow Bash"},
        {"text": "ls", "effect": None, "rule": None},
    ]
    found = {
        "outcome": "ask",
        "why": "it writes to a file: > x",
        "rule": None,
        "parts": parts,
        "doubts": [{"why": "it writes to a file", "text": "> x", "start": 0, "end": 3}],
    }
    daemon.answer("POST /api/rules/explain", (200, found))
    assert run("rules", "explain", "make; ls > x", "--directory", str(tmp_path)).out == (
        "a person is asked: it writes to a file: > x\n  make\n    grant g-1: allow Bash\n  ls\n"
        "    no rule speaks of it\n  not sure: it writes to a file: > x\n"
    )
    assert daemon.last("POST").body == {"command": "make; ls > x", "directory": str(tmp_path)}
    run("rules", "explain", "/etc/x", "--tool", "Edit", "--session", SESSION)
    assert daemon.last("POST").body == {"tool": "Edit", "path": "/etc/x", "session_id": SESSION}
    run("rules", "explain", APPROVAL)
    assert daemon.last("POST").body == {"approval_id": APPROVAL}
    assert run("rules", "explain", "x", "--json").records == [found]


# -- approve --always --------------------------------------------------------------------------------------------


@pytest.fixture
def one(daemon):
    daemon.answer("GET /api/approvals?state=pending&limit=500", approvals(approval_body()))
    daemon.answer(f"GET /api/approvals/{APPROVAL}", (200, approval_body()))
    daemon.answer(DECISION, (200, approval_body(state="resolved", resolution=resolved())))
    return daemon


def test_the_rule_is_shown_before_it_is_made(one, run) -> None:
    ran = run("approve", APPROVAL, "--always", "project", "--for", "8h", "--yes")
    assert "the rule: allow exactly: make\n" in ran.err
    expected = {"decision": "approve", "scope": "project", "expiry": 8 * 3600, "digest": asked().digest()}
    assert one.last("POST").body == expected
    run("approve", APPROVAL, "--always", "everywhere", "--rule", "Bash(make *)", "--yes")
    assert one.last("POST").body["rule"] == "Bash(make *)"


def test_without_a_yes_nothing_is_decided(one, run) -> None:
    ran = run("approve", APPROVAL, "--always", "session")
    assert (ran.code, "say so with --yes" in ran.err) == (2, True)
    assert not [request for request in one.asked if request.method == "POST"]


def test_what_goes_with_always_alone(one, run) -> None:
    assert run("approve", APPROVAL, "--for", "8h").code == 2
    assert run("approve", APPROVAL, "--rule", "Bash").code == 2


def test_what_no_rule_can_say(daemon, run) -> None:
    plan = approval_body(asked(kind=ApprovalKind.PLAN))
    daemon.answer(f"GET /api/approvals/{APPROVAL}", (200, plan))
    ran = run("approve", APPROVAL, "--always", "session", "--yes")
    assert (ran.code, "no rule can say this" in ran.err) == (2, True)
