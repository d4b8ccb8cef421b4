"""What the program tells about itself: tasks, retries, limits, compaction."""

from __future__ import annotations

from tetherd.agents.jsonlines import integer, table, text
from tetherd.agents.showing import cut
from tetherd.domain.events import AgentEvent, NoticeRaised
from tetherd.plugin import JsonObject

TEXT_LIMIT = 2000
BACKGROUND_LIMIT = 64

_NO_NEWS = frozenset(
    {
        "background_tasks_changed",
        "files_persisted",
        "hook_progress",
        "hook_response",
        "hook_started",
        "notification",
        "session_state_changed",
        "status",
        "task_progress",
        "task_updated",
        "thinking_tokens",
    }
)


def told(message: JsonObject, background: list[str]) -> list[AgentEvent] | None:
    """What a person should know of it; None for what we do not know. `background` is kept up to date here."""
    match text(message, "subtype") or text(message, "type"):
        case "task_started":
            task = text(message, "task_id")
            if task and message.get("is_backgrounded") is True:
                background[:] = [*background, task][-BACKGROUND_LIMIT:]
            return []
        case "task_notification":
            return _task_ended(message, background)
        case "api_retry":
            return [_retry(message)]
        case "compact_boundary":
            before = integer(table(message, "compact_metadata"), "pre_tokens")
            of = "" if before is None else f" ({before} tokens before)"
            return [NoticeRaised(level="info", code="compacted", text=f"The conversation was shortened{of}.")]
        case "permission_denied":
            what = text(message, "tool_name") or "a tool"
            return [NoticeRaised(level="warning", code="denied", text=f"Denied without being asked: {what}")]
        case "rate_limit_event":
            return _limit(table(message, "rate_limit_info"))
        case kind:
            return [] if kind in _NO_NEWS else None


def _task_ended(message: JsonObject, background: list[str]) -> list[AgentEvent]:
    task = text(message, "task_id")
    if task not in background:
        return []  # the result of its tool call says it
    background.remove(task)
    words, status = text(message, "summary") or task, text(message, "status") or "at an end"
    said = cut(f"A task in the background is {status}: {words}", TEXT_LIMIT)
    return [NoticeRaised(level="info", code="task_ended", text=said)]


def _retry(message: JsonObject) -> NoticeRaised:
    status, error = integer(message, "error_status"), text(message, "error") or "unknown"
    why = "the connection broke" if status is None else f"HTTP {status} ({error})"
    attempt, most = integer(message, "attempt"), integer(message, "max_retries")
    said = f"The model API failed: {why}. Attempt {attempt or '?'} of {most or '?'} follows."
    return NoticeRaised(level="warning", code="api_retry", text=said)


def _limit(info: JsonObject) -> list[AgentEvent]:
    status = text(info, "status")
    if status in (None, "allowed"):
        return []
    return [NoticeRaised(level="warning", code="rate_limit", text=f"The vendor's limit: {cut(status or '', 200)}")]
