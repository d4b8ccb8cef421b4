"""From the first word to a thread: initialize, a look at what would be allowed unasked, then the thread.

The thread is a new one, one of an earlier run, or a copy of one.
"""

from __future__ import annotations

import posixpath
from typing import Literal

from pydantic import BaseModel, Field

from tetherd.agents.codex import wire
from tetherd.agents.codex.restraints import Allowances, allowances_in, thread_settings
from tetherd.agents.jsonlines import table, tables, text
from tetherd.domain.events import AgentReady, NoticeRaised
from tetherd.plugin import Fed, JsonObject, LaunchSpec
from tetherd.version import own_version

SYSTEM_RULES = "/etc/codex/rules"
SHOWN_RULES = 3
NO_ROLLOUT = "no rollout found"
"""How Codex says that it does not know a thread; any other failure to resume is not healed by a new thread."""


class HandshakeState(BaseModel):
    """`thread_id` is None until there is a thread."""

    stage: Literal["opening", "looking", "resuming", "beginning", "ready", "refused"] = "opening"
    awaited: list[str] = []
    allowances: Allowances = Field(default_factory=Allowances)
    rules: list[str] = []
    thread_id: str | None = None


class Handshake:
    """Each answer decides what is said next."""

    def __init__(self, spec: LaunchSpec, state: HandshakeState) -> None:
        self._spec = spec
        self._state = state

    @property
    def thread_id(self) -> str | None:
        return self._state.thread_id

    def first_frame(self) -> bytes:
        params: JsonObject = {
            "clientInfo": {"name": "tetherd", "title": "tetherd", "version": own_version()},
            # experimental is what ends the commands of a turn: thread/backgroundTerminals
            "capabilities": {"experimentalApi": True},
        }
        return wire.request("initialize", "initialize", params)

    def answered(self, request_id: str, answer: JsonObject) -> Fed | None:
        """None when it answers nothing that stands open."""
        match self._state.stage, request_id:
            case "opening", "initialize":
                return self._initialized(answer)
            case "looking", awaited if awaited in self._state.awaited:
                return self._looked(awaited, answer)
            case "resuming", "resume":
                return self._resumed(answer)
            case "beginning", "start" | "fork":
                return self._begun(answer)
            case _:
                return None

    def _initialized(self, answer: JsonObject) -> Fed:
        if "error" in answer:
            return self._refused(wire.failure(answer))
        home = text(table(answer, "result"), "codexHome")
        if home is None:
            return self._refused("it does not say where its settings are")
        folders = {"rules": posixpath.join(home, "rules"), "system-rules": SYSTEM_RULES}
        self._state.stage = "looking"
        self._state.awaited = ["config", *folders]
        return Fed(
            frames=[
                wire.notification("initialized"),
                wire.request("config", "config/read", {"includeLayers": False}),
                *(wire.request(name, "fs/readDirectory", {"path": path}) for name, path in folders.items()),
            ]
        )

    def _looked(self, name: str, answer: JsonObject) -> Fed:
        result = table(answer, "result")
        self._state.awaited.remove(name)
        if name == "config":
            if "error" in answer:
                return self._refused(wire.failure(answer))
            self._state.allowances = allowances_in(table(result, "config"))
        else:  # an error here is a folder that does not exist
            names = (text(entry, "fileName") or "" for entry in tables(result, "entries"))
            self._state.rules += [one[: wire.ID_LIMIT] for one in names if one.endswith(".rules")][:SHOWN_RULES]
        return Fed() if self._state.awaited else self._seen()

    def _seen(self) -> Fed:
        if self._state.rules and self._spec.settings.get("rules") != "honour":
            return self._refused(
                "it has rules of its own that let commands pass unasked, and they cannot be switched off: "
                f"{', '.join(self._state.rules)} in the folder rules of CODEX_HOME. "
                "Move them away, or set TETHER_CODEX_RULES=honour to let pass what they allow"
            )
        resumed, copied = self._spec.vendor_session_id, self._spec.fork_of
        if resumed is not None:
            self._state.stage = "resuming"
            params: JsonObject = {"threadId": resumed, "excludeTurns": True, **self._settings()}
            return Fed(frames=[wire.request("resume", "thread/resume", params)])
        if copied is not None:
            self._state.stage = "beginning"
            params = {"threadId": copied, "excludeTurns": True, **self._settings()}
            return Fed(frames=[wire.request("fork", "thread/fork", params)])
        return self._begin()

    def _begin(self, no_resume: str | None = None) -> Fed:
        """A new thread; `no_resume` says why that of the run before is not continued."""
        self._state.stage = "beginning"
        fed = Fed(frames=[wire.request("start", "thread/start", self._settings())])
        if no_resume is not None:
            words = f"Codex does not continue this session, it begins a new one: {no_resume}"
            fed.events.append(NoticeRaised(level="warning", code="resume_failed", text=words))
        return fed

    def _resumed(self, answer: JsonObject) -> Fed:
        if "error" not in answer:
            return self._begun(answer)
        why = wire.failure(answer)
        return self._begin(why) if NO_ROLLOUT in why else self._refused(why)

    def _begun(self, answer: JsonObject) -> Fed:
        if "error" in answer:
            return self._refused(wire.failure(answer))
        thread = table(table(answer, "result"), "thread")
        thread_id = wire.name_in(thread, "id")
        if thread_id is None:
            return self._refused("its thread has no id")
        state = self._state
        state.stage, state.thread_id = "ready", thread_id
        state.allowances, state.rules = Allowances(), []
        version = text(thread, "cliVersion")
        return Fed([AgentReady(vendor_session_id=thread_id, agent_name="Codex", agent_version=version)])

    def _refused(self, why: str) -> Fed:
        """Codex runs and has no thread: a person, or its exit, ends that."""
        self._state.stage, self._state.allowances = "refused", Allowances()
        return Fed([NoticeRaised(level="error", code="agent_refused", text=f"Codex cannot begin: {why}")])

    def _settings(self) -> JsonObject:
        return thread_settings(self._spec, self._state.allowances)
