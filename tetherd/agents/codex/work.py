"""Items of a turn: what Codex writes and does, as events."""

from __future__ import annotations

from tetherd.agents.codex import wire
from tetherd.agents.codex.calls import Calls, CallsState
from tetherd.agents.codex.messages import Messages, MessagesState
from tetherd.agents.jsonlines import table, text
from tetherd.agents.showing import cut
from tetherd.domain.events import AgentEvent, NoticeRaised
from tetherd.domain.ids import RunId
from tetherd.plugin import Fed, JsonObject

PLAN_LIMIT = 16 * 1024
COMPACTED = "Codex has summarised the conversation, to make room in the model's context."


class Work:
    """One thread's items. The states are shared with the codec's snapshot."""

    def __init__(self, run_id: RunId, messages: MessagesState, calls: CallsState) -> None:
        self.messages = Messages(run_id, messages)
        self.calls = Calls(calls)

    def take(self, method: str, params: JsonObject, *, is_ours: bool) -> Fed | None:
        """What a notification about an item means; None for one that is read elsewhere, or by nobody.

        is_ours: False for an item of another thread. Of those only file changes are remembered, for the question.
        """
        item = table(params, "item")
        item_id = wire.name_in(item, "id") or wire.name_in(params, "itemId")
        if item_id is None:
            return None
        delta = text(params, "delta") or ""
        match method:
            case "item/started":
                return self._started(item_id, item, is_ours=is_ours)
            case "item/fileChange/patchUpdated":
                self.calls.remember_changes(item_id, params)
                return Fed()
            case "item/completed":
                return self._completed(item_id, item) if is_ours else Fed()
            case "item/agentMessage/delta":
                return self.messages.add("message", item_id, delta) if is_ours else Fed()
            case "item/reasoning/summaryTextDelta" | "item/reasoning/textDelta":
                return self.messages.add("thinking", item_id, delta) if is_ours else Fed()
            case "item/reasoning/summaryPartAdded":
                return self.messages.separate("thinking", item_id) if is_ours else Fed()
            case "item/commandExecution/outputDelta":
                self.calls.note_output(item_id, delta)
                return Fed()
            case _:
                return None

    def end_turn(self, *, interrupted: bool) -> list[AgentEvent]:
        return [*self.messages.close(), *self.calls.end_turn(interrupted=interrupted)]

    def _started(self, item_id: str, item: JsonObject, *, is_ours: bool) -> Fed:
        if text(item, "type") == "fileChange":
            self.calls.remember_changes(item_id, item)
        if not is_ours:
            return Fed()
        begun = self.calls.begin(item_id, item)
        return Fed([*self.messages.close(), *begun] if begun else [])

    def _completed(self, item_id: str, item: JsonObject) -> Fed:
        match text(item, "type"):
            case "agentMessage":
                return self.messages.complete("message", item_id, text(item, "text") or "")
            case "reasoning":
                return self.messages.complete("thinking", item_id, _thought(item))
            case "plan":
                plan = cut(text(item, "text") or "", PLAN_LIMIT)
                return Fed([NoticeRaised(level="info", code="plan", text=plan)] if plan else [])
            case "contextCompaction":
                return Fed([NoticeRaised(level="info", code="compacted", text=COMPACTED)])
            case _:
                return Fed(self.calls.end(item_id, item))


def _thought(item: JsonObject) -> str:
    """The summary in parts, else the thoughts themselves where the provider shows them."""
    for member in ("summary", "content"):
        parts = item.get(member)
        words = [part for part in parts if isinstance(part, str)] if isinstance(parts, list) else []
        if words:
            return "\n\n".join(words)
    return ""
