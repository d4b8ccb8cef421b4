"""session/update: what an agent tells while it works, as events."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from tetherd.agents.acp.told import Told, block_text, read_told
from tetherd.agents.acp.toolcalls import CallsState, ToolCalls
from tetherd.agents.gathering import Gathering, GatheringState
from tetherd.agents.jsonlines import integer, table, tables, text
from tetherd.agents.showing import cut
from tetherd.domain.events import AgentEvent, NoticeRaised, ToolCallStarted, UsageReported
from tetherd.domain.ids import RunId
from tetherd.plugin import Fed, JsonObject

PLAN_LIMIT = 16 * 1024

_NO_NEWS = frozenset(
    {
        "user_message_chunk",  # what a person said stands in our log already
        "available_commands_update",
        "current_mode_update",
        "config_option_update",
        "session_info_update",
    }
)
_MARKS = {"completed": "x", "in_progress": ">"}
_COST_DECIMALS = 9


class CostState(BaseModel):
    """Sums over the session, as the agent gives them: the newest, and how much of it we have reported.

    None where a sum is needed first to count from.
    """

    newest: float | None = 0.0
    reported: float = 0.0


class Updates:
    """Reads the updates of one run. The states are shared with the codec's snapshot."""

    def __init__(self, run_id: RunId, gathering: GatheringState, calls: CallsState, cost: CostState) -> None:
        self.gathering = Gathering(run_id, gathering)
        self.calls = ToolCalls(calls)
        self._cost = cost

    def take(self, update: JsonObject) -> Fed | None:
        """What an update means; None for one that means nothing to us."""
        kind = text(update, "sessionUpdate")
        match kind:
            case "agent_message_chunk":
                return self._chunk("message", update)
            case "agent_thought_chunk":
                return self._chunk("thinking", update)
            case "tool_call" | "tool_call_update":
                told = read_told(update)
                return self._tool_call(told, begins=kind == "tool_call") if told else None
            case "usage_update":
                self._note_cost(table(update, "cost"))
                return Fed()
            case "plan":
                return Fed([NoticeRaised(level="info", code="plan", text=_plan(tables(update, "entries")))])
            case _:
                return Fed() if kind in _NO_NEWS else None

    def asked(self, told: Told) -> list[AgentEvent]:
        """A permission request is a word about a call as well, and an end of the text before it."""
        return [*self.gathering.close(), *self.calls.mention(told, "ask")]

    def end_turn(self) -> list[AgentEvent]:
        return [*self.gathering.close(), *self.calls.end_turn()]

    def usage(self, result: JsonObject) -> list[AgentEvent]:
        """What was used since the last report; `result` answers the prompt, and may hold the turn's tokens."""
        tokens = table(result, "usage")
        quota = table(table(table(result, "_meta"), "quota"), "token_count")  # Gemini CLI
        read = integer(tokens, "inputTokens"), integer(quota, "input_tokens")
        written = integer(tokens, "outputTokens"), integer(quota, "output_tokens")
        report = UsageReported(
            input_tokens=next((value for value in read if value is not None), None),
            output_tokens=next((value for value in written if value is not None), None),
            cost_usd=self._new_cost(),
        )
        return [] if report == UsageReported() else [report]

    def forget_cost(self) -> None:
        """The next sum is what to count from."""
        self._cost.newest = None

    def _chunk(self, kind: Literal["message", "thinking"], update: JsonObject) -> Fed:
        events, delta = self.gathering.add(kind, text(update, "messageId"), block_text(table(update, "content")))
        return Fed(events, [delta] if delta else [])

    def _tool_call(self, told: Told, *, begins: bool) -> Fed:
        events = self.calls.mention(told, "begin" if begins else "update")
        if begins or any(isinstance(event, ToolCallStarted) for event in events):
            return Fed([*self.gathering.close(), *events])
        return Fed(events)  # a call that ends while a message runs does not break the message in two

    def _note_cost(self, cost: JsonObject) -> None:
        amount = cost.get("amount")
        if cost.get("currency") != "USD" or isinstance(amount, bool) or not isinstance(amount, int | float):
            return
        if self._cost.newest is None:
            self._cost.reported = float(amount)
        elif amount < self._cost.newest:
            self._cost.reported = 0.0  # the agent counts anew
        self._cost.newest = float(amount)

    def _new_cost(self) -> float | None:
        if self._cost.newest is None or self._cost.newest <= self._cost.reported:
            return None
        fresh = round(self._cost.newest - self._cost.reported, _COST_DECIMALS)
        self._cost.reported = self._cost.newest
        return fresh


def plan_text(told: Told) -> str:
    """The plan that a request to begin with it shows."""
    plan = text(told.raw_input, "plan") or "\n".join(part for part in told.content or () if isinstance(part, str))
    return cut(plan, PLAN_LIMIT)


def _plan(entries: list[JsonObject]) -> str:
    lines = (
        f"[{_MARKS.get(text(entry, 'status') or '', ' ')}] {text(entry, 'content') or ''}".rstrip() for entry in entries
    )
    return cut("\n".join(lines), PLAN_LIMIT) or "(the plan is empty)"
