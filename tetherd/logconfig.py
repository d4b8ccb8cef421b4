"""Structured log lines on stderr, with secrets taken out.

    log = get_logger(__name__)
    log.info("bridge restarted", bridge="telegram", failures=3, wait_seconds=4.0)

One line for each thing that happened, whatever it holds: what is not printable is written as an escape. In text a
traceback follows, indented.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

_QUIET = ("hypercorn", "quart", "httpx", "httpcore")
"""Libraries whose daily business (a line for each request) is not ours to report."""

_SECRETS = re.compile(r"(?i:\bbearer\s+)[^\s\"',;]+|\btether_[A-Za-z0-9_-]{24,}")
_REDACTED = "[redacted]"
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

    Replaces what was configured before. `secrets` never appear, in whatever field, message or traceback.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(LineFormatter("json" if form == "json" else "text", secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


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
        fields = {key: value for key, value in vars(record).items() if key not in _STANDARD}
        fields |= getattr(record, "fields", {})
        traceback = self.formatException(record.exc_info) if record.exc_info else None
        if self._form == "json":
            line = {"at": at, "level": level, "logger": record.name, "message": message}
            line |= {_apart(key): value for key, value in fields.items()}
            return self._redact(json.dumps(line | ({"traceback": traceback} if traceback else {}), default=str))
        words = [at, f"{level:<7}", record.name, _one_line(message), *(f"{k}={_value(v)}" for k, v in fields.items())]
        # the one thing on several lines; indented, so that no text in it passes for a line of its own
        below = [f"    {_one_line(line)}" for line in traceback.splitlines()] if traceback else []
        return self._redact("\n".join([" ".join(words), *below]))

    def _redact(self, line: str) -> str:
        for spelling in self._spellings:
            line = line.replace(spelling, _REDACTED)
        return _SECRETS.sub(lambda found: _hidden(found.group()), line)


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
