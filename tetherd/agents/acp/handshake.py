"""From the first word to a session: initialize, then session/new or session/load, then the mode in which it asks.

Files and terminals are left to the agents themselves: none of them needs ours, and Gemini CLI cannot create a file
through a client.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from tetherd.agents import jsonlines
from tetherd.agents.acp import wire
from tetherd.agents.acp.terms import Terms
from tetherd.agents.showing import cut
from tetherd.domain.events import AgentReady, NoticeRaised
from tetherd.plugin import Fed, JsonObject, LaunchSpec
from tetherd.version import own_version

PROTOCOL_VERSION = 1
INITIALIZE, SESSION_NEW, SESSION_LOAD, SET_MODE = 1, 2, 3, 4
FAILURE_LIMIT = 4096
MOST_FENCES = 200
"""So that an agent which never falls silent is ready at last."""


class HandshakeState(BaseModel):
    """`session_id` is the agent's, None until there is a session."""

    stage: Literal["opening", "loading", "beginning", "settling", "ready", "refused"] = "opening"
    session_id: str | None = None
    agent_name: str | None = None
    agent_version: str | None = None
    takes_images: bool = False
    is_loaded: bool = False
    """True when the session is that of an earlier run: what comes before it is ready repeats what our log has."""
    heard: bool = False
    fences: int = 0


class Handshake:
    """Each answer decides what is said next."""

    def __init__(self, spec: LaunchSpec, state: HandshakeState, terms: Terms) -> None:
        self._spec = spec
        self._state = state
        self._terms = terms

    @property
    def stage(self) -> str:
        return self._state.stage

    @property
    def is_repeating(self) -> bool:
        """True while updates tell the past of a session that is being loaded."""
        return self._state.stage == "loading" or (self._state.stage == "settling" and self._state.is_loaded)

    @property
    def is_loaded(self) -> bool:
        return self._state.is_loaded

    @property
    def takes_images(self) -> bool:
        return self._state.takes_images

    def note_update(self) -> None:
        """An update of the past was heard."""
        self._state.heard = True

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
            case "settling", 4:
                return self._refused(failure(answer)) if "error" in answer else self._mode_set()
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
        capabilities = jsonlines.table(result, "agentCapabilities")
        self._state.takes_images = jsonlines.table(capabilities, "promptCapabilities").get("image") is True
        vendor_session_id = self._spec.vendor_session_id
        if vendor_session_id is None:
            return self._begin()
        if capabilities.get("loadSession") is not True:
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
        result = jsonlines.table(answer, "result")
        session_id = jsonlines.text(result, "sessionId")
        return self._refused("its session has no id") if session_id is None else self._settle(session_id, result)

    def _session_loaded(self, answer: JsonObject) -> Fed:
        vendor_session_id = self._spec.vendor_session_id
        if "error" in answer or vendor_session_id is None:
            return self._begin(failure(answer))
        self._state.is_loaded = True
        return self._settle(vendor_session_id, jsonlines.table(answer, "result"))

    def _settle(self, session_id: str, result: JsonObject) -> Fed:
        """There is a session; is it in the mode in which the agent asks, and has it said all of its past?"""
        self._state.session_id = session_id
        wanted = self._terms.asking_mode
        mode = jsonlines.text(jsonlines.table(result, "modes"), "currentModeId")
        is_late = self._terms.replays_late and self._state.is_loaded
        if wanted is None or (mode in (None, wanted) and not is_late):
            return self._ready()
        self._state.stage = "settling"
        return self._fence()

    def _fence(self) -> Fed:
        """Ask for the mode. The answer comes behind all that the agent has said already."""
        self._state.heard = False
        self._state.fences += 1
        params: JsonObject = {"sessionId": self._state.session_id, "modeId": self._terms.asking_mode}
        return Fed(frames=[wire.request(SET_MODE, "session/set_mode", params)])

    def _mode_set(self) -> Fed:
        """An agent that repeats its past behind its answer is through with it when it says nothing between two."""
        is_through = not (self._terms.replays_late and self._state.heard) or self._state.fences >= MOST_FENCES
        return self._ready() if is_through else self._fence()

    def _ready(self) -> Fed:
        state = self._state
        state.stage = "ready"
        name, version = state.agent_name, state.agent_version
        return Fed([AgentReady(vendor_session_id=state.session_id, agent_name=name, agent_version=version)])

    def _refused(self, why: str) -> Fed:
        """The agent runs and has no session: a person, or its exit, ends that."""
        self._state.stage = "refused"
        return Fed([NoticeRaised(level="error", code="agent_refused", text=f"The agent cannot begin: {why}")])

    def _place(self) -> JsonObject:
        place: JsonObject = {"cwd": self._spec.directory, "mcpServers": []}
        return {**place, "_meta": self._terms.session_meta} if self._terms.session_meta else place


def failure(answer: JsonObject) -> str:
    """The words of an error, with what its data adds to them."""
    error = jsonlines.table(answer, "error")
    words = jsonlines.text(error, "message") or "it gave no reason"
    data = jsonlines.table(error, "data")
    more = jsonlines.text(data, "message") or jsonlines.text(data, "details")
    return cut(f"{words}: {more}" if more and more not in words else words, FAILURE_LIMIT)
