"""A worker as an agent of the Agent Client Protocol: JSON-RPC 2.0, one message a line on stdin and stdout.

Protocol version 1. Many sessions, one prompt at a time. The end of stdin and SIGTERM cancel what is going on, end the
command that runs, and then the process.
"""

from __future__ import annotations

import contextlib
import json
import signal
import traceback
from dataclasses import dataclass

import trio

from tetherd.agents.workers.core.agent import Agent
from tetherd.agents.workers.core.conversation import Conversation, NoConversation
from tetherd.agents.workers.core.desk import Answer, Desk
from tetherd.agents.workers.core.failures import ModelFailed
from tetherd.agents.workers.core.outgoing import Outgoing
from tetherd.agents.workers.core.prompts import asked
from tetherd.agents.workers.core.replay import history
from tetherd.agents.workers.core.turn import Turn
from tetherd.agents.workers.messages import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    NOT_FOUND,
    PARSE_ERROR,
    PROTOCOL_VERSION,
    JsonObject,
    RequestFailed,
    directory_in,
    error_of,
)
from tetherd.agents.workers.tools.commands import Commands
from tetherd.agents.workers.tools.place import Directory
from tetherd.framing import Line, LineSplitter
from tetherd.version import own_version

READ_BYTES = 1 << 16
LAST_WORDS_SECONDS = 5.0


@dataclass
class Session:
    conversation: Conversation
    directory: Directory


