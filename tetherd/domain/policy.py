"""What a session's mode answers by itself.

Pure: paths are compared as text; whoever makes an approval resolves links first.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from tetherd.domain.approval import Approval, ApprovalKind
from tetherd.domain.modes import Mode

PROTECTED_PARTS = frozenset({".git", ".claude", ".codex", ".github", ".gitlab", ".circleci"})
PROTECTED_NAMES = frozenset({".mcp.json", ".envrc", ".env", ".gitlab-ci.yml", "Jenkinsfile"})
"""Files that run code before anybody is asked, or hold secrets: an edit of one is never waved through."""

OUR_WORDS = ("tether", "tetherctl", "tetherd")
"""A command that names us may reach for its own approval: always a person's to decide."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Approved without a person. `rule` is the reason that stands on the record."""

    rule: str


@dataclass(frozen=True, slots=True)
class AskPerson:
    """A person must decide."""


def judge(approval: Approval, mode: Mode, directory: str | None) -> Pass | AskPerson:
    """Does `mode` let this pass? Questions and plans are for people in every mode."""
    if mode is Mode.ASK or approval.kind in (ApprovalKind.QUESTION, ApprovalKind.PLAN):
        return AskPerson()
    if approval.files and not all(is_plain_project_file(file.path, directory) for file in approval.files):
        return AskPerson()
    if approval.kind is ApprovalKind.EDIT:
        return Pass(f"mode {mode}") if approval.files else AskPerson()
    if mode is Mode.AUTO and not _names_us(approval):
        return Pass(f"mode {mode}")
    return AskPerson()


def is_plain_project_file(path: str, directory: str | None) -> bool:
    """True for a path inside `directory` that holds neither secrets nor something that runs by itself."""
    if directory is None:
        return False
    root = posixpath.normpath(directory)
    full = posixpath.normpath(posixpath.join(root, path))
    if root != "/" and not full.startswith(root + "/"):
        return False
    parts = full[len(root) :].strip("/").split("/")
    return not PROTECTED_PARTS.intersection(parts) and parts[-1] not in PROTECTED_NAMES


def _names_us(approval: Approval) -> bool:
    text = f"{approval.command or ''} {approval.title}".casefold()
    return any(word in text for word in OUR_WORDS)
