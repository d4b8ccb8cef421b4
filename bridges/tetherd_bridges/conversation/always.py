""" "Always approve": for which calls, and how long. Two steps of buttons in the place of a request's own.

What a person may choose is as wide as their session and no wider; whether a rule would really let pass what was
asked, the daemon says.
"""

from __future__ import annotations

import posixpath
import re

from tetherd.bridge import approval as ap
from tetherd_bridges.conversation.messages import Face, Press
from tetherd_bridges.richtext import redacted, shortened

LABEL_CHARACTERS = 40
LASTS = ((10, "10 min"), (30, "30 min"), (120, "2 h"), (0, "This session"))
"""Minutes (0: as long as the session is) and what the button says."""

_WORD = re.compile(r"[A-Za-z0-9_./-]+")


def may_be_always(approval: ap.Approval) -> bool:
    """Questions and plans are for people each time."""
    return approval.kind not in (ap.ApprovalKind.QUESTION, ap.ApprovalKind.PLAN)


def widths(approval: ap.Approval) -> list[tuple[str, str]]:
    """For which calls: labels and patterns, narrow to wide. An empty pattern is exactly what was asked."""
    found = [("Exactly this", "")]
    tool = approval.tool or ("Edit" if approval.kind is ap.ApprovalKind.EDIT else "Bash")
    if approval.command is not None:
        words = approval.command.split()
        if len(words) > 1 and _WORD.fullmatch(words[0]):
            found.append((f"{words[0]} …", f"Bash({words[0]} *)"))
        tool = "Bash"
    elif approval.files:
        tool = "Edit"
        folder = posixpath.dirname(approval.files[0].path)
        if folder and "*" not in folder and all(file.path.startswith(f"{folder}/") for file in approval.files):
            found.append((f"Edits in {posixpath.basename(folder) or folder}/", f"Edit({folder}/**)"))
    if re.fullmatch(r"[A-Za-z_][\w./:-]*", tool):
        found.append((f"All of {tool}", tool))
    return [(shortened(redacted(label), LABEL_CHARACTERS), pattern) for label, pattern in found]


def ask_width(approval: ap.Approval, about: Press) -> tuple[tuple[Face, ...], ...]:
    """First step: for which calls."""
    faces = [
        Face(label, about.model_copy(update={"do": "always_for", "choice": pattern}))
        for label, pattern in widths(approval)
    ]
    back = Face("Back", about.model_copy(update={"do": "back"}))
    return (*((face,) for face in faces), (back,))


def ask_time(about: Press) -> tuple[tuple[Face, ...], ...]:
    """Second step: how long. `about.choice` is the pattern that was chosen."""
    faces = [
        Face(label, about.model_copy(update={"do": "always_until", "minutes": minutes}), "good")
        for minutes, label in LASTS
    ]
    back = Face("Back", about.model_copy(update={"do": "back", "choice": ""}))
    return (tuple(faces[:3]), (faces[3], back))
