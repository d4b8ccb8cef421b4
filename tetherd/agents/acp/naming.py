"""Our names for an agent's tools."""

from __future__ import annotations

_BY_KIND = {"execute": "Bash", "read": "Read", "fetch": "WebFetch"}
_NAME_LIMIT = 100


def tool_name(kind: str | None, name: str | None, title: str, *, makes_file: bool) -> str:
    """The tool in our vocabulary, else in the agent's own word.

    `kind` comes before `name`: rules are written against our names, and an agent sorts its tools by kind.
    """
    for word in (name, title.split(" ", 1)[0]):
        if word and word.startswith("mcp__"):
            return word[:_NAME_LIMIT]
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    if kind == "edit":
        return "Write" if makes_file or name == "Write" else "Edit"
    if name:
        return name[:_NAME_LIMIT]
    if title and len(title) <= _NAME_LIMIT and not any(character.isspace() or character == "/" for character in title):
        return title
    return (kind or "other")[:_NAME_LIMIT]
