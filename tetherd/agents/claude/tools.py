"""Claude Code's tools: our names for them, and which calls are ours to judge.

Claude Code asks about what its own rules do not settle: read-only commands and whatever the user's settings allow it
would run unasked. So it shows us every call first (PreToolUse), and our answer "ask" turns the call into a request.
"""

from __future__ import annotations

import posixpath
import re

from tetherd.agents.jsonlines import text
from tetherd.plugin import JsonObject

QUESTION, PLAN = "AskUserQuestion", "ExitPlanMode"

_OWN_REQUESTS = frozenset({QUESTION, PLAN})
"""Always asked about, whatever the hook says."""

_HARMLESS = frozenset(
    {
        "Agent",  # a sub-agent: its calls come one by one
        "BashOutput",
        "EnterPlanMode",
        "KillShell",
        "ListAgents",
        "ReportFindings",
        "StructuredOutput",
        "Task",
        "TaskCreate",
        "TaskGet",
        "TaskList",
        "TaskOutput",
        "TaskStop",
        "TaskUpdate",
        "TodoWrite",
        "ToolSearch",
    }
)
"""Touch nothing beyond the conversation."""

_READS = {"Read": "file_path", "Grep": "path", "Glob": "path", "LS": "path"}
"""Tools that read, and the member that says where; without it they read in the working directory."""

_PLAN_FILE = re.compile(r"/\.claude/plans/[^/]+\.md")

_OUR_NAMES = {"MultiEdit": "Edit", "NotebookEdit": "Edit", "NotebookRead": "Read"}


def our_name(tool: str) -> str:
    """The tool in our vocabulary, else in its own word."""
    return _OUR_NAMES.get(tool, tool)


def must_ask(tool: str, given: JsonObject, mode: str | None, directory: str) -> bool:
    """Must this call become a request? What we do not know must.

    False leaves it to Claude Code's own rules, which also see where links lead and ask about what lies outside.
    mode: its permission mode at that moment; in plan mode it writes its plan into a file of its own.
    """
    if tool in _OWN_REQUESTS or tool in _HARMLESS:
        return False
    if tool in _READS:
        return not _is_within(text(given, _READS[tool]), directory) or _roams(tool, given)
    if mode == "plan" and tool in ("Write", "Edit"):
        path = text(given, "file_path") or ""
        return not (_PLAN_FILE.search(path) and posixpath.normpath(path) == path)
    return True


def _is_within(path: str | None, directory: str) -> bool:
    if path is None:
        return True
    root = posixpath.normpath(directory)
    full = posixpath.normpath(posixpath.join(root, path))
    return full == root or full.startswith(root.rstrip("/") + "/")


def _roams(tool: str, given: JsonObject) -> bool:
    """A pattern of paths that leads out of where it starts. (Grep's own pattern is for text.)"""
    pattern = text(given, "pattern" if tool == "Glob" else "glob") or ""
    return ".." in pattern or pattern.startswith(("/", "~"))
