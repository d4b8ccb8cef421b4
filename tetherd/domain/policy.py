"""What is decided without a person: by rules, then by the session's mode.

Pure: rules, the time and resolved paths come in `Policy`. deny, then ask, then what is always asked, then allow, then
the mode.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tetherd.domain.approval import Approval, ApprovalKind
from tetherd.domain.calls import Call, call_of, is_inside
from tetherd.domain.modes import Mode
from tetherd.domain.own import reaches_for_us
from tetherd.domain.rule import Effect
from tetherd.domain.ruling import Circumstances, Rules, Ruling
from tetherd.domain.session import Session

PROTECTED_PARTS = frozenset({".git", ".claude", ".codex", ".github", ".gitlab", ".circleci"})
PROTECTED_NAMES = frozenset({".mcp.json", ".envrc", ".env", ".gitlab-ci.yml", "Jenkinsfile"})
"""Files that run code before anybody is asked, or hold secrets: an edit of one is never waved through by a mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What there is to judge by. `now` is never earlier than the log; `own` are directories of ours.

    resolved: files without links, where that makes a difference. is_good: False when no policy could ever be read;
    then `auto` is as `ask`.
    """

    rules: Rules = field(default_factory=Rules)
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    own: tuple[str, ...] = ()
    resolved: Mapping[str, str] = field(default_factory=dict)
    is_good: bool = True


NO_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Pass:
    """Approved without a person. `rule` is the reason that stands on the record."""

    rule: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Rejected without a person. `message` is told to the agent."""

    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class AskPerson:
    """A person must decide; `why` is for them."""

    why: str = ""


Judgement = Pass | Refuse | AskPerson


def judge(approval: Approval, session: Session, policy: Policy = NO_POLICY) -> Judgement:
    """Who decides this: a rule, the mode, or a person? Questions and plans are always for people."""
    if approval.kind in (ApprovalKind.QUESTION, ApprovalKind.PLAN):
        return AskPerson("it is a question")
    call = call_of(approval, session.directory, policy.resolved)
    ruling = policy.rules.rule_on(call, circumstances_of(session, policy.now))
    if ruling.effect is Effect.DENY:
        return _refusal(ruling)
    if ruling.effect is Effect.ASK:
        return AskPerson(ruling.why)
    title = None if approval.kind is ApprovalKind.EDIT else approval.title
    if why := reaches_for_us(call, title, policy.own):
        return AskPerson(why)
    if ruling.effect is Effect.ALLOW:
        return Pass(ruling.why)
    return _by_mode(approval, call, session, policy, ruling)


def circumstances_of(session: Session, now: datetime) -> Circumstances:
    return Circumstances(
        session_id=session.session_id,
        adapter=session.adapter,
        directory=session.directory,
        asked_by=session.asked_by,
        now=now,
    )


def _refusal(ruling: Ruling) -> Refuse:
    assert ruling.rule is not None
    message = ruling.rule.message or f"Denied by a rule of the person you work for ({ruling.rule})."
    return Refuse(ruling.why, message)


def _by_mode(approval: Approval, call: Call, session: Session, policy: Policy, ruling: Ruling) -> Pass | AskPerson:
    mode = session.mode
    if mode is Mode.ASK or (mode is Mode.AUTO and not policy.is_good):
        return AskPerson(ruling.why)
    paths = [path for unit in call.units for path in unit.paths] if approval.files else []
    if paths and not all(is_plain_project_file(path, session.directory) for path in paths):
        return AskPerson("a file is outside the project, or runs by itself or holds secrets")
    if approval.kind is ApprovalKind.EDIT:
        return Pass(f"mode {mode}") if paths else AskPerson("which files it changes is not known")
    if mode is not Mode.AUTO:
        return AskPerson(ruling.why)
    if call.is_blind:
        doubt = next(doubt for doubt in call.doubts if doubt.is_blind)
        return AskPerson(f"{doubt.why}: {call.shown(doubt)}")
    return Pass(f"mode {mode}")


def is_plain_project_file(path: str, directory: str | None) -> bool:
    """True for a path inside `directory` that holds neither secrets nor something that runs by itself."""
    if directory is None or not is_inside(path, directory):
        return False
    root = posixpath.normpath(directory)
    parts = posixpath.normpath(posixpath.join(root, path))[len(root) :].strip("/").split("/")
    return not PROTECTED_PARTS.intersection(parts) and parts[-1] not in PROTECTED_NAMES
