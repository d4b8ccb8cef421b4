"""Notifications that are no part of a turn's work: what people should know, and what they need not."""

from __future__ import annotations

from pydantic import BaseModel

from tetherd.agents.jsonlines import table, tables, text
from tetherd.agents.showing import cut
from tetherd.domain.events import AgentEvent, NoticeRaised
from tetherd.plugin import JsonObject

NOTICE_LIMIT = 4096
PLAN_LIMIT = 16 * 1024
REMEMBERED = 16
HEAD = 200

_MARKS = {"completed": "x", "inProgress": ">"}

NO_NEWS = frozenset(
    {
        "account/gatewayOAuth/changed",
        "account/login/completed",
        "account/rateLimits/updated",
        "account/updated",
        "app/list/updated",
        "autoApprovalReview/strictReviewRequired",
        "command/exec/outputDelta",
        "deprecationNotice",
        "externalAgentConfig/import/completed",
        "externalAgentConfig/import/progress",
        "fs/changed",
        "fuzzyFileSearch/sessionCompleted",
        "fuzzyFileSearch/sessionUpdated",
        "hook/completed",
        "hook/started",
        "item/autoApprovalReview/completed",
        "item/autoApprovalReview/started",
        "item/commandExecution/terminalInteraction",
        "item/fileChange/outputDelta",
        "item/mcpToolCall/progress",
        "item/plan/delta",
        "mcpServer/event/stream/notification",
        "mcpServer/oauthLogin/completed",
        "model/safetyBuffering/updated",
        "model/verification",
        "modelProvider/authRecoveryCompleted",
        "modelProvider/authRecoveryStarted",
        "process/exited",
        "process/outputDelta",
        "project/changed",
        "remoteControl/status/changed",
        "skills/changed",
        "thread/archived",
        "thread/attachment/updated",
        "thread/closed",
        "thread/compacted",
        "thread/deleted",
        "thread/environment/connected",
        "thread/environment/disconnected",
        "thread/goal/cleared",
        "thread/goal/updated",
        "thread/name/updated",
        "thread/prediction/updated",
        "thread/project/updated",
        "thread/queue/changed",
        "thread/readState/changed",
        "thread/realtime/closed",
        "thread/realtime/error",
        "thread/realtime/item/completed",
        "thread/realtime/item/started",
        "thread/realtime/item/transcript/delta",
        "thread/realtime/itemAdded",
        "thread/realtime/outputAudio/delta",
        "thread/realtime/sdp",
        "thread/realtime/started",
        "thread/realtime/transcript/delta",
        "thread/realtime/transcript/done",
        "thread/reverted",
        "thread/section/changed",
        "thread/settings/updated",
        "thread/started",
        "thread/status/changed",
        "thread/unarchived",
        "turn/diff/updated",
        "turn/moderationMetadata",
        "windows/worldWritableWarning",
        "windowsSandbox/setupCompleted",
    }
)
"""All others of the schema are read, here or in the codec."""


class NewsState(BaseModel):
    """The heads of the newest warnings: Codex repeats some with every turn."""

    warned: list[str] = []


class News:
    def __init__(self, state: NewsState) -> None:
        self._state = state

    def take(self, method: str, params: JsonObject) -> list[AgentEvent] | None:
        """None for a notification that we do not know."""
        match method:
            case "warning" | "guardianWarning":
                return self._warn("warning", "agent_warning", text(params, "message"))
            case "configWarning":
                words = [text(params, "summary"), text(params, "details")]
                return self._warn("info", "agent_warning", ": ".join(word for word in words if word))
            case "error":
                # the last one is told again as the turn's end, with what it came to
                error = table(params, "error")
                why = f"Codex asks its model again: {text(error, 'additionalDetails') or text(error, 'message')}"
                return self._warn("warning", "agent_retries", why) if params.get("willRetry") is True else []
            case "mcpServer/startupStatus/updated":
                failed = text(params, "status") == "failed"
                why = f"MCP server {text(params, 'name')} did not start: {text(params, 'error')}"
                return self._warn("warning", "mcp_server_failed", why) if failed else []
            case "model/rerouted":
                return self._warn("info", "model_rerouted", f"Codex now uses the model {text(params, 'toModel')}")
            case "turn/plan/updated":
                return [NoticeRaised(level="info", code="plan", text=_plan(params))]
            case _:
                return [] if method in NO_NEWS else None

    def _warn(self, level: str, code: str, words: str | None) -> list[AgentEvent]:
        """A notice, once in a run."""
        head = f"{code} {words}"[:HEAD]
        if not words or head in self._state.warned:
            return []
        self._state.warned = [*self._state.warned, head][-REMEMBERED:]
        notice = {"level": level, "code": code, "text": cut(words, NOTICE_LIMIT)}
        return [NoticeRaised.model_validate(notice)]


def _plan(params: JsonObject) -> str:
    steps = (
        f"[{_MARKS.get(text(step, 'status') or '', ' ')}] {text(step, 'step') or ''}".rstrip()
        for step in tables(params, "plan")
    )
    lines = [line for line in (text(params, "explanation"), *steps) if line]
    return cut("\n".join(lines), PLAN_LIMIT) or "(the plan is empty)"