class Server:
    """One process's. `run` returns its exit code."""

    def __init__(self, agent: Agent, stdin: int, stdout: int) -> None:
        self._agent = agent
        self._stdin = stdin
        self._out = Outgoing(stdout)
        self._commands = Commands(agent.environment)
        self._sessions: dict[str, Session] = {}
        self._running: trio.CancelScope | None = None
        self._asking: Desk | None = None
        self._prompted = ""
        self._idle = trio.Event()
        self._idle.set()
        self._code = 0

    async def run(self) -> int:
        async with trio.open_nursery() as writing:
            writing.start_soon(self._out.run)
            async with trio.open_nursery() as nursery:
                await nursery.start(self._watch_signals, nursery.cancel_scope)
                nursery.start_soon(self._warm_up)
                await self._read_forever(nursery)
                nursery.cancel_scope.cancel()
            self._out.close()
            # what nobody reads is not waited for
            writing.cancel_scope.deadline = trio.current_time() + LAST_WORDS_SECONDS
        for session in self._sessions.values():
            session.conversation.close()
        return self._code

    async def _warm_up(self) -> None:
        """Import what is slow while the person still thinks; a prompt that needs it finds the error again."""
        with contextlib.suppress(ModelFailed):
            await self._agent.provider.load()

    async def _watch_signals(
        self, scope: trio.CancelScope, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for number in signals:
                self._code = 128 + number
                await self._end_turn()
                scope.cancel()

    async def _read_forever(self, nursery: trio.Nursery) -> None:
        splitter = LineSplitter()
        async with trio.lowlevel.FdStream(self._stdin) as stdin:
            while piece := await stdin.receive_some(READ_BYTES):
                for line in splitter.feed(bytes(piece)):
                    if not isinstance(line, Line):
                        await self._out.send({"id": None, **error_of(PARSE_ERROR, f"a line of {line.size} bytes")})
                    elif line.data.strip():
                        await self._receive(line.data, nursery)
        await self._end_turn()

    async def _end_turn(self) -> None:
        if self._running:
            self._running.cancel()
        with trio.move_on_after(LAST_WORDS_SECONDS):
            await self._idle.wait()

    # -- messages ----------------------------------------------------------------------------------------------------

    async def _receive(self, line: bytes, nursery: trio.Nursery) -> None:
        """Answer a request; act on a notification or an answer."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            await self._out.send({"id": None, **error_of(PARSE_ERROR, f"not JSON: {error}")})
            return
        if not isinstance(message, dict) or ("method" not in message and "id" not in message):
            await self._out.send({"id": None, **error_of(INVALID_REQUEST, "neither a request nor an answer")})
        elif "method" not in message:
            if self._asking:
                self._asking.deliver(message["id"], _answer_in(message))
        elif "id" in message:
            await self._answer(message, nursery)
        elif message["method"] == "session/cancel":
            self._cancel(_params(message))

    def _cancel(self, params: JsonObject) -> None:
        if self._running and params.get("sessionId") == self._prompted:
            self._running.cancel()

    async def _answer(self, message: JsonObject, nursery: trio.Nursery) -> None:
        request_id, params = message["id"], _params(message)
        try:
            match message["method"]:
                case "initialize":
                    result = self._capabilities()
                case "session/new":
                    result = self._new_session(params)
                case "session/load":
                    await self._load_session(request_id, params, nursery)
                    return
                case "session/prompt":
                    self._prompt(request_id, params, nursery)
                    return
                case method:
                    raise RequestFailed(METHOD_NOT_FOUND, f"unknown method {str(method)[:100]}")
        except RequestFailed as error:
            await self._out.send({"id": request_id, **error_of(error.code, str(error))})
        except OSError as error:
            await self._out.send({"id": request_id, **error_of(INTERNAL_ERROR, f"{error}")})
        else:
            await self._out.send({"id": request_id, "result": result})

    def _capabilities(self) -> JsonObject:
        prompts = {"image": True, "audio": False, "embeddedContext": True}
        return {
            "protocolVersion": PROTOCOL_VERSION,
            "agentCapabilities": {"loadSession": True, "promptCapabilities": prompts},
            "agentInfo": {"name": self._agent.name, "title": self._agent.title, "version": own_version()},
            "authMethods": [],
        }

    def _new_session(self, params: JsonObject) -> JsonObject:
        directory = Directory(directory_in(params))
        try:
            conversation = self._new_conversation()
        except NoConversation as error:
            raise RequestFailed(NOT_FOUND, f"the conversation to copy: {error}") from None
        self._sessions[conversation.name] = Session(conversation, directory)
        return {"sessionId": conversation.name}

    def _new_conversation(self) -> Conversation:
        agent = self._agent
        return Conversation.copy(agent.home, agent.fork_of) if agent.fork_of else Conversation.begin(agent.home)

    async def _load_session(self, request_id: object, params: JsonObject, nursery: trio.Nursery) -> None:
        """Opens a session again: its history, the answer, and then what it has cost so far."""
        session_id = params.get("sessionId")
        if not isinstance(session_id, str):
            raise RequestFailed(INVALID_PARAMS, "sessionId is missing")
        directory = Directory(directory_in(params))
        if self._running and session_id == self._prompted:
            raise RequestFailed(INVALID_REQUEST, "a prompt is running in this session")
        session = self._sessions.get(session_id)
        if session is None:
            try:
                session = Session(Conversation.load(self._agent.home, session_id), directory)
            except NoConversation as error:
                raise RequestFailed(NOT_FOUND, str(error)) from None
            self._sessions[session_id] = session
        session.directory = directory
        for update in history(session.conversation.messages, self._agent.tools):
            await self._out.send({"method": "session/update", "params": {"sessionId": session_id, "update": update}})
        await self._out.send({"id": request_id, "result": {}})
        if session.conversation.messages:
            nursery.start_soon(self._tell_baseline, Desk(self._out, session_id), session)

    # -- a prompt ----------------------------------------------------------------------------------------------------

    def _prompt(self, request_id: object, params: JsonObject, nursery: trio.Nursery) -> None:
        session = self._sessions.get(str(params.get("sessionId")))
        if session is None:
            raise RequestFailed(NOT_FOUND, "no such session")
        prompt = asked(params.get("prompt"))
        if self._running:
            raise RequestFailed(INVALID_REQUEST, "another prompt is running")
        self._prompted = session.conversation.name
        self._running = scope = trio.CancelScope()
        self._asking = desk = Desk(self._out, self._prompted)
        self._idle = trio.Event()
        turn = Turn(self._agent, desk, session.conversation, session.directory, self._commands, scope.cancel)

        async def perform() -> None:
            answer: JsonObject = {"result": {"stopReason": "cancelled"}}
            try:
                with scope:
                    answer = {"result": {"stopReason": await turn.run(prompt)}}
            except (ModelFailed, OSError) as error:
                answer = error_of(INTERNAL_ERROR, self._agent.discreet(str(error)))
            except Exception as error:  # noqa: BLE001 - the boundary of a request: one bad turn does not end the agent
                traceback.print_exc()
                answer = error_of(
                    INTERNAL_ERROR, self._agent.discreet(f"the agent failed: {type(error).__name__}: {error}")
                )
            # shielded: when the process is told to end, what happened is still written down
            with trio.CancelScope(shield=True), trio.move_on_after(LAST_WORDS_SECONDS):
                await self._conclude(turn, desk, session, answer)
                self._running = self._asking = None
                await self._out.send({"id": request_id, **answer})
            self._idle.set()

        nursery.start_soon(perform)

    async def _conclude(self, turn: Turn, desk: Desk, session: Session, answer: JsonObject) -> None:
        try:
            await turn.abandon()
        except OSError as error:
            answer.setdefault("error", error_of(INTERNAL_ERROR, f"{error}")["error"])
            answer.pop("result", None)
        await self._tell_cost(desk, session)
        usage = turn.usage
        known = {
            "inputTokens": usage.read,
            "outputTokens": usage.written,
            "cachedReadTokens": usage.cache_read,
            "cachedWriteTokens": usage.cache_written,
        }
        if "result" in answer and usage.read is not None and usage.written is not None:
            told = {key: value for key, value in known.items() if value is not None}
            answer["result"]["usage"] = {**told, "totalTokens": usage.read + usage.written}

    async def _tell_baseline(self, desk: Desk, session: Session) -> None:
        """What the costs of this run add to. It comes before those of the first turn, which needs load() as well."""
        await self._warm_up()
        await self._tell_cost(desk, session)

    async def _tell_cost(self, desk: Desk, session: Session) -> None:
        """Only where the size of the model's context is known: the protocol has no update without it."""
        size, cost = self._agent.provider.context_tokens, session.conversation.baseline_usd
        used = session.conversation.context_tokens or 0
        if size is not None:
            fields = {} if cost is None else {"cost": {"amount": cost, "currency": "USD"}}
            await desk.update("usage_update", used=used, size=size, **fields)


def _params(message: JsonObject) -> JsonObject:
    params = message.get("params")
    return params if isinstance(params, dict) else {}


def _answer_in(message: JsonObject) -> Answer:
    """An answer to a permission request. An error is an answer too: not allowed."""
    if "error" in message:
        return Answer("")
    result = message.get("result")
    result = result if isinstance(result, dict) else {}
    outcome, meta = result.get("outcome"), result.get("_meta")
    option = outcome.get("optionId") if isinstance(outcome, dict) else None
    reason = meta.get("reason") if isinstance(meta, dict) else None
    return Answer(option if isinstance(option, str) else None, reason if isinstance(reason, str) else "")
