"""Draws a session's events as a transcript that people read.

What tetherd says stands at the margin; what an agent or a person says is indented, so that neither can pass for the
other. Text that is being written appears at once; the log's own text then only adds what was not seen yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tetherd.cli.output import Part, Styled, Terminal
from tetherd.cli.words import actor_words, ending_words, resolution_words, show_approval

Json = dict[str, Any]

_INDENT = "  "
_OUTPUT_LINES = 12
_STATE_AFTER = {
    "session_started": "starting",
    "session_resumed": "starting",
    "agent_ready": "idle",
    "turn_started": "running",
    "turn_completed": "idle",
    "interrupt_requested": "interrupting",
    "stop_requested": "stopping",
    "run_ended": "ended",
}


class Transcript:
    """Of one session, or of `several`: then a heading names the session, and text comes as the log has it."""

    def __init__(self, terminal: Terminal, *, several: bool = False) -> None:
        self.waiting: dict[str, Json] = {}
        """Approvals that were shown and are not answered yet, oldest first, by their id."""
        self._terminal = terminal
        self._several = several
        self._state = "following"
        self._session: str | None = None
        self._messages: dict[str, _Message] = {}
        self._open: str | None = None
        self._draw: dict[str, Callable[[Json], None]] = {
            "input_accepted": self._input,
            "message_written": self._message,
            "thinking_written": self._message,
            "tool_call_started": self._tool_started,
            "tool_call_finished": self._tool_finished,
            "approval_requested": self._requested,
            "approval_resolved": self._resolved,
            "approval_withdrawn": self._withdrawn,
            "rule_granted": self._granted,
            "turn_completed": self._turn_completed,
            "notice_raised": self._notice,
            "run_ended": self._run_ended,
        }

    def delta(self, delta: Json) -> None:
        """Text that is on its way."""
        if not self._several:
            self._continue(delta["message_id"], delta.get("kind", "message"), delta["offset"], delta["text"])

    def envelope(self, envelope: Json) -> None:
        """An event from the log."""
        kind, data = envelope["type"], envelope["data"]
        if self._several and envelope["session_id"] != self._session and kind in self._draw:
            self._session = envelope["session_id"]
            self._say(Styled("bold", f"== {self._session}"))
        if draw := self._draw.get(kind):
            draw({**data, "type": kind, "at": envelope["at"]})
        self._state = _STATE_AFTER.get(kind, self._state)

    @property
    def status(self) -> tuple[str, str]:
        """The status line and its style."""
        if self.waiting:
            newest = next(reversed(self.waiting))
            more = f" and {len(self.waiting) - 1} more" if len(self.waiting) > 1 else ""
            return f"[needs you] {newest}{more}", "you"
        return ("[following all sessions]" if self._several else f"[{self._state}]"), "dim"

    # -- text, in parts --------------------------------------------------------------------------------------------

    def _message(self, part: Json) -> None:
        kind = "thinking" if part["type"] == "thinking_written" else "message"
        if part.get("parent_tool_call_id"):  # a sub-agent's, which comes whole, between the pieces of others
            self._say(Styled("dim", "** a sub-agent says:"))
            self._terminal.block(part["text"], _style(kind), _INDENT * 2)
            return
        if part.get("blobs"):  # the log keeps head and tail of a very long text, so offsets within it mean nothing
            self._close()
            self._messages.pop(part["message_id"], None)
            self._terminal.block(part["text"], _style(kind), _INDENT)
            self._terminal.line(Styled("dim", f"{_INDENT}(cut here: the whole text is {_blob_size(part)} bytes)"))
            return
        if self._several:
            self._terminal.block(part["text"], _style(kind), _INDENT)
            return
        self._continue(part["message_id"], kind, part["offset"], part["text"], logged=True)
        if part["final"]:
            self._messages.pop(part["message_id"], None)
            self._close()

    def _continue(self, message_id: str, kind: str, offset: int, text: str, logged: bool = False) -> None:
        message = self._messages.get(message_id)
        if message is None or (logged and offset > message.end):
            message = self._messages[message_id] = _Message(offset)
        if offset > message.end:
            return  # a gap: the log has what is missing, and will bring it
        fresh, corrected = message.take(offset, text)
        if corrected:
            self._say(Styled("dim", "-- corrected:"))
        if not fresh:
            return
        if self._open != message_id:
            self._close()
            self._open = message_id
        self._terminal.stream(fresh, _style(kind), _INDENT)

    def _close(self) -> None:
        self._open = None
        self._terminal.end_line()

    # -- everything else -------------------------------------------------------------------------------------------

    def _say(self, *parts: Part) -> None:
        self._close()
        self._terminal.line(*parts)

    def _input(self, event: Json) -> None:
        self._say(Styled("bold", f"> {actor_words(event['by'])}:"))
        self._terminal.block(event["text"], "bold", _INDENT)
        for image in event.get("images", ()):
            self._terminal.line(Styled("dim", f"{_INDENT}({image['media_type']}, {image['size']} bytes)"))

    def _tool_started(self, event: Json) -> None:
        mark = "**" if event.get("parent_tool_call_id") else "*"  # a sub-agent's
        about = "" if event["title"] == event["tool"] else f": {event['title']}"
        self._say(f"{mark} {event['tool']}{about}")

    def _tool_finished(self, event: Json) -> None:
        if not event["ok"]:
            self._say(Styled("bad", "* failed"))
        lines = event["output"].removesuffix("\n").split("\n")
        self._close()
        if event["output"]:
            self._terminal.block("\n".join(lines[:_OUTPUT_LINES]), "dim", _INDENT * 2)
        if len(lines) > _OUTPUT_LINES:
            self._terminal.line(Styled("dim", f"{_INDENT * 2}({len(lines) - _OUTPUT_LINES} more lines)"))

    def _requested(self, event: Json) -> None:
        approval = event["approval"]
        approval = {"command": None, "cwd": None, "files": [], "options": [], "input": {}, **approval}
        self.waiting[approval["approval_id"]] = approval
        self._close()
        show_approval(self._terminal, approval)

    def _resolved(self, event: Json) -> None:
        self.waiting.pop(event["approval_id"], None)
        said = resolution_words(event["answer"], event["by"], event["at"])
        self._say(f"-- {event['approval_id']} {said}")

    def _withdrawn(self, event: Json) -> None:
        self.waiting.pop(event["approval_id"], None)
        self._say(f"-- {event['approval_id']} withdrawn by the agent")

    def _granted(self, event: Json) -> None:
        rule = event["rule"]
        what = f"exactly {rule['exact']!r}" if rule["exact"] is not None else rule["tool"]
        self._say(f"-- rule {rule['rule_id']}: {rule['effect']} {what}")

    def _turn_completed(self, event: Json) -> None:
        detail = f": {event['detail']}" if event.get("detail") else ""
        self._say(Styled("dim", f"-- turn {event['outcome']}{detail}"))

    def _notice(self, event: Json) -> None:
        self._say(Styled("dim" if event["level"] == "info" else "bad", f"-- {event['level']}: {event['text']}"))

    def _run_ended(self, event: Json) -> None:
        self._say(Styled("bold", f"-- {ending_words(event)}"))


class _Message:
    """What was shown of one message. Offsets are in UTF-16 code units."""

    def __init__(self, start: int) -> None:
        self._start = start
        self._shown = b""

    @property
    def end(self) -> int:
        return self._start + len(self._shown) // 2

    def take(self, offset: int, text: str) -> tuple[str, bool]:
        """What of `text`, which stands at `offset`, was not shown yet; and whether it contradicts what was."""
        part = text.encode("utf-16-le", "surrogatepass")
        if offset < self._start:
            part = part[2 * (self._start - offset) :]
            offset = self._start
        place = 2 * (offset - self._start)
        known = self._shown[place:]
        if known.startswith(part):
            return "", False
        corrected = not part.startswith(known)
        fresh = part if corrected else part[len(known) :]
        self._shown = self._shown[:place] + part
        return fresh.decode("utf-16-le", "replace"), corrected


def _style(kind: str) -> str:
    return "dim" if kind == "thinking" else ""


def _blob_size(part: Json) -> int:
    return int(part["blobs"]["text"]["size"])
