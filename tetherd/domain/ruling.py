"""What the rules say of a call.

deny before ask before allow. A call passes only if every command of it, or every file, is allowed by some rule and
nothing in it is in doubt; one that is denied denies it whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tetherd.domain.calls import Call, Unit, place_of
from tetherd.domain.ids import Asker, SessionId
from tetherd.domain.patterns import Glob, Match, match_command, match_path
from tetherd.domain.rule import Effect, Rule
from tetherd.domain.shelves import Ready, Shelves


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Where and when something is asked. `now` is never earlier than what the log knows."""

    session_id: SessionId
    adapter: str
    directory: str | None
    asked_by: Asker
    now: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one command or file: the rule that speaks loudest, if any."""

    unit: Unit
    rule: Rule | None
    match: Match


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules say of a call: `effect` None when they say nothing. `why` is for people."""

    effect: Effect | None
    why: str
    rule: Rule | None = None
    findings: tuple[Finding, ...] = ()


_STRENGTH: Mapping[Effect, int] = {Effect.DENY: 2, Effect.ASK: 1, Effect.ALLOW: 0}


class Rules:
    """Rules made ready to be asked many times. Immutable."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        """Raises BadPattern."""
        self.all = tuple(rules)
        self._shelves = Shelves(self.all)

    def rule_on(self, call: Call, where: Circumstances) -> Ruling:
        """What these rules say of the call."""
        whole = self._loudest(self._shelves.about_whole(call), call, call.whole, where)
        findings = [
            self._loudest(self._shelves.about(call, unit, where.directory), call, unit, where) for unit in call.units
        ]
        found = [*whole[:1], *(finding for some in findings for finding in some[:1])]
        if denied := next((one for one in found if _says(one, Effect.DENY) and one.match is Match.YES), None):
            return _by(denied, findings)
        if asked := next((one for one in found if _says(one, Effect.DENY, Effect.ASK)), None):
            return _by(asked, findings)
        if exact := next((one for one in whole if one.rule and one.rule.exact is not None), None):
            return _by(exact, findings)
        return self._allowed(call, whole, findings)

    def _allowed(self, call: Call, whole: Sequence[Finding], findings: Sequence[Sequence[Finding]]) -> Ruling:
        """Nothing speaks against it: is all of it allowed?"""
        shown = tuple(
            some[0] if some else Finding(unit, None, Match.NO) for unit, some in zip(call.units, findings, strict=True)
        )
        allowed = [one for one in shown if one.rule] or list(whole)
        if not allowed:
            return Ruling(None, "no rule speaks of it", findings=shown)
        if call.doubts:
            return Ruling(Effect.ASK, f"{call.doubts[0].why}: {call.shown(call.doubts[0])}", findings=shown)
        if not whole and (missing := next((one for one in shown if one.rule is None and not one.unit.is_free), None)):
            return Ruling(None, f"no rule allows {missing.unit.shown}", findings=shown)
        rule = next(one.rule for one in [*shown, *whole] if one.rule)
        return Ruling(Effect.ALLOW, f"{rule.origin}: {rule}", rule, shown)

    def _loudest(self, some: Iterable[Ready], call: Call, unit: Unit, where: Circumstances) -> list[Finding]:
        """What matches, strongest first; an allow rule counts only when it surely matches."""
        found: list[Finding] = []
        for ready in some:
            match = _matches(ready, call, unit, where)
            if match is Match.YES or (match is Match.MAYBE and ready.rule.effect is not Effect.ALLOW):
                found.append(Finding(unit, ready.rule, match))
        found.sort(key=lambda one: (one.rule is not None and _STRENGTH[one.rule.effect], one.match), reverse=True)
        return found


def _matches(ready: Ready, call: Call, unit: Unit, where: Circumstances) -> Match:
    rule = ready.rule
    match = Match.YES
    if ready.tool.argument is not None:
        match = _argument_matches(ready.tool.argument, rule.effect, unit, where)
    if match is Match.NO or not _holds(ready, where):
        return Match.NO
    if rule.path is not None:
        inside = place_of(call, unit, where.directory)
        wanted = Match(2 - inside) if rule.path == "outside" else inside
        match = min(match, wanted)
    return match


def _argument_matches(argument: Glob, effect: Effect, unit: Unit, where: Circumstances) -> Match:
    """An allow rule must fit every name of the thing; for the others one is enough."""
    if unit.spoken:
        exact, by_name = unit.spoken
        match = match_command(argument, exact)
        return match if effect is Effect.ALLOW or by_name is None else max(match, match_command(argument, by_name))
    if unit.paths:
        fits = [match_path(argument.text, path, where.directory) for path in unit.paths]
        return Match.YES if (all(fits) if effect is Effect.ALLOW else any(fits)) else Match.NO
    if unit.text is not None:
        return Match.YES if argument.covers(unit.text) else Match.NO
    return Match.NO if effect is Effect.ALLOW else Match.MAYBE


def _holds(ready: Ready, where: Circumstances) -> bool:
    rule = ready.rule
    if rule.expires_at is not None and rule.expires_at <= where.now:
        return False
    if ready.adapter is not None and not ready.adapter.covers(where.adapter):
        return False
    if rule.session_id is not None and rule.session_id != where.session_id:
        return False
    if rule.asked_by is not None and where.asked_by not in rule.asked_by:
        return False
    if rule.directory is None:
        return True
    return where.directory is not None and f"{where.directory}/".startswith(f"{rule.directory.rstrip('/')}/")


def _says(finding: Finding, *effects: Effect) -> bool:
    return finding.rule is not None and finding.rule.effect in effects


def _by(finding: Finding, findings: Sequence[Sequence[Finding]]) -> Ruling:
    rule = finding.rule
    assert rule is not None
    shown = tuple(some[0] for some in findings if some)
    if finding.match is Match.YES:
        return Ruling(rule.effect, f"{rule.origin}: {rule}", rule, shown)
    return Ruling(Effect.ASK, f"{finding.unit.shown} may be what {rule.origin} speaks of: {rule}", rule, shown)
