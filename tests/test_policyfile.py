"""policy.toml: what is read, and which line is to blame."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tetherd.domain.rule import Effect
from tetherd.errors import Misconfigured
from tetherd.policyfile import BadPolicy, load_policy, parse_policy

GOOD = """
# mine
[[rule]]
allow = ["Bash(git status)", "Bash(git log *)"]

[[rule]] # no pushing
deny = "Bash(git push*)"
message = "no"
adapter = "claude_*"
directory = "/w"
path = "inside"
session = "s-1"
asked_by = "agent"
expires = 2026-12-01T00:00:00Z

[[rule]]
allow = "Bash"
exact = "make > log"
asked_by = ["human", "schedule"]
"""


def test_rules_stand_in_their_order_with_their_lines() -> None:
    status, log, push, exact = parse_policy(GOOD)
    assert (status.rule_id, status.effect, status.tool, status.line) == (
        "line-3.1",
        Effect.ALLOW,
        "Bash(git status)",
        3,
    )
    assert (log.rule_id, log.line) == ("line-3.2", 3)
    assert str(push) == (
        "deny Bash(git push*) with claude_* in /w in session s-1 for files inside asked by agent"
        " until 2026-12-01 00:00:00 UTC"
    )
    assert (push.message, push.line) == ("no", 6)
    assert (exact.exact, exact.asked_by) == ("make > log", ("human", "schedule"))
    assert parse_policy("") == ()


def test_a_local_time_is_taken_as_one() -> None:
    (rule,) = parse_policy("[[rule]]\nallow = 'Bash'\nexpires = 2026-12-01T00:00:00")
    assert rule.expires_at == datetime(2026, 12, 1).astimezone(UTC)


BAD = [
    ("[[rule]]\nallow = \n", 2, "Invalid value"),
    ("[[rule]]\nallow = 'x", 2, "Expected"),
    ("[[rule]]\nallow = '''x", None, "."),
    ("[[rule]]\nask='X'\n[[rule]]\nallow = 'Bash('", 3, "is not a tool"),
    ("[[rule]]\nalow = 'Bash'", 1, "alow is not known: did you mean allow?"),
    ("[[rule]]\nzzzzz = 1", 1, "zzzzz is not known"),
    ("[[rule]]\nallow = 'Bash'\ndeny = 'Bash'", 1, "one of allow, ask and deny"),
    ("[[rule]]", 1, "one of allow, ask and deny"),
    ("[[rule]]\nallow = []", 1, "names no tool"),
    ("[[rule]]\nallow = 3", 1, "tool: "),
    ("[[rule]]\nallow = ['Bash', 3]", 1, "tool: "),
    ("[[rule]]\nallow = 'Bash'\npath = 'somewhere'", 1, "path: "),
    ("[[rule]]\nallow = 'Bash'\nexpires = 'soon'", 1, "expires: "),
    ("[[rule]]\nallow = 'Bash'\nmessage = 'no'", 1, "only a deny rule has a message"),
    ("[[rule]]\nallow = 'Edit'\nexact = 'x'", 1, "exact goes with tool Bash"),
    ("\n[rule]\nallow = 'Bash'", 2, "rules begin with"),
    ("rule = [1]", 1, "rules begin with"),
    ("\n\nrules = 1", 3, "rules is not known here"),
    ("[[rule]]\nallow = 'Bash'\n" * 10_001, None, "more than 10000"),
    # a text that looks like a header: no line is better than a wrong one
    ("[[rule]]\ndeny = 'Bash'\nmessage = '''\n[[rule]]\n'''\n[[rule]]\nallow = 'x('", None, "is not a tool"),
]


@pytest.mark.parametrize(("text", "line", "why"), BAD)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int | None, why: str) -> None:
    with pytest.raises(BadPolicy) as caught:
        parse_policy(text, "/c/policy.toml")
    assert why in str(caught.value)
    if line is not None:
        assert caught.value.line == line
        assert str(caught.value).startswith(f"/c/policy.toml, line {line}: ")


def test_no_file_is_no_rules(tmp_path: Path) -> None:
    assert load_policy(tmp_path / "policy.toml") == ""


def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text("[[rule]]\nallow = 'Bash'\n")
    path.chmod(0o666)
    with pytest.raises(Misconfigured, match="chmod go-w"):
        load_policy(path)
    path.chmod(0o600)
    assert parse_policy(load_policy(path))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(b"[[rule]]\n\xff")
    with pytest.raises(Misconfigured, match="line 2: not UTF-8"):
        load_policy(path)
    path.write_bytes(os.urandom(8) * (1024 * 1024))
    with pytest.raises(Misconfigured, match="larger"):
        load_policy(path)
