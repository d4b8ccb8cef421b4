"""Structured log lines on stderr or in systemd's journal, with secrets taken out.

    log = get_logger(__name__)
    log.info("bridge restarted", bridge="telegram", failures=3, wait_seconds=4.0)

One line for each thing that happened, whatever it holds: what is not printable is written as an escape. In text a
traceback follows, indented.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

from tetherd import journald

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

_QUIET = ("hypercorn", "quart", "httpx", "httpcore")
"""Libraries whose daily business (a line for each request) is not ours to report."""

_SECRETS = re.compile(r"(?i:\bbearer\s+)[^\s\"',;]+|\btether_[A-Za-z0-9_-]{24,}")
_REDACTED = "[redacted]"
_PRIORITIES = {"DEBUG": "7", "INFO": "6", "WARNING": "4", "ERROR": "3", "CRITICAL": "2"}
"""syslog(3)'s."""
_PLAIN = re.compile(r"[^\s\"'=\\]+")
"""What needs no quotes."""
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "fields"}

ExcInfo = BaseException | tuple[type[BaseException], BaseException, TracebackType | None] | bool | None


class Log:
    """A logger whose keywords are fields. `exc_info` is the one keyword that is not: it adds the traceback."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, message: str, *, exc_info: ExcInfo = None, **fields: object) -> None:
        self._write(logging.DEBUG, message, exc_info, fields)

    def info(self, message: str, *, exc_info: ExcInfo = None, **fields: object) -> None:
        self._write(logging.INFO, message, exc_info, fields)

    def warning(self, message: str, *, exc_info: ExcInfo = None, **fields: object) -> None:
        self._write(logging.WARNING, message, exc_info, fields)

    def error(self, message: str, *, exc_info: ExcInfo = None, **fields: object) -> None:
        self._write(logging.ERROR, message, exc_info, fields)

    def _write(self, level: int, message: str, exc_info: ExcInfo, fields: dict[str, object]) -> None:
        # no arguments: a per cent sign in the message is just that
        self._logger.log(level, message, exc_info=exc_info, extra={"fields": fields})


def get_logger(name: str) -> Log:
    return Log(logging.getLogger(name))


def configure_logging(
    level: str = "info", form: str = "text", secrets: Collection[str] = (), stream: TextIO | None = None
) -> None:
    """Send everything that is logged in this process to `stream` (stderr), once, as one line each.

    Where the journal reads that stream, it gets the fields instead: TETHER_SESSION=, TETHER_APPROVAL= and so on.
    Replaces what was configured before. `secrets` never appear, in whatever field, message or traceback.
    """
    stream = stream or sys.stderr
    is_journal = journald.goes_to(stream, os.environ)
    handler = JournalHandler(stream) if is_journal else logging.StreamHandler(stream)
    handler.setFormatter(LineFormatter("json" if form == "json" else "text", secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


class JournalHandler(logging.StreamHandler[TextIO]):
    """Lines as fields; where the journal's socket does not take one, it goes to the stream as text."""

    def __init__(self, stream: TextIO, address: str = journald.ADDRESS) -> None:
        super().__init__(stream)
        self._address = address

    def emit(self, record: logging.LogRecord) -> None:
        assert isinstance(self.formatter, LineFormatter)
        try:
            journald.send(self.formatter.journal_fields(record), self._address)
        except OSError:
            super().emit(record)


class LineFormatter(logging.Formatter):
    """Writes a record and its fields (our wrapper's, or those of stdlib's `extra`) as one line."""

    def __init__(self, form: Literal["text", "json"], secrets: Collection[str] = ()) -> None:
        super().__init__()
        self._form = form
        # longest first: a secret that begins like another one goes whole; as JSON writes it, too
        spellings = {spelling for secret in secrets if secret for spelling in (secret, json.dumps(secret)[1:-1])}
        self._spellings = sorted(spellings, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        level, message = record.levelname.lower(), record.getMessage()
        fields = _fields(record)
        traceback = self.formatException(record.exc_info) if record.exc_info else None
        if self._form == "json":
            line = {"at": at, "level": level, "logger": record.name, "message": message}
            line |= {_apart(key): value for key, value in fields.items()}
            return self._redact(json.dumps(line | ({"traceback": traceback} if traceback else {}), default=str))
        words = [at, f"{level:<7}", record.name, _one_line(message), *(f"{k}={_value(v)}" for k, v in fields.items())]
        # the one thing on several lines; indented, so that no text in it passes for a line of its own
        below = [f"    {_one_line(line)}" for line in traceback.splitlines()] if traceback else []
        return self._redact("\n".join([" ".join(words), *below]))

    def journal_fields(self, record: logging.LogRecord) -> dict[str, str]:
        """The record for the journal: its message reads as a line of text, its fields can be asked for."""
        fields = _fields(record)
        words = [_one_line(record.getMessage()), *(f"{k}={_value(v)}" for k, v in fields.items())]
        below = self.formatException(record.exc_info).splitlines() if record.exc_info else []
        named = {f"TETHER_{journald.field_name(key)}": _plain_value(value) for key, value in fields.items()}
        named |= {
            "MESSAGE": "\n".join([" ".join(words), *below]),
            "PRIORITY": _PRIORITIES.get(record.levelname, "6"),
            "SYSLOG_IDENTIFIER": "tetherd",
            "LOGGER": record.name,
        }
        return {name: self._redact(value) for name, value in named.items()}

    def _redact(self, line: str) -> str:
        for spelling in self._spellings:
            line = line.replace(spelling, _REDACTED)
        return _SECRETS.sub(lambda found: _hidden(found.group()), line)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
    return fields | getattr(record, "fields", {})


def _plain_value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _hidden(secret: str) -> str:
    return f"Bearer {_REDACTED}" if secret[:6].lower() == "bearer" else f"tether_{_REDACTED}"


def _apart(key: str) -> str:
    """A field never takes the place of what every line has."""
    return f"{key}_" if key in ("at", "level", "logger", "message") else key


def _one_line(text: str) -> str:
    return text if text.isprintable() else json.dumps(text)[1:-1]


def _value(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value, default=str)
    printable = value.isprintable()
    return value if printable and _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=not printable)
