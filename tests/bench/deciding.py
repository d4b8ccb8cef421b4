"""How long decide takes over an approval, with a thousand rules."""

from __future__ import annotations

import statistics
import time

from tests.domain.builders import RUN, approval, edit, session_in
from tests.domain.test_rules import NOON
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import Approval
from tetherd.domain.decide import Context, decide
from tetherd.domain.policy import Policy
from tetherd.domain.rule import Effect, Rule
from tetherd.domain.ruling import Rules
from tetherd.domain.session import SessionState

COUNT = 1000
DECISIONS = 300
MIXED = ("Bash(tool{0} sub *)", "Bash(git sub{0} *)", "Edit(src/m{0}/**)", "mcp__server{0}__*")
ONE_PROGRAM = ("Bash(git log --option{0}*)",)


def decisions_alone() -> float:
    """Milliseconds of one without any rule: what reading the command costs."""
    return _milliseconds(Rules(), approval(command="git log -3 --oneline | head"))


def decisions_with_rules() -> float:
    """Milliseconds of one with a thousand rules, of the worst of several sets and calls."""
    calls = (approval(command="git log -3 --oneline | head"), edit("/w/src/m998/x.py"))
    return max(_milliseconds(rules, call) for rules in (_rules(MIXED), _rules(ONE_PROGRAM)) for call in calls)


def _rules(patterns: tuple[str, ...]) -> Rules:
    effects = list(Effect)
    made = [
        Rule(rule_id=f"g{at}", effect=effects[at % 3], tool=patterns[at % len(patterns)].format(at))
        for at in range(COUNT - 1)
    ]
    return Rules([*made, Rule(rule_id="last", effect=Effect.ALLOW, tool="Bash(git log *)")])


def _milliseconds(rules: Rules, call: Approval) -> float:
    session = session_in(SessionState.RUNNING)
    context = Context(run_id=RUN, policy=Policy(rules=rules, now=NOON))
    asks = cmd.AgentSaid((ev.ApprovalRequested(approval=call),))
    took = []
    for _ in range(DECISIONS):
        begun = time.perf_counter()
        decide(session, asks, context)
        took.append(time.perf_counter() - begun)
    return 1000 * statistics.median(took)
