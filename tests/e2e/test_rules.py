"""Rules from end to end: a policy file, grants, and an agent that would like to decide by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.daemon import Daemon, Json, idle_daemon, of_type, until

POLICY = """
[[rule]]
allow = "Bash(echo *)"

[[rule]]
deny = "Bash(git push*)"
message = "Leave pushing to me."
"""
BROKEN = POLICY + "\n[[rule]]\nalow = 'Bash'\n"


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with idle_daemon() as daemon:
        policy(daemon).parent.mkdir(mode=0o700, parents=True)
        yield daemon


def policy(daemon: Daemon) -> Path:
    return daemon.home / "config" / "tether" / "policy.toml"


def write(daemon: Daemon, text: str) -> None:
    """Whole or not at all, as editors do it."""
    draft = policy(daemon).with_name("draft")
    draft.write_text(text)
    draft.chmod(0o600)
    os.replace(draft, policy(daemon))


def done(daemon: Daemon, prompt: str, **more: object) -> tuple[str, list[Json]]:
    """A session that has done what it was told to, and its events."""
    session_id = daemon.new_session(prompt, **more)
    until(lambda: daemon.session(session_id)["turns"] == 1, "the turn")
    until(lambda: not daemon.session(session_id)["turn_open"], "the turn's end")
    return session_id, daemon.events(session_id)


def deciders(events: list[Json]) -> list[str]:
    return [str(event["data"]["by"].get("rule")) for event in of_type(events, "approval_resolved")]


def test_a_policy_allows_denies_and_tells_the_agent_why(daemon: Daemon) -> None:
    write(daemon, POLICY)
    daemon.start()
    _, allowed = done(daemon, "run echo hello")
    assert deciders(allowed) == ["policy.toml line 2: allow Bash(echo *)"]
    assert any("hello" in event["data"]["output"] for event in of_type(allowed, "tool_call_finished"))
    _, denied = done(daemon, "run echo hi && git push origin")
    assert deciders(denied) == ["policy.toml line 5: deny Bash(git push*)"]
    (resolved,) = of_type(denied, "approval_resolved")
    assert resolved["data"]["answer"] == resolved["data"]["answer"] | {
        "decision": "reject",
        "reason": "Leave pushing to me.",
    }
    assert not any(event["data"]["output"].strip() == "hi" for event in of_type(denied, "tool_call_finished"))
    session_id = daemon.new_session("run ls")
    assert daemon.wait_for_approval(session_id)["command"] == "ls"
    write(daemon, POLICY + "[[rule]]\ndeny = 'Bash(ls)'\n")
    closed = until(lambda: of_type(daemon.events(session_id), "approval_resolved"), "the rule that denies it")
    assert closed[0]["data"]["by"]["rule"] == "policy.toml line 8: deny Bash(ls)"


PWD = "pwd > /dev/null; hostname"


def decided(daemon: Daemon, session_id: str) -> list[str]:
    """Who has decided on what the session asks; nobody while it waits for a person."""

    def look() -> bool:
        return daemon.session(session_id)["state"] == "awaiting_approval" or bool(
            of_type(daemon.events(session_id), "approval_resolved")
        )

    until(look, "the question")
    return deciders(daemon.events(session_id))


def test_always_for_this_project_holds_in_the_next_session_and_ends_on_time(daemon: Daemon) -> None:
    daemon.start()
    for seconds in (3, 12, 48):  # a machine may be so slow that the first one is over before anybody asks again
        asked = daemon.wait_for_approval(daemon.new_session(f"run {PWD}"))
        body = {"decision": "approve", "scope": "project", "expiry": seconds, "digest": asked["digest"]}
        assert daemon.post(f"/api/approvals/{asked['approval_id']}/decision", body)["state"] == "resolved"
        second = daemon.new_session(f"run {PWD}")
        who = decided(daemon, second)
        rule = daemon.get("/api/rules")["rules"][-1]
        if who:
            break
        assert rule["has_run_out"]
        daemon.post(f"/api/sessions/{second}/stop")
    assert who == [f"grant {rule['rule_id']}: {rule['text']}"]
    until(lambda: daemon.get("/api/rules")["rules"][-1]["has_run_out"], "the rule to run out")
    assert decided(daemon, daemon.new_session(f"run {PWD}")) == []
    assert daemon.tetherctl("rules", "remove", rule["rule_id"]).returncode == 0
    assert rule["rule_id"] not in [one["rule_id"] for one in daemon.get("/api/rules")["rules"]]


def test_a_broken_policy_is_told_and_the_last_good_one_holds(daemon: Daemon) -> None:
    write(daemon, POLICY)
    daemon.start()
    session_id = daemon.new_session("run ls")
    daemon.wait_for_approval(session_id)
    write(daemon, BROKEN)
    notices = until(lambda: of_type(daemon.events(session_id), "notice_raised"), "the notice")
    where = f"{policy(daemon)}, line 9: alow is not known: did you mean allow?"
    assert (notices[0]["data"]["code"], notices[0]["data"]["text"]) == ("policy_broken", where)
    assert where in daemon.tetherctl("status").stdout
    daemon.kill()
    daemon.start()
    assert deciders(done(daemon, "run git push")[1]) == ["policy.toml line 5: deny Bash(git push*)"]
    assert where in daemon.get("/api/status")["warnings"][-1]


def test_without_any_good_policy_auto_is_refused(daemon: Daemon) -> None:
    write(daemon, BROKEN)
    daemon.start()
    refused = daemon.tetherctl("new", str(daemon.home), "--mode", "auto", "--agent", "demo")
    assert (refused.returncode, "policy that can be read" in refused.stderr) == (1, True)
    assert daemon.tetherctl("new", str(daemon.home), "--mode", "edits", "--agent", "demo").returncode == 0


HOSTILE = """
tetherctl approve --yes 2>&1
tetherctl rules add allow 'Bash(*)' 2>&1
tetherctl rules list 2>&1
tetherctl token create mine --role owner 2>&1
"""


def test_an_approved_script_cannot_decide_or_make_rules(daemon: Daemon) -> None:
    write(daemon, POLICY)
    daemon.start()
    waiting = daemon.new_session("run ls")
    other = daemon.wait_for_approval(waiting)
    (daemon.home / "work" / "hostile.sh").write_text(HOSTILE)
    session_id = daemon.new_session("run sh hostile.sh")
    approval = daemon.wait_for_approval(session_id)
    daemon.post(f"/api/approvals/{approval['approval_id']}/decision", {"decision": "approve"})
    until(lambda: not daemon.session(session_id)["turn_open"], "the script")
    (finished,) = of_type(daemon.events(session_id), "tool_call_finished")
    assert finished["data"]["output"].count("a process that an agent started needs its session's token here") == 4
    assert daemon.get(f"/api/approvals/{other['approval_id']}")["state"] == "pending"
    assert len(daemon.get("/api/rules")["rules"]) == 2
    assert {token["role"] for token in daemon.get("/api/tokens")["tokens"]} == {"agent"}


def test_what_reaches_for_tetherd_is_asked_whatever_allows_it(daemon: Daemon) -> None:
    write(daemon, "[[rule]]\nallow = ['Bash', 'Edit', 'Bash(*)']\n")
    daemon.start()
    for prompt in (
        "run tetherctl approve",
        f"run cat {daemon.home}/config/te*/config.env",
        "run t''etherctl rules list",
    ):
        assert daemon.wait_for_approval(daemon.new_session(prompt, approval_mode="auto"))["state"] == "pending"
