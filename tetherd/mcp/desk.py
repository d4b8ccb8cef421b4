"""What a program that joins by MCP does to its sessions, over the daemon's API.

A session is made with whatever rights this process has; everything after that is done with the session's own token,
which can push and ask, and decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import trio

from tetherd.client.client import ApiError, Client
from tetherd.errors import Unavailable

POLL_SECONDS = 20
"""One question to the daemon lasts so long; between two of them the client hears that we still wait."""
RETRY_SECONDS = 2.0

Json = dict[str, Any]
T = TypeVar("T")
Waits = Callable[[str], Any]
"""Async; called now and then with a few words while something is waited for."""


class UnknownSession(Exception):
    """This process has not made the session, so it has no token for it."""


@dataclass
class Held:
    """A session of ours. `after` is the seq up to which what people sent has been handed on."""

    client: Client
    after: int = 0
    polling: trio.Lock = field(default_factory=trio.Lock)


class Desk:
    """The sessions that this process has made."""

    def __init__(self, owner: Client, with_token: Callable[[str], Client]) -> None:
        """`owner` makes sessions; `with_token` makes a client that shows a session's token."""
        self._owner = owner
        self._with_token = with_token
        self._held: dict[str, Held] = {}

    async def create(self, name: str, agent_type: str) -> Json:
        made = await _call(self._owner, "POST", "/api/sessions", {"name": name, "agent_type": agent_type})
        session_id = str(made["session_id"])
        self._held[session_id] = Held(self._with_token(str(made["token"])))
        return {"session_id": session_id, "name": made["name"]}

    async def push(self, session_id: str, kind: str, data: Json) -> Json:
        """One event, in the words of external agents; the same key however often it must be sent."""
        key = f"mcp-{os.urandom(12).hex()}"
        path = f"/api/sessions/{session_id}/events"
        return await _patiently(lambda: _call(self._of(session_id).client, "POST", path, _event(kind, data), key=key))

    async def status(self, session_id: str) -> Json:
        session = await _call(self._of(session_id).client, "GET", f"/api/sessions/{session_id}")
        waiting = [approval["title"] for approval in session["open_approvals"]]
        return {"session_id": session_id, "name": session["name"], "state": session["state"], "waiting_for": waiting}

    async def decision(self, session_id: str, request_id: str, still_waiting: Waits) -> Json:
        """Wait for a person, for as long as it takes. Also ends when people interrupt, or the session is over."""
        held, after = self._of(session_id), 0
        types = "permission_resolved,interrupt"
        while True:
            answer = await _poll(held, session_id, after, types, POLL_SECONDS)
            for event in answer["events"]:
                if event["type"] == "permission_resolved" and event["data"]["request_id"] == request_id:
                    return _decided(event["data"])
            if answer["state"] == "ended":
                return {"decision": "closed", "by": "the end of the session"}
            after = answer["next_seq"]
            await still_waiting("a person has not answered yet")

    async def input(self, session_id: str, seconds: int, still_waiting: Waits) -> Json:
        """What people sent since the last time; waits up to `seconds` for something."""
        held = self._of(session_id)
        deadline = trio.current_time() + seconds
        async with held.polling:  # two at once would both hand on the same
            while True:
                left = max(0, min(POLL_SECONDS, int(deadline - trio.current_time())))
                answer = await _poll(held, session_id, held.after, "user_input,interrupt", left)
                held.after = answer["next_seq"]
                texts = [event["data"]["text"] for event in answer["events"] if event["type"] == "user_input"]
                interrupted = any(event["type"] == "interrupt" for event in answer["events"])
                if texts or interrupted or answer["state"] == "ended" or trio.current_time() >= deadline:
                    return {"inputs": texts, "interrupted": interrupted, "session_ended": answer["state"] == "ended"}
                await still_waiting("nobody has written yet")

    def _of(self, session_id: str) -> Held:
        held = self._held.get(session_id)
        if held is None:
            raise UnknownSession(f"no session {session_id} was made here: call create_session first")
        return held


def _event(kind: str, data: Json) -> Json:
    return {"type": kind, "data": data}


def _decided(data: Json) -> Json:
    if data["closed"]:
        return {"decision": "closed", "by": data["by"]}
    said = {"decision": "approve" if data["allow"] else "reject", "by": data["by"], "reason": data["message"]}
    more = {"choice": data["choice"], "text": data["text"], "updated_input": data["updated_input"]}
    return said | {name: value for name, value in more.items() if value}


async def _poll(held: Held, session_id: str, after: int, types: str, seconds: int) -> Json:
    path = f"/api/sessions/{session_id}/events/poll?since_seq={after}&types={types}&wait_s={seconds}"
    return await _patiently(lambda: _call(held.client, "GET", path))


async def _patiently(ask: Callable[[], Any]) -> Json:
    """Until the daemon answers: it may be restarting, and then it goes on where it was."""
    while True:
        try:
            answer: Json = await ask()
            return answer
        except Unavailable:
            await trio.sleep(RETRY_SECONDS)
        except ApiError as error:
            if not error.is_passing:
                raise
            await trio.sleep(RETRY_SECONDS)


async def _call(client: Client, method: str, path: str, body: Json | None = None, *, key: str | None = None) -> Json:
    def ask() -> Json:
        return client.request(method, path, body, key=key)

    return await trio.to_thread.run_sync(ask, abandon_on_cancel=True)
