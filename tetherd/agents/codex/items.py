"""One item of a turn, as a tool call: what is shown of its beginning and of its end.

Source: ThreadItem of the app-server's schema, and what Codex 0.169 was seen to send.
"""

from __future__ import annotations

from dataclasses import dataclass

from tetherd.agents.codex.changes import files_of, title_of, tool_of
from tetherd.agents.codex.commandline import unwrapped
from tetherd.agents.jsonlines import integer, table, tables, text
from tetherd.agents.showing import cut
from tetherd.plugin import JsonObject

TITLE_LIMIT = 2000
NAME_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Beginning:
    """`tool` in our vocabulary where it has a word for it, else in Codex's own."""

    tool: str
    title: str
    input: JsonObject


def beginning_of(item: JsonObject) -> Beginning | None:
    """None for an item that is no tool call: people see those in other ways, or not at all."""
    match text(item, "type"):
        case "commandExecution":
            command = unwrapped(text(item, "command") or "")
            return Beginning("Bash", _title(command), {"command": command, "cwd": text(item, "cwd")})
        case "fileChange":
            files = [{"path": file.path, "diff": file.diff} for file in files_of(item)]
            return Beginning(tool_of(item), _title(title_of(item)), {"changes": [dict(file) for file in files]})
        case "mcpToolCall":
            tool = mcp_tool(text(item, "server"), text(item, "tool"))
            return Beginning(tool, tool, table(item, "arguments"))
        case "dynamicToolCall":
            tool = (text(item, "tool") or "tool")[:NAME_LIMIT]
            return Beginning(tool, tool, table(item, "arguments"))
        case "collabAgentToolCall":
            tool = (text(item, "tool") or "agent")[:NAME_LIMIT]
            return Beginning(tool, _title(text(item, "prompt") or tool), {})
        case "webSearch":
            return Beginning("WebSearch", _title(text(item, "query") or "web search"), {"query": text(item, "query")})
        case "imageView":
            return Beginning("Read", _title(text(item, "path") or "image"), {"path": text(item, "path")})
        case _:
            return None


def output_of(item: JsonObject) -> str:
    """What the call brought, or why it brought nothing."""
    if text(item, "status") == "declined":
        return "Rejected."
    match text(item, "type"):
        case "commandExecution":
            return _command_output(item)
        case "fileChange":
            return "\n".join(file.diff for file in files_of(item) if file.diff)
        case "mcpToolCall":
            return text(table(item, "error"), "message") or _content(tables(table(item, "result"), "content"))
        case "dynamicToolCall":
            return _content(tables(item, "contentItems"))
        case _:
            return ""


def succeeded(item: JsonObject) -> bool:
    """Some items have no status: they end well, or they do not end."""
    return text(item, "status") in (None, "completed")


def mcp_tool(server: str | None, tool: str | None) -> str:
    return f"mcp__{server or '?'}__{tool or '?'}"[:NAME_LIMIT]


def _title(words: str) -> str:
    return cut(words, TITLE_LIMIT)


def _command_output(item: JsonObject) -> str:
    output, code = text(item, "aggregatedOutput") or "", integer(item, "exitCode")
    if code in (None, 0):
        return output
    end = "" if output.endswith("\n") or not output else "\n"
    return f"{output}{end}(exit code {code})"


def _content(blocks: list[JsonObject]) -> str:
    """The texts of content blocks; what is no text leaves a mark, so that nobody takes it for nothing."""
    return "\n".join(
        words if (words := text(block, "text")) is not None else f"[{text(block, 'type') or 'content'}]"
        for block in blocks
    )
