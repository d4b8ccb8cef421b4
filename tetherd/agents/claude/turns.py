"""Turns: which one a result ends, and what it used.

Turns begin with a prompt of ours, or by themselves when a background task ends. A prompt that arrives in such a turn
is queued by the program, and may be taken into that turn or get one of its own.
"""

from __future__ import annotations

from pydantic import BaseModel

from tetherd.agents.jsonlines import integer, table, text
from tetherd.agents.showing import cut
from tetherd.domain.events import AgentEvent, TurnCompleted, TurnStarted, UsageReported
from tetherd.plugin import JsonObject

DETAIL_LIMIT = 2000
_COST_DECIMALS = 9
_ABORTED = ("aborted_streaming", "aborted_tools")
_TOKENS_READ = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")

NOT_LOGGED_IN = "Not logged in"
LOG_IN = "Claude Code is not logged in: run `claude` and log in, or give tetherd an ANTHROPIC_API_KEY for it."


class TurnsState(BaseModel):
    """`prompt` is the one without a result. `cost` is the newest sum, None until we know what to count from."""

    prompt: str | None = None
    is_taken: bool = False
    """The program has begun with the prompt."""
    tells_taking: bool = False
    """This version says when it begins with a prompt."""
    is_open: bool = False
    cost: float | None = 0.0


class Turns:
    """One run's turns. The state is shared with the codec's snapshot."""

    def __init__(self, state: TurnsState) -> None:
        self._state = state

    def prompted(self, prompt_id: str) -> None:
        self._state.prompt = prompt_id
        self._state.is_taken = False

    def begun(self) -> list[AgentEvent]:
        """system/init: a turn begins. That of a prompt has begun already when the prompt was sent."""
        self._state.is_open = True
        return [TurnStarted(cause="agent")]

    def lifecycle(self, message: JsonObject) -> list[AgentEvent]:
        """command_lifecycle: what became of a prompt."""
        self._state.tells_taking = True
        if text(message, "command_uuid") != self._state.prompt:
            return []
        match text(message, "state"):
            case "started":
                self._state.is_taken = True
            case "cancelled" if not self._state.is_taken:
                self._state.prompt = None
                if not self._state.is_open:  # else the result of the turn that runs is still to come
                    return [TurnCompleted(outcome="interrupted")]
            case _:
                pass
        return []

    def ended(self, result: JsonObject) -> list[AgentEvent]:
        """A result: the end of a turn, and of the prompt's if that was in it."""
        state = self._state
        state.is_open = False
        usage = self._usage(result)
        if state.prompt is not None and state.tells_taking and not state.is_taken:
            return usage  # a turn that had begun by itself; the prompt is still to be taken up
        state.prompt = None
        return [*usage, _completed(result)]

    def count_from(self, cost: float | None) -> None:
        """What the conversation had cost before this run."""
        self._state.cost = cost

    def _usage(self, result: JsonObject) -> list[AgentEvent]:
        usage = table(result, "usage")
        read = [value for value in (integer(usage, member) for member in _TOKENS_READ) if value is not None]
        written = integer(usage, "output_tokens")
        report = UsageReported(
            input_tokens=sum(read) if read else None,
            output_tokens=written,
            cost_usd=self._new_cost(result.get("total_cost_usd")),
        )
        return [] if not any((report.input_tokens, report.output_tokens, report.cost_usd)) else [report]

    def _new_cost(self, total: object) -> float | None:
        """The sum grows over the process; None when it is not known what of it is new."""
        if isinstance(total, bool) or not isinstance(total, int | float):
            return None
        before, self._state.cost = self._state.cost, float(total)
        return None if before is None or total < before else round(total - before, _COST_DECIMALS)


def failure_of(result: JsonObject) -> str:
    """What went wrong, in the program's words, and what to do where we know it."""
    errors = result.get("errors")
    said = [error for error in errors if isinstance(error, str)] if isinstance(errors, list) else []
    words = text(result, "result") or "; ".join(said) or text(result, "subtype") or "it gave no reason"
    return LOG_IN if words.startswith(NOT_LOGGED_IN) else cut(words, DETAIL_LIMIT)


def _completed(result: JsonObject) -> TurnCompleted:
    if text(result, "terminal_reason") in _ABORTED:
        return TurnCompleted(outcome="interrupted")
    if result.get("is_error") is True or text(result, "subtype") != "success":
        return TurnCompleted(outcome="failed", detail=failure_of(result))
    return TurnCompleted(outcome="completed")
