"""From the first word to a session: initialize, then session/new or session/load.

Files and terminals are left to the agents themselves: none of them needs ours, and Gemini CLI cannot create a file
through a client.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from tetherd.agents import jsonlines
from tetherd.agents.acp import wire
from tetherd.agents.showing import cut
from tetherd.domain.events import AgentReady, NoticeRaised
from tetherd.plugin import Fed, JsonObject, LaunchSpec
from tetherd.version import own_version

PROTOCOL_VERSION = 1
INITIALIZE, SESSION_NEW, SESSION_LOAD = 1, 2, 3
FAILURE_LIMIT = 4096


class HandshakeState(BaseModel):
    """`session_id` is the agent's, None until there is a session."""

    stage: Literal["opening", "loading", "beginning", "ready", "refused"] = "opening"
    session_id: str | None = None
    agent_name: str | None = None
    agent_version: str | None = None


class Handshake:
    """Each answer decides what is said next."""

    def __init__(self, spec: LaunchSpec, state: HandshakeState) -> None:
        self._spec = spec
        self._state = state

    @property
    def stage(self) -> str:
        return self._state.stage

    @property
    def session_id(self) -> str | None:
        return self._state.session_id

    def first_frame(self) -> bytes:
        params: JsonObject = {
            "protocolVersion": PROTOCOL_VERSION,
            "clientCapabilities": {"fs": {"readTextFile": False, "writeTextFile": False}, "terminal": False},
            "clientInfo": {"name": "tetherd", "title": "tetherd", "version": own_version()},
        }
        return wire.request(INITIALIZE, "initialize", params)

    def answered(self, answer: JsonObject) -> Fed | None:
        """None when it answers nothing that stands open."""
        match self._state.stage, jsonlines.integer(answer, "id"):
            case "opening", 1:
                return self._initialized(answer)
            case "beginning", 2:
                return self._session_begun(answer)
            case "loading", 3:
                return self._session_loaded(answer)
            case _:
                return None

    def _initialized(self, answer: JsonObject) -> Fed:
        if "error" in answer:
            return self._refused(failure(answer))
        result = jsonlines.table(answer, "result")
        spoken = jsonlines.integer(result, "protocolVersion")
        if spoken not in (None, PROTOCOL_VERSION):
            return self._refused(f"it speaks version {spoken} of the protocol, tetherd speaks {PROTOCOL_VERSION}")
        agent = jsonlines.table(result, "agentInfo")
        self._state.agent_name = jsonlines.text(agent, "title") or jsonlines.text(agent, "name")
        self._state.agent_version = jsonlines.text(agent, "version")
        vendor_session_id = self._spec.vendor_session_id
        if vendor_session_id is None:
            return self._begin()
        if jsonlines.table(result, "agentCapabilities").get("loadSession") is not True:
            return self._begin("it cannot load a session")
        self._state.stage = "loading"
        params: JsonObject = {"sessionId": vendor_session_id, **self._place()}
        return Fed(frames=[wire.request(SESSION_LOAD, "session/load", params)])

    def _begin(self, no_resume: str | None = None) -> Fed:
        """A new session; `no_resume` says why that of the run before is not continued."""
        self._state.stage = "beginning"
        fed = Fed(frames=[wire.request(SESSION_NEW, "session/new", self._place())])
        if no_resume is not None:
            text = f"The agent does not continue this session, it begins a new one: {no_resume}"
            fed.events.append(NoticeRaised(level="warning", code="resume_failed", text=text))
        return fed

    def _session_begun(self, answer: JsonObject) -> Fed:
        if "error" in answer:
            return self._refused(failure(answer))
        session_id = jsonlines.text(jsonlines.table(answer, "result"), "sessionId")
        return self._refused("its session has no id") if session_id is None else self._ready(session_id)

    def _session_loaded(self, answer: JsonObject) -> Fed:
        vendor_session_id = self._spec.vendor_session_id
        if "error" in answer or vendor_session_id is None:
            return self._begin(failure(answer))
        return self._ready(vendor_session_id)

    def _ready(self, session_id: str) -> Fed:
        state = self._state
        state.stage, state.session_id = "ready", session_id
        name, version = state.agent_name, state.agent_version
        return Fed([AgentReady(vendor_session_id=session_id, agent_name=name, agent_version=version)])

    def _refused(self, why: str) -> Fed:
        """The agent runs and has no session: a person, or its exit, ends that."""
        self._state.stage = "refused"
        return Fed([NoticeRaised(level="error", code="agent_refused", text=f"The agent cannot begin: {why}")])

    def _place(self) -> JsonObject:
        return {"cwd": self._spec.directory, "mcpServers": []}


def failure(answer: JsonObject) -> str:
    """The words of an error, with what its data adds to them."""
    error = jsonlines.table(answer, "error")
    words = jsonlines.text(error, "message") or "it gave no reason"
    data = jsonlines.table(error, "data")
    more = jsonlines.text(data, "message") or jsonlines.text(data, "details")
    return cut(f"{words}: {more}" if more and more not in words else words, FAILURE_LIMIT)
