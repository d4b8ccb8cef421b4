"""explain and compare."""

from __future__ import annotations

from tests.domain.builders import approval, session_in
from tests.domain.test_rules import NOON, rule
from tetherd.domain.explaining import compare, explain
from tetherd.domain.policy import Policy
from tetherd.domain.rule import Effect
from tetherd.domain.ruling import Rules
from tetherd.domain.session import SessionState

SESSION = session_in(SessionState.RUNNING)


def test_each_command_is_told_with_the_rule_that_speaks_of_it() -> None:
    rules = Rules([rule(Effect.ALLOW, "Bash(make *)"), rule(Effect.DENY, "Bash(git push*)")])
    said = explain(approval(command="make; git push; ls > out"), SESSION, Policy(rules=rules, now=NOON))
    assert (said.outcome, said.why) == ("deny", "grant g-deny: deny Bash(git push*)")
    assert said.rule == rules.all[1]
    assert [(part.text, part.effect) for part in said.parts] == [
        ("make", Effect.ALLOW),
        ("git push", Effect.DENY),
        ("ls", None),
    ]
    assert [(doubt.why, doubt.text, doubt.start) for doubt in said.doubts] == [("it writes to a file", "> out", 19)]


def test_without_a_rule_the_mode_is_told() -> None:
    assert explain(approval(), SESSION, Policy()).outcome == "ask"
    assert explain(approval(), SESSION, Policy()).why == "no rule speaks of it"


def test_only_what_would_end_otherwise_is_told() -> None:
    recorded = [(approval("0"), SESSION, "approve"), (approval("1", command="ls"), SESSION, None)]
    found = compare(recorded, Policy(now=NOON), Rules([rule(Effect.DENY, "Bash(make)")]))
    assert found.tested == 2
    (change,) = found.changes
    assert (change.before, change.after, change.decided) == ("ask", "deny", "approve")
    assert compare(recorded, Policy(now=NOON), Rules([rule(Effect.ALLOW, "Bash")])).changes[1].after == "allow"
