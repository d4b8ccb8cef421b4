"""Which rule decides."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tests.domain.builders import SID, approval, edit
from tetherd.domain.approval import Approval, ApprovalKind, FileShown
from tetherd.domain.calls import Call, call_of, command_call
from tetherd.domain.ids import SessionId
from tetherd.domain.rule import Effect, Rule
from tetherd.domain.ruling import Circumstances, Rules, Ruling

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DENY, ASK, ALLOW = Effect.DENY, Effect.ASK, Effect.ALLOW


def rule(effect: Effect, tool: str, **more: Any) -> Rule:
    return Rule(rule_id=f"g-{effect}", effect=effect, tool=tool, **more)


def where(**changes: Any) -> Circumstances:
    fields: dict[str, Any] = {
        "session_id": SID,
        "adapter": "demo",
        "directory": "/w",
        "asked_by": "human",
        "now": NOON,
    }
    return Circumstances(**fields | changes)


def about(what: Approval | str, directory: str | None = "/w", **resolved: str) -> Call:
    if isinstance(what, str):
        return command_call(what, None, directory)
    return call_of(what, directory, resolved)


def ruling(what: Approval | str, *rules: Rule, **changes: Any) -> Ruling:
    circumstances = where(**changes)
    return Rules(rules).rule_on(about(what, circumstances.directory), circumstances)


PRECEDENCE = [
    (rules, max((effect for effect in rules), key=[ALLOW, ASK, DENY].index, default=None))
    for count in range(4)
    for rules in itertools.permutations([DENY, ASK, ALLOW], count)
]


@pytest.mark.parametrize(("effects", "expected"), PRECEDENCE)
@pytest.mark.parametrize("tool", ["Bash", "Bash(make)", "Bash(make *)", "Bash(*)", "*"])
def test_deny_before_ask_before_allow(effects: tuple[Effect, ...], expected: Effect | None, tool: str) -> None:
    assert ruling("make", *(rule(effect, tool) for effect in effects)).effect is expected


@pytest.mark.parametrize(("first", "second"), list(itertools.product([None, DENY, ASK, ALLOW], repeat=2)))
def test_a_list_is_as_good_as_its_worst_command(first: Effect | None, second: Effect | None) -> None:
    rules = [rule(effect, f"Bash({name})") for effect, name in ((first, "a"), (second, "b")) if effect]
    worst = [DENY, ASK, None, ALLOW]
    expected = worst[min(worst.index(first), worst.index(second))]
    for text in ("a; b", "b | a", "a && b", "(a); { b; }"):
        assert ruling(text, *rules).effect is expected


CONDITIONS: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {}, True),
    ({"adapter": "demo"}, {}, True),
    ({"adapter": "claude_*"}, {}, False),
    ({"adapter": "claude_*"}, {"adapter": "claude_subprocess"}, True),
    ({"session_id": SID}, {}, True),
    ({"session_id": SID}, {"session_id": SessionId("s-2")}, False),
    ({"directory": "/w"}, {}, True),
    ({"directory": "/w/"}, {}, True),
    ({"directory": "/w"}, {"directory": "/w/deep"}, True),
    ({"directory": "/w"}, {"directory": "/wide"}, False),
    ({"directory": "/w/deep"}, {}, False),
    ({"directory": "/"}, {}, True),
    ({"directory": "/w"}, {"directory": None}, False),
    ({"asked_by": ("human",)}, {}, True),
    ({"asked_by": ("human",)}, {"asked_by": "agent"}, False),
    ({"asked_by": ("human", "schedule")}, {"asked_by": "schedule"}, True),
    ({"expires_at": NOON + timedelta(seconds=1)}, {}, True),
    ({"expires_at": NOON}, {}, False),
    ({"expires_at": NOON - timedelta(days=1)}, {}, False),
]


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize(("narrowing", "circumstances", "holds"), CONDITIONS)
def test_what_narrows_a_rule(
    effect: Effect, narrowing: dict[str, Any], circumstances: dict[str, Any], holds: bool
) -> None:
    assert ruling("make", rule(effect, "Bash(make)", **narrowing), **circumstances).effect is (
        effect if holds else None
    )


PLACES: list[tuple[str, Effect | None, Effect | None]] = [  # with path inside: allow, deny
    ("cat a", ALLOW, DENY),
    ("cat deep/a", ALLOW, DENY),
    ("cat /w/a", ALLOW, DENY),
    ("cat deep/../a", ALLOW, DENY),
    ("cat /etc/passwd", None, None),
    ("cat ../a", None, None),
    ("cat /w/../a", None, None),
    ("cat $X", None, ASK),
    ("cat --file=/etc/passwd", None, ASK),
    ("cat -f/etc/passwd", None, ASK),
    ("cd deep && cat a", None, ASK),
]


@pytest.mark.parametrize(("text", "allowed", "denied"), PLACES)
def test_inside_the_project(text: str, allowed: Effect | None, denied: Effect | None) -> None:
    assert ruling(text, rule(ALLOW, "Bash(cat *)", path="inside")).effect is allowed
    assert ruling(text, rule(DENY, "Bash(cat *)", path="inside")).effect is denied
    assert ruling(text, rule(ALLOW, "Bash", path="inside")).effect is allowed


def test_outside_the_project() -> None:
    outside = rule(DENY, "Edit", path="outside")
    assert ruling(edit("/etc/passwd"), outside).effect is DENY
    assert ruling(edit("/w/a"), outside).effect is None
    assert ruling("cat /etc/passwd", rule(DENY, "Bash", path="outside")).effect is DENY
    assert ruling("cat a", rule(DENY, "Bash", path="outside")).effect is None
    assert ruling("cat a", rule(ALLOW, "Bash", path="inside"), directory=None).effect is None


def two_files(*paths: str) -> Approval:
    return approval(kind=ApprovalKind.EDIT, command=None, files=tuple(FileShown(path=path, diff="") for path in paths))


def test_each_file_must_be_allowed_and_one_is_enough_to_deny() -> None:
    both = two_files("/w/src/a", "/w/doc/b")
    assert ruling(both, rule(ALLOW, "Edit(src/**)")).effect is None
    assert ruling(both, rule(ALLOW, "Edit(src/**)"), rule(ALLOW, "Edit(doc/*)")).effect is ALLOW
    assert ruling(both, rule(ALLOW, "Edit"), rule(DENY, "Edit(doc/*)")).effect is DENY


def test_a_link_is_what_it_leads_to_and_what_it_is_called() -> None:
    asked = edit("/w/src/a")
    call = call_of(asked, "/w", {"/w/src/a": "/etc/passwd"})
    assert Rules([rule(ALLOW, "Edit(src/**)")]).rule_on(call, where()).effect is None
    assert Rules([rule(DENY, "Edit(/etc/**)")]).rule_on(call, where()).effect is DENY
    assert Rules([rule(DENY, "Edit(src/**)")]).rule_on(call, where()).effect is DENY
    assert Rules([rule(ALLOW, "Edit", path="inside")]).rule_on(call, where()).effect is None


def test_tools_without_an_argument_that_we_know() -> None:
    call = approval(kind=ApprovalKind.TOOL, command=None, tool="mcp__github__push")
    assert ruling(call, rule(ALLOW, "mcp__github__*")).effect is ALLOW
    assert ruling(call, rule(DENY, "mcp__*")).effect is DENY
    assert ruling(call, rule(ALLOW, "Bash(*)")).effect is None
    fetch = approval(kind=ApprovalKind.TOOL, command=None, tool="WebFetch")
    assert ruling(fetch, rule(ALLOW, "WebFetch(https://a/*)")).effect is None
    assert ruling(fetch, rule(DENY, "WebFetch(https://a/*)")).effect is ASK


READS: list[tuple[str, dict[str, Any], str, bool]] = [
    ("Read", {"file_path": "/etc/passwd"}, "Read(/etc/**)", True),
    ("Read", {"file_path": "src/a"}, "Read(src/*)", True),
    ("Read", {"file_path": "/w/src/a"}, "Read(doc/*)", False),
    ("Read", {"file_path": 3}, "Read(**)", True),
    ("Grep", {"pattern": "x"}, "Grep(**)", True),
    ("Grep", {"pattern": "x", "path": "/etc"}, "Grep(**)", False),
    ("Glob", {"pattern": "x", "path": "/w"}, "Glob(/w/**)", True),
    ("WebFetch", {"url": "https://a/b"}, "WebFetch(https://a/*)", True),
    ("WebFetch", {"url": "https://a.evil/b"}, "WebFetch(https://a/*)", False),
    ("WebFetch", {"url": "https:"}, "WebFetch(https://a/*)", False),
    ("WebSearch", {"query": "trio"}, "WebSearch(trio*)", True),
    ("WebSearch", {"query": "trio"}, "*(trio)", True),
    ("WebSearch", {"query": "trio"}, "Web*(trio)", True),
    ("WebSearch", {"query": "trio"}, "WebF*(trio)", False),
    ("WebSearch", {"query": "trio"}, "WebF*", False),
]


@pytest.mark.parametrize("effect", Effect)
@pytest.mark.parametrize(("tool", "given", "pattern", "matches"), READS)
def test_reading_and_fetching(effect: Effect, tool: str, given: dict[str, Any], pattern: str, matches: bool) -> None:
    asked = approval(kind=ApprovalKind.TOOL, command=None, tool=tool, input=given)
    assert ruling(asked, rule(effect, pattern)).effect is (effect if matches else None)


def test_writing_a_file_is_editing_it() -> None:
    assert ruling(edit("/w/src/a", tool="Write"), rule(DENY, "Edit(src/**)")).effect is DENY
    assert ruling(edit("/w/src/a", tool="Write"), rule(DENY, "Edit")).effect is DENY
    assert ruling(edit("/w/src/a", tool="Edit"), rule(DENY, "Write")).effect is None


def test_the_exact_text_is_allowed_also_when_it_is_not_understood() -> None:
    text = "X=1 make $(cat targets) > log"
    exact = rule(ALLOW, "Bash", exact=text)
    assert ruling(text, exact).effect is ALLOW
    assert ruling(text + " ", exact).effect is None
    assert ruling(text, exact, rule(DENY, "Bash(make*)")).effect is DENY
    assert ruling(text, exact, rule(ASK, "Bash")).effect is ASK


def test_what_is_not_understood_is_asked_whatever_allows_it() -> None:
    assert ruling("make > out", rule(ALLOW, "Bash")).effect is ASK
    assert ruling("make '", rule(ALLOW, "*")).effect is ASK
    assert "writes to a file: > out" in ruling("make > out", rule(ALLOW, "Bash")).why


def test_a_denied_program_is_denied_by_any_path_and_allowed_by_its_name_alone() -> None:
    assert ruling("/opt/bin/make x", rule(DENY, "Bash(make *)")).effect is DENY
    assert ruling("/opt/bin/make x", rule(ALLOW, "Bash(make *)")).effect is None


def test_what_may_be_denied_is_asked() -> None:
    found = ruling("git push $WHAT", rule(DENY, "Bash(git push --force*)"), rule(ALLOW, "Bash(git push *)"))
    assert found.effect is ASK
    assert "git push …" in found.why


def test_going_about_inside_the_project_needs_no_rule() -> None:
    allowed = rule(ALLOW, "Bash(make *)")
    assert ruling("cd deep && make", allowed).effect is ALLOW
    assert ruling("cd /w/deep; make", allowed).effect is ALLOW
    for away in ("cd ..", "cd /etc", "cd deep/../..", "cd -", "cd", "cd $X", "cd ~", "cd a b", "cd -P deep"):
        assert ruling(f"{away} && make", allowed).effect in (None, ASK)
    assert ruling("cd deep", allowed).effect is None


def test_rules_are_told_as_they_are_written() -> None:
    made = rule(DENY, "Edit", directory="/w", path="outside", asked_by=("agent",), expires_at=NOON, adapter="pi*")
    assert str(made) == "deny Edit with pi* in /w for files outside asked by agent until 2026-11-25 12:00:00 UTC"
    assert made.origin == "grant g-deny"
    assert rule(ALLOW, "Bash", line=3).origin == "policy.toml line 3"
    assert str(rule(ALLOW, "Bash", exact="a b", session_id="s-1")) == "allow Bash exactly 'a b' in session s-1"
    assert ruling("make", rule(ALLOW, "Bash(make)", line=7)).why == "policy.toml line 7: allow Bash(make)"


@pytest.mark.parametrize(
    "fields",
    [
        {"tool": "Bash(x)", "exact": "x"},
        {"tool": "Edit", "exact": "x"},
        {"tool": "Bash", "directory": "relative"},
        {"tool": "Bash", "message": "no"},
        {"tool": "Bash", "expires_at": datetime(2026, 1, 1)},
        {"tool": "Bash", "surprise": 1},
    ],
)
def test_what_is_no_rule(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Rule(rule_id="g", effect=ALLOW, **fields)


def test_where_nothing_is_known_nothing_is_inside() -> None:
    inside = rule(ALLOW, "Bash", path="inside")
    assert ruling(approval(cwd="/elsewhere", command="cat a"), inside).effect is None
    assert ruling(approval(kind=ApprovalKind.TOOL, command=None, tool="Bash"), inside).effect is None
    assert (
        ruling(approval(kind=ApprovalKind.TOOL, command=None, tool="X"), rule(DENY, "X", path="inside")).effect is ASK
    )
    assert ruling("", inside).effect is None


def test_a_path_pattern_is_not_about_commands_of_other_tools() -> None:
    assert ruling(edit("/w/src/a"), rule(ALLOW, "Bash(src/**)"), rule(DENY, "Read(src/**)")).effect is None


def test_a_program_that_is_denied_by_some_rule_for_its_second_word() -> None:
    rules = [rule(DENY, "Bash(git push*)"), rule(DENY, "Bash(git gc)"), rule(ALLOW, "Bash(git log)")]
    assert ruling("git $X", *rules).effect is ASK
    assert ruling("git", *rules).effect is None
    assert ruling("other $X", *rules).effect is None
