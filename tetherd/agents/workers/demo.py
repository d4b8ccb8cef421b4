"""A demo agent that speaks the Agent Client Protocol.

Run as `python -m tetherd.agents.workers.demo`; needs neither a key nor the network. Protocol version 1: JSON-RPC 2.0,
one message a line on stdin and stdout. One prompt at a time. What prompts do is told in demo_acts. Standard library
only, so that it starts fast and any client can use it.

TETHER_DEMO_HOME: where the histories are (default: tether-demo below XDG_DATA_HOME). TETHER_DEMO_PACE=0: no
pauses between the pieces of text.

The end of stdin cancels what is going on and ends the process with 0. SIGTERM ends it at once; a command that is
running goes with it.
"""

from __future__ import annotations

import json
import os
import queue
import re
import select
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tetherd.agents.workers.demo_acts import perform
from tetherd.agents.workers.demo_turn import Answer, Session, Turn, TurnCancelled, Wire
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
    text_block,
)

VERSION = "1"
READ_BYTES = 65_536
SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class DemoAgent:
    """Reads in a thread of its own, so that cancels and answers come through; performs turns in the main one."""

    def __init__(self, home: Path, *, has_pauses: bool) -> None:
        self._home = home
        self._has_pauses = has_pauses
        self._wire = Wire(sys.stdout.fileno())
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._turn: Turn | None = None
        self._prompts: queue.SimpleQueue[tuple[Any, Turn] | None] = queue.SimpleQueue()
        self._deafened, self._deafen = os.pipe()
        self._reader = threading.Thread(target=self._read_forever, daemon=True)

    def run(self) -> int:
        """Serve until stdin ends; returns the exit code."""
        self._reader.start()
        while prompt := self._prompts.get():
            request_id, turn = prompt
            answer = self._perform(turn)
            with self._lock:
                self._turn = None
                if turn.cancelled.is_set() and "result" in answer:
                    answer["result"]["stopReason"] = "cancelled"
            self._wire.send({"id": request_id, **answer})
            if turn.is_last:
                break
        return 0

    def _perform(self, turn: Turn) -> JsonObject:
        stop_reason = "end_turn"
        try:
            turn.session.remember({"sessionUpdate": "user_message_chunk", "content": text_block(turn.text)})
            try:
                perform(turn)
            except TurnCancelled:
                turn.abandon()
                stop_reason = "cancelled"
        except OSError as error:
            return error_of(INTERNAL_ERROR, str(error))
        return {"result": {"stopReason": stop_reason, "usage": turn.report_usage()}}

    def _read_forever(self) -> None:
        pieces: list[bytes] = []
        stdin = sys.stdin.fileno()
        while True:
            if self._deafened in select.select([stdin, self._deafened], [], [])[0]:
                return
            piece = os.read(stdin, READ_BYTES)
            if not piece:
                break
            pieces.append(piece)
            if b"\n" in piece:
                *lines, rest = b"".join(pieces).split(b"\n")
                pieces = [rest]
                for line in filter(bytes.strip, lines):
                    self._receive(line)
        with self._lock:
            if self._turn:
                self._turn.cancel(hung_up=True)
        self._prompts.put(None)

    def _stop_reading(self) -> None:
        os.write(self._deafen, b"!")
        self._reader.join()

    def _receive(self, line: bytes) -> None:
        """Answer a request; act on a notification or an answer."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._wire.send({"id": None, **error_of(PARSE_ERROR, f"not JSON: {error}")})
            return
        if not isinstance(message, dict) or ("method" not in message and "id" not in message):
            self._wire.send({"id": None, **error_of(INVALID_REQUEST, "neither a request nor an answer")})
        elif "method" not in message:
            self._deliver(message)
        elif "id" not in message:
            self._note(message)
        else:
            self._answer(message["id"], message)

    def _answer(self, request_id: Any, message: JsonObject) -> None:
        try:
            params = message.get("params")
            params = params if isinstance(params, dict) else {}
            match message["method"]:
                case "initialize":
                    result = _capabilities()
                case "session/new":
                    result = self._new_session(params)
                case "session/load":
                    result = self._load_session(params)
                case "session/prompt":
                    self._prompt(request_id, params)
                    return
                case method:
                    raise RequestFailed(METHOD_NOT_FOUND, f"unknown method {method}")
        except RequestFailed as error:
            self._wire.send({"id": request_id, **error_of(error.code, str(error))})
        except OSError as error:
            self._wire.send({"id": request_id, **error_of(INTERNAL_ERROR, str(error))})
        else:
            self._wire.send({"id": request_id, "result": result})

    def _new_session(self, params: JsonObject) -> JsonObject:
        session_id = f"demo-{os.urandom(8).hex()}"
        self._sessions[session_id] = Session(self._home, session_id, directory_in(params))
        return {"sessionId": session_id}

    def _load_session(self, params: JsonObject) -> JsonObject:
        """Opens a session again; sends its history first."""
        session_id = params.get("sessionId")
        if not isinstance(session_id, str):
            raise RequestFailed(INVALID_PARAMS, "sessionId is missing")
        if not SESSION_ID.fullmatch(session_id) or not (self._home / f"{session_id}.jsonl").is_file():
            raise RequestFailed(NOT_FOUND, "no such session")
        directory = directory_in(params)
        with self._lock:
            if self._turn and self._turn.session.session_id == session_id:
                raise RequestFailed(INVALID_REQUEST, "a prompt is running in this session")
        session = self._sessions.get(session_id) or Session(self._home, session_id, directory)
        session.directory = directory
        self._sessions[session_id] = session
        for update in session.history():
            self._wire.send({"method": "session/update", "params": {"sessionId": session_id, "update": update}})
        return {}

    def _prompt(self, request_id: Any, params: JsonObject) -> None:
        """Hand the prompt to the main thread, which answers the request in the end."""
        session_id, blocks = params.get("sessionId"), params.get("prompt")
        if not isinstance(session_id, str) or not isinstance(blocks, list):
            raise RequestFailed(INVALID_PARAMS, "sessionId or prompt is missing")
        session = self._sessions.get(session_id)
        if session is None:
            raise RequestFailed(NOT_FOUND, "no such session")
        with self._lock:
            if self._turn:
                raise RequestFailed(INVALID_REQUEST, "another prompt is running")
            self._turn = Turn(self._wire, session, _text_of(blocks), self._has_pauses, self._stop_reading)
            self._prompts.put((request_id, self._turn))

    def _note(self, message: JsonObject) -> None:
        """A notification: the only one we know is a cancel. Without a running turn it means nothing."""
        params = message.get("params")
        if message["method"] == "session/cancel" and isinstance(params, dict):
            with self._lock:
                if self._turn and self._turn.session.session_id == params.get("sessionId"):
                    self._turn.cancel()

    def _deliver(self, message: JsonObject) -> None:
        """An answer to a permission request. An error is an answer too: not allowed."""
        result = message.get("result")
        result = result if isinstance(result, dict) else {}
        outcome, meta = result.get("outcome"), result.get("_meta")
        option = outcome.get("optionId") if isinstance(outcome, dict) else None
        reason = meta.get("reason") if isinstance(meta, dict) else None
        answer = Answer(option if isinstance(option, str) else None, reason if isinstance(reason, str) else "")
        with self._lock:
            if self._turn and isinstance(message["id"], int):
                self._turn.deliver(message["id"], answer)


def _capabilities() -> JsonObject:
    prompts = {"image": False, "audio": False, "embeddedContext": False}
    return {
        "protocolVersion": PROTOCOL_VERSION,
        "agentCapabilities": {"loadSession": True, "promptCapabilities": prompts},
        "agentInfo": {"name": "tetherd-demo", "title": "tetherd demo", "version": VERSION},
        "authMethods": [],
    }


def _text_of(blocks: list[Any]) -> str:
    """The prompt's words; of a link its address."""
    words = [block.get("text", block.get("uri")) for block in blocks if isinstance(block, dict)]
    return "\n".join(word for word in words if isinstance(word, str))


def _home(environment: Mapping[str, str]) -> Path:
    if home := environment.get("TETHER_DEMO_HOME"):
        return Path(home)
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "tether-demo"


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # An exception, not an exit: what a turn started is then cleaned up on the way out.
    raise SystemExit(128 + number)


def main() -> int:
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    return DemoAgent(_home(os.environ), has_pauses=os.environ.get("TETHER_DEMO_PACE") != "0").run()


if __name__ == "__main__":
    sys.exit(main())
