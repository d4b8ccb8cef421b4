"""What is decided without a person."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.builders import approval, edit, session_in
from tests.domain.test_rules import NOON, rule
from tetherd.domain.approval import Approval, ApprovalKind
from tetherd.domain.modes import Mode
from tetherd.domain.policy import AskPerson, Judgement, Pass, Policy, Refuse, is_plain_project_file, judge
from tetherd.domain.rule import Effect, Rule
from tetherd.domain.ruling import Rules
from tetherd.domain.session import SessionState

TABLE: list[tuple[Approval, str]] = [  # which modes let it pass: a(sk), e(dits), u(auto)
    (approval(), "u"),
    (approval(command="make > out"), "u"),
    (approval(command="$MAKE"), ""),  # which program that is, nobody knows
    (approval(command="echo hi | sh"), ""),
    (approval(command="tetherctl approve a-1"), ""),
    (approval(command="t''etherctl approve a-1"), ""),
    (approval(command="cat ~/.config/te*/policy.toml"), ""),
    (approval(command="cat ~/.config/*/policy.toml"), ""),
    (approval(command="cat *.py"), "u"),
    (approval(command="rm -r /data/of/ours"), ""),
    (approval(title="TETHERD"), ""),
    (approval(kind=ApprovalKind.TOOL, command=None), "u"),
    (approval(kind=ApprovalKind.QUESTION), ""),
    (approval(kind=ApprovalKind.PLAN), ""),
    (edit("/w/a.py"), "eu"),
    (edit("a.py"), "eu"),
    (edit("/w/deep/b.py"), "eu"),
    (edit("/w/tetherd/b.py"), "eu"),
    (edit("/etc/passwd"), ""),
    (edit("/w/../x"), ""),
    (edit("/wide/a.py"), ""),
    (edit("/w/link/a.py"), ""),
    (edit("/data/of/ours/x"), ""),
    (edit("/w/.git/hooks/pre-commit"), ""),
    (edit("/w/.claude/settings.json"), ""),
    (edit("/w/.envrc"), ""),
    (edit("/w/.github/workflows/ci.yml"), ""),
    (approval(kind=ApprovalKind.EDIT, command=None), ""),
]
OWN = ("/data/of/ours",)
RESOLVED = {"/w/link/a.py": "/elsewhere/a.py"}


def judged(asked: Approval, mode: Mode, *rules: Rule, directory: str | None = "/w", **more: Any) -> Judgement:
    session = session_in(SessionState.RUNNING, mode=mode, directory=directory)
    return judge(asked, session, Policy(rules=Rules(rules), now=NOON, own=OWN, resolved=RESOLVED, **more))


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("asked", "passes"), TABLE)
def test_modes(asked: Approval, passes: str, mode: Mode) -> None:
    letter = {Mode.ASK: "a", Mode.EDITS: "e", Mode.AUTO: "u"}[mode]
    found = judged(asked, mode)
    assert found == Pass(f"mode {mode}") if letter in passes else isinstance(found, AskPerson)


@pytest.mark.parametrize("mode", Mode)
def test_rules_come_before_the_mode(mode: Mode) -> None:
    deny = rule(Effect.DENY, "Bash(make)", message="use ninja")
    assert judged(approval(), mode, rule(Effect.ALLOW, "Bash(make)")) == Pass("grant g-allow: allow Bash(make)")
    assert judged(approval(), mode, rule(Effect.ASK, "Bash(make)")) == AskPerson("grant g-ask: ask Bash(make)")
    assert judged(approval(), mode, deny) == Refuse("grant g-deny: deny Bash(make)", "use ninja")
    told = judged(approval(), mode, rule(Effect.DENY, "Bash"))
    assert isinstance(told, Refuse) and "deny Bash" in told.message


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("asked", "passes"), [row for row in TABLE if row[1] == "" and row[0].kind is not ApprovalKind.EDIT]
)
def test_what_is_always_asked_is_asked_whatever_allows_it(asked: Approval, passes: str, mode: Mode) -> None:
    found = judged(asked, mode, rule(Effect.ALLOW, "*"), rule(Effect.ALLOW, "Bash(*)"))
    assert isinstance(found, AskPerson)
    assert found.why


def test_a_rule_may_allow_what_no_mode_lets_pass() -> None:
    assert isinstance(judged(edit("/w/.envrc"), Mode.ASK, rule(Effect.ALLOW, "Edit(.envrc)")), Pass)
    assert isinstance(judged(edit("/data/of/ours/x"), Mode.AUTO, rule(Effect.ALLOW, "Edit")), AskPerson)


def test_questions_are_for_people_also_when_a_rule_denies_them() -> None:
    assert isinstance(judged(approval(kind=ApprovalKind.QUESTION), Mode.ASK, rule(Effect.DENY, "*")), AskPerson)


def test_without_any_good_policy_auto_is_ask() -> None:
    assert isinstance(judged(approval(), Mode.AUTO, is_good=False), AskPerson)
    assert isinstance(judged(edit(), Mode.EDITS, is_good=False), Pass)


def test_without_a_directory_no_file_is_inside() -> None:
    assert isinstance(judged(edit(), Mode.AUTO, directory=None), AskPerson)
    assert is_plain_project_file("/a", "/")
    assert not is_plain_project_file("/a", None)


def test_modes_have_an_order() -> None:
    assert [mode.width for mode in Mode] == [0, 1, 2]
