"""What one message says of a tool call."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from tetherd.agents.jsonlines import table, tables, text
from tetherd.plugin import JsonObject

_PATH_MEMBERS = ("file_path", "filePath", "filepath", "path")


@dataclass(frozen=True, slots=True)
class DiffShown:
    """A change of a file as the agent shows it; `old` None or empty for a new file."""

    path: str
    old: str | None
    new: str


@dataclass(frozen=True, slots=True)
class Told:
    """None where the message says nothing. `content` replaces what was there before; `paths` are all that it names."""

    tool_call_id: str
    title: str | None
    kind: str | None
    status: str | None
    name: str | None
    raw_input: JsonObject
    raw_output: JsonValue
    content: tuple[DiffShown | str, ...] | None
    paths: tuple[str, ...]

    @property
    def diffs(self) -> tuple[DiffShown, ...]:
        return tuple(part for part in self.content or () if isinstance(part, DiffShown))

    @property
    def command(self) -> str | None:
        """The command line, where the call runs one: a text, or words that are quoted where a shell needs it."""
        for member in ("command", "cmd"):
            value = self.raw_input.get(member)
            if isinstance(value, str):
                return value
            if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
                return shlex.join(str(word) for word in value)
        return None

    @property
    def is_bare(self) -> bool:
        """True while the agent itself does not know the input yet (OpenCode then says the directory alone)."""
        return self.status in (None, "pending") and not self.content and not self.raw_input.keys() - {"cwd"}

    @property
    def makes_file(self) -> bool:
        """True when all that it shows is new: a file is written, not edited."""
        return not any(diff.old for diff in self.diffs) if self.diffs else "content" in self.raw_input


def read_told(update: JsonObject) -> Told | None:
    """A ToolCall or ToolCallUpdate of the schema; None when it names no call."""
    tool_call_id = text(update, "toolCallId")
    if tool_call_id is None:
        return None
    raw_input = table(update, "rawInput")
    content = tuple(_content(tables(update, "content"))) if isinstance(update.get("content"), list) else None
    return Told(
        tool_call_id=tool_call_id,
        title=text(update, "title"),
        kind=text(update, "kind"),
        status=text(update, "status"),
        name=text(update, "name") or text(table(table(update, "_meta"), "claudeCode"), "toolName"),
        raw_input=raw_input,
        raw_output=update.get("rawOutput"),
        content=content,
        paths=tuple(dict.fromkeys(_paths(update, raw_input, content or ()))),
    )


def block_text(block: JsonObject) -> str:
    """A content block as text; what is no text leaves a mark, so that nobody takes it for nothing."""
    kind = text(block, "type")
    match kind:
        case None:
            return ""
        case "text":
            return text(block, "text") or ""
        case "resource_link":
            return f"[{text(block, 'name') or 'link'}]({text(block, 'uri') or ''})"
        case "resource":
            resource = table(block, "resource")
            return text(resource, "text") or f"[{text(resource, 'uri') or 'resource'}]"
        case _:
            return f"[{kind}]"


def _content(blocks: list[JsonObject]) -> Iterator[DiffShown | str]:
    for block in blocks:
        path, new = text(block, "path"), text(block, "newText")
        if text(block, "type") == "diff" and path is not None and new is not None:
            yield DiffShown(path, text(block, "oldText"), new)
        elif shown := block_text(table(block, "content")):
            yield shown


def _paths(update: JsonObject, raw_input: JsonObject, content: tuple[DiffShown | str, ...]) -> Iterator[str]:
    """Every file that the message names, wherever it does: what is not listed here is not judged either."""
    yield from (part.path for part in content if isinstance(part, DiffShown))
    yield from (path for location in tables(update, "locations") if (path := text(location, "path")))
    yield from (path for member in _PATH_MEMBERS if (path := text(raw_input, member)))
    for path, change in table(raw_input, "changes").items():  # codex-acp lists them by path
        yield path
        if isinstance(change, dict) and (moved := text(change, "move_path")):
            yield moved
