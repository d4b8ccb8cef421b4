"""What a mode lets pass."""

from __future__ import annotations

import pytest

from tests.domain.builders import approval, edit
from tetherd.domain.approval import Approval, ApprovalKind
from tetherd.domain.modes import Mode
from tetherd.domain.policy import AskPerson, Pass, is_plain_project_file, judge

TABLE: list[tuple[Approval, str]] = [  # which modes let it pass: a(sk), e(dits), u(auto)
    (approval(), "u"),
    (approval(command="tetherctl approve a-1"), ""),
    (approval(title="TETHERD"), ""),
    (approval(kind=ApprovalKind.TOOL, command=None), "u"),
    (approval(kind=ApprovalKind.QUESTION), ""),
    (approval(kind=ApprovalKind.PLAN), ""),
    (edit("/w/a.py"), "eu"),
    (edit("a.py"), "eu"),
    (edit("/w/deep/b.py"), "eu"),
    (edit("/etc/passwd"), ""),
    (edit("/w/../x"), ""),
    (edit("/wide/a.py"), ""),
    (edit("/w/.git/hooks/pre-commit"), ""),
    (edit("/w/.claude/settings.json"), ""),
    (edit("/w/.envrc"), ""),
    (edit("/w/.github/workflows/ci.yml"), ""),
    (approval(kind=ApprovalKind.EDIT, command=None), ""),
]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(("asked", "passes"), TABLE)
def test_modes(asked: Approval, passes: str, mode: Mode) -> None:
    letter = {Mode.ASK: "a", Mode.EDITS: "e", Mode.AUTO: "u"}[mode]
    expected = Pass(f"mode {mode}") if letter in passes else AskPerson()
    assert judge(asked, mode, "/w") == expected


def test_without_a_directory_no_file_is_inside() -> None:
    assert judge(edit(), Mode.AUTO, None) == AskPerson()
    assert is_plain_project_file("/a", "/")


def test_modes_have_an_order() -> None:
    assert [mode.width for mode in Mode] == [0, 1, 2]
