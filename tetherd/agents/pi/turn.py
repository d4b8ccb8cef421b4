"""When a turn of Pi is over, how it ended and what it used.

Pi says `agent_end` when a run of its loop ends, but it may go on by itself: it tries again after an error, or makes
room in the context first. Only newer versions say when all is settled (`agent_settled`, since 0.87). So each possible
end is followed by a question for Pi's state: whatever continues has announced itself before the answer.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson
from pydantic import BaseModel

from tetherd.agents.jsonlines import integer, table, text
from tetherd.agents.showing import cut
from tetherd.domain.events import AgentEvent, NoticeRaised, TurnCompleted, TurnStarted, UsageReported
from tetherd.plugin import Fed, JsonObject

DETAIL_LIMIT = 4096
_COST_DECIMALS = 9


class TurnState(BaseModel):
    """`runs` between agent_start and agent_end; `continues` while Pi has said that it goes on by itself.

    `probe` is the number of our newest question, `is_probing` says that its answer counts. The sums are those since
    the last report; None where Pi gave no number.
    """

    is_open: bool = False
    runs: bool = False
    continues: bool = False
    is_interrupted: bool = False
    probe: int = 0
    is_probing: bool = False
    stop_reason: str | None = None
    error: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None


class Turns:
    """One run's turns. `close` gives an end to all that a turn leaves open."""

    def __init__(self, state: TurnState, close: Callable[[], list[AgentEvent]]) -> None:
        self._state = state
        self._close = close

    @property
    def is_open(self) -> bool:
        return self._state.is_open

    def begin(self) -> None:
        state = self._state
        state.is_open = True
        state.runs = state.continues = state.is_interrupted = state.is_probing = False
        state.stop_reason = state.error = None

    def interrupt(self) -> None:
        self._state.is_interrupted = True

    def prompt_answered(self, why: str | None) -> Fed:
        """Pi has taken a prompt, or not (`why`). One that it takes may begin nothing: an extension's command."""
        if why is None:
            return self._probe()
        if self._state.runs:
            return notice("warning", "prompt_refused", f"Pi does not take this while it works: {why}")
        return self._end(TurnCompleted(outcome="failed", detail=why))

    def abort_answered(self) -> Fed:
        self._state.continues = False  # what Pi was about to try again is dropped too
        return self._probe()

    def probe_answered(self, number: int, data: JsonObject) -> Fed:
        state = self._state
        is_busy = data.get("isStreaming") is True or data.get("isCompacting") is True
        if not (state.is_probing and number == state.probe) or is_busy or state.runs or state.continues:
            return Fed()
        return self.settled()

    def run_started(self) -> Fed:
        is_new = not self._state.is_open
        if is_new:
            self.begin()
        self._state.runs, self._state.continues = True, False
        return Fed([TurnStarted(cause="agent")] if is_new else [])

    def run_ended(self) -> Fed:
        self._state.runs = False
        return self._probe()

    def settled(self) -> Fed:
        return self._end(_outcome(self._state)) if self._state.is_open else Fed()

    def retry_begins(self, message: JsonObject) -> Fed:
        self._state.continues = True
        number, most = integer(message, "attempt"), integer(message, "maxAttempts")
        why = text(message, "errorMessage") or "no reason given"
        return notice("info", "agent_retries", f"Pi tries again ({number} of {most}): {why}")

    def retry_ended(self, message: JsonObject) -> Fed:
        if message.get("success") is True:
            return Fed()
        self._state.continues = False
        return self._probe()

    def compaction_ended(self, message: JsonObject) -> Fed:
        self._state.continues = message.get("willRetry") is True
        fed = self._probe()
        if why := text(message, "errorMessage"):
            fed.events += notice("warning", "compaction_failed", why).events
        return fed

    def note_message(self, message: JsonObject) -> None:
        """A message of the model has ended: its reason to stop, and what it used."""
        state, usage = self._state, table(message, "usage")
        state.stop_reason, state.error = text(message, "stopReason"), text(message, "errorMessage")
        read = [integer(usage, name) or 0 for name in ("input", "cacheRead", "cacheWrite")]
        written = integer(usage, "output") or 0
        if not any(read) and not written:
            return  # Pi fills in zeros where the model's API said nothing
        state.input_tokens = (state.input_tokens or 0) + sum(read)
        state.output_tokens = (state.output_tokens or 0) + written
        total = table(usage, "cost").get("total")
        if isinstance(total, int | float) and not isinstance(total, bool) and total > 0:
            # zero stands for a model without a price in Pi's list, not for one that is free
            state.cost_usd = round((state.cost_usd or 0.0) + total, _COST_DECIMALS)

    def take_usage(self) -> list[AgentEvent]:
        """What was used since the last report."""
        state = self._state
        report = UsageReported(
            input_tokens=state.input_tokens, output_tokens=state.output_tokens, cost_usd=state.cost_usd
        )
        state.input_tokens = state.output_tokens = state.cost_usd = None
        return [] if report == UsageReported() else [report]

    def _probe(self) -> Fed:
        """Ask for Pi's state, unless no turn is open."""
        state = self._state
        if not state.is_open:
            return Fed()
        state.probe += 1
        state.is_probing = True
        return Fed(frames=[frame({"id": f"probe-{state.probe}", "type": "get_state"})])

    def _end(self, completed: TurnCompleted) -> Fed:
        self._state.is_open = self._state.is_probing = False
        return Fed([*self._close(), *self.take_usage(), completed])


def _outcome(state: TurnState) -> TurnCompleted:
    """How the turn ended, by the model's last message; an interrupted tool ends it with an error of Pi's own."""
    match state.stop_reason:
        case "aborted":
            return TurnCompleted(outcome="interrupted")
        case "error" if state.is_interrupted:
            return TurnCompleted(outcome="interrupted")
        case "error":
            return TurnCompleted(outcome="failed", detail=cut(state.error or "it gave no reason", DETAIL_LIMIT))
        case "length":
            return TurnCompleted(outcome="completed", detail="the answer was cut off at its longest")
        case _:
            return TurnCompleted(outcome="completed")


def notice(level: str, code: str, words: str) -> Fed:
    """A notice alone; a level that we do not know is information."""
    known = NoticeRaised(level="info", code=code, text=cut(words, DETAIL_LIMIT))
    match level:
        case "warning" | "error":
            return Fed([known.model_copy(update={"level": level})])
        case _:
            return Fed([known])


def frame(message: JsonObject) -> bytes:
    """One line, its newline included."""
    return orjson.dumps(message, option=orjson.OPT_APPEND_NEWLINE)
