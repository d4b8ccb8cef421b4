"""The changes of a file-change item, as people see them.

Codex gives the bare text of a file that is added or deleted, and hunks without a head for one that is updated.
"""

from __future__ import annotations

from collections.abc import Iterator

from tetherd.agents.diffs import unified_diff
from tetherd.agents.jsonlines import table, tables, text
from tetherd.agents.showing import cut
from tetherd.domain.approval import FileShown
from tetherd.plugin import JsonObject

SHOWN_LIMIT = 1024 * 1024
"""Characters of all diffs of one item together; what is left out is said."""
FILES_LIMIT = 1000


def files_of(item: JsonObject) -> list[FileShown]:
    """Every file that the item touches, by its absolute path; a file that moves stands there under both names."""
    shown: list[FileShown] = []
    room = SHOWN_LIMIT
    for path, diff in _diffs(tables(item, "changes")):
        shown.append(FileShown(path=path, diff=cut(diff, room)))
        room = max(0, room - len(diff))
    return shown


def title_of(item: JsonObject) -> str:
    """What the item does, in a few words: `Edit a.py`, `3 files: a.py, b.py, c.py`."""
    changes = tables(item, "changes")
    paths = [text(change, "path") or "?" for change in changes]
    if len(changes) != 1:
        return f"{len(changes)} files: {', '.join(paths)}"
    kind = table(changes[0], "kind")
    moved = text(kind, "move_path")
    verb = {"add": "Write", "delete": "Delete"}.get(text(kind, "type") or "", "Move" if moved else "Edit")
    return f"{verb} {paths[0]}{f' to {moved}' if moved else ''}"


def tool_of(item: JsonObject) -> str:
    """The tool in our vocabulary: Write when all that it does is to make new files."""
    kinds = {text(table(change, "kind"), "type") for change in tables(item, "changes")}
    return "Write" if kinds == {"add"} else "Edit"


def _diffs(changes: list[JsonObject]) -> Iterator[tuple[str, str]]:
    for change in changes[:FILES_LIMIT]:
        path, body = text(change, "path"), text(change, "diff") or ""
        if path is None:
            continue
        kind = table(change, "kind")
        match text(kind, "type"):
            case "add":
                yield path, unified_diff(path, None, body)
            case "delete":
                yield path, unified_diff(path, body, "")
            case _:
                moved = text(kind, "move_path")
                hunks = body.removesuffix(f"\n\nMoved to: {moved}")
                end = "" if hunks.endswith("\n") or not hunks else "\n"
                yield path, f"--- {path}\n+++ {moved or path}\n{hunks}{end}"
                if moved:
                    yield moved, ""
    left_out = len(changes) - FILES_LIMIT
    if left_out > 0:
        # a path that no rule lets pass, so that a person sees this
        yield "/", f"({left_out} more files are changed that are not shown here)"
