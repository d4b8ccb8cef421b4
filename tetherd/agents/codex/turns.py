"""Turns of the thread: which one runs, how it is interrupted, how it ended.

The answer to turn/start may come before or after turn/started, and a turn may begin without a prompt of ours.
"""

from __future__ import annotations

import orjson
from pydantic import BaseModel

from tetherd.agents.codex import wire
from tetherd.agents.jsonlines import table, tables, text
from tetherd.agents.showing import cut
from tetherd.domain.events import AgentEvent, TurnCompleted, TurnStarted
from tetherd.plugin import Fed, JsonObject

DETAIL_LIMIT = 4096
LOG_IN = "run `codex login` in a terminal, or give TETHER_AGENT_ENV the key that its model provider wants"


class TurnsState(BaseModel):
    """`awaited` are ours of turn/start without an answer, `turn_id` is the turn that runs, as far as we know.

    is_open: what people believe. interrupting: an interrupt waits for the turn's id. doomed: commands that an
    interrupted turn has left running.
    """

    awaited: list[str] = []
    turn_id: str | None = None
    ended_id: str | None = None
    is_open: bool = False
    interrupting: bool = False
    doomed: list[str] = []
    sweeps: int = 0


class Turns:
    def __init__(self, state: TurnsState) -> None:
        self._state = state

    @property
    def turn_id(self) -> str | None:
        return self._state.turn_id

    def prompted(self, request_id: str) -> None:
        self._state.awaited.append(request_id)
        self._state.is_open = True

    def interrupt(self, thread_id: str, request_id: str) -> bytes:
        """The frame for it; empty where the turn has no id yet: it follows as soon as it has one."""
        turn_id = self._state.turn_id
        self._state.interrupting = turn_id is None
        return b"" if turn_id is None else _interrupt(thread_id, turn_id, request_id)

    def began(self, thread_id: str, turn_id: str) -> Fed:
        """turn/started, or the answer to turn/start: whichever comes first."""
        state = self._state
        if turn_id in (state.turn_id, state.ended_id):
            return Fed()
        state.turn_id = turn_id
        fed = Fed()
        if not state.is_open:
            state.is_open = True
            fed.events.append(TurnStarted(cause="agent"))
        if state.interrupting:
            state.interrupting = False
            fed.frames.append(_interrupt(thread_id, turn_id, f"interrupt-{turn_id}"))
        return fed

    def answered(self, thread_id: str, request_id: str, answer: JsonObject) -> Fed | None:
        """The answer to turn/start; None for one that answers none."""
        if request_id not in self._state.awaited:
            return None
        self._state.awaited.remove(request_id)
        turn_id = wire.name_in(table(table(answer, "result"), "turn"), "id")
        if "error" not in answer and turn_id is not None:
            return self.began(thread_id, turn_id)
        return Fed(self.ended(None, "failed", wire.failure(answer)))

    def ended(self, turn_id: str | None, outcome: str, detail: str | None) -> list[AgentEvent]:
        state = self._state
        was_open, state.is_open, state.interrupting = state.is_open, False, False
        state.turn_id, state.ended_id = None, turn_id or state.ended_id
        completed = TurnCompleted.model_validate({"outcome": outcome, "detail": detail})
        return [completed] if was_open else []

    # -- commands that outlive an interrupt --------------------------------------------------------------------------

    def sweep(self, thread_id: str, commands: list[str]) -> list[bytes]:
        """Ask which commands still run, behind a turn that was interrupted with `commands` open."""
        if not commands:
            return []
        self._state.doomed = commands
        self._state.sweeps += 1
        return [wire.request(self._sweep_id, "thread/backgroundTerminals/list", {"threadId": thread_id})]

    def swept(self, thread_id: str, request_id: str, answer: JsonObject) -> list[bytes] | None:
        """End those of the turn: what an earlier turn left running on purpose is not touched."""
        if request_id != self._sweep_id or not self._state.doomed:
            return None
        doomed, self._state.doomed = self._state.doomed, []
        return [
            wire.request(
                f"end-{process_id}",
                "thread/backgroundTerminals/terminate",
                {"threadId": thread_id, "processId": process_id},
            )
            for running in tables(table(answer, "result"), "data")
            if text(running, "itemId") in doomed and (process_id := wire.name_in(running, "processId")) is not None
        ]

    @property
    def _sweep_id(self) -> str:
        return f"sweep-{self._state.sweeps}"


def detail_of(error: JsonObject) -> str | None:
    """The words of a TurnError; a provider's answer in JSON is opened, and a missing login explained."""
    message = text(error, "message")
    if message is None:
        return None
    try:
        told = orjson.loads(message)
        inner = text(table(told, "error"), "message") if isinstance(told, dict) else None
    except orjson.JSONDecodeError:
        inner = None
    words = [inner or message, text(error, "additionalDetails")]
    info = error.get("codexErrorInfo")
    status = table(info, "httpConnectionFailed").get("httpStatusCode") if isinstance(info, dict) else None
    if info == "unauthorized" or status == 401:
        words.append(LOG_IN)
    return cut(": ".join(word for word in words if word), DETAIL_LIMIT)


def _interrupt(thread_id: str, turn_id: str, request_id: str) -> bytes:
    return wire.request(request_id, "turn/interrupt", {"threadId": thread_id, "turnId": turn_id})
