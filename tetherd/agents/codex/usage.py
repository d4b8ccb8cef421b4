"""Tokens: Codex tells sums over the whole thread, we report what is new. It never tells what they cost."""

from __future__ import annotations

from pydantic import BaseModel

from tetherd.agents.jsonlines import integer, table
from tetherd.domain.events import UsageReported
from tetherd.plugin import JsonObject


class Tokens(BaseModel):
    read: int = 0
    written: int = 0


class UsageState(BaseModel):
    """`newest` is the thread's sum as last told, `reported` how much of it stands in the log.

    None: a thread that other runs have used, whose sum is not known yet.
    """

    newest: Tokens | None = None
    reported: Tokens | None = None


class Usage:
    def __init__(self, state: UsageState) -> None:
        self._state = state

    def begin(self) -> None:
        """A new thread: it counts from nothing."""
        self._state.reported = Tokens()

    def told(self, params: JsonObject, *, is_ours: bool) -> None:
        """A thread/tokenUsage/updated. `is_ours` is False for the sum that a resumed thread begins with."""
        usage = table(params, "tokenUsage")
        total, last = _tokens(table(usage, "total")), _tokens(table(usage, "last"))
        if total is None:
            return
        state = self._state
        if state.reported is None:
            before = last if is_ours and last else Tokens()
            state.reported = Tokens(read=total.read - before.read, written=total.written - before.written)
        elif total.read < state.reported.read or total.written < state.reported.written:
            state.reported = Tokens()  # it counts anew
        state.newest = total

    def report(self) -> list[UsageReported]:
        """What is new since the last report; nothing where nothing was told."""
        newest, reported = self._state.newest, self._state.reported
        if newest is None or reported is None or newest == reported:
            return []
        self._state.reported = newest
        return [
            UsageReported(input_tokens=newest.read - reported.read, output_tokens=newest.written - reported.written)
        ]


def _tokens(counted: JsonObject) -> Tokens | None:
    read, written = integer(counted, "inputTokens"), integer(counted, "outputTokens")
    return None if read is None or written is None else Tokens(read=read, written=written)
