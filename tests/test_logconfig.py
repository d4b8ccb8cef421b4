"""Log lines: one for each thing that happened, with fields, without secrets."""

from __future__ import annotations

import io
import json
import logging
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tetherd.journald import VALUE_LIMIT, goes_to
from tetherd.logconfig import JournalHandler, LineFormatter, Log, configure_logging, get_logger

TOKEN = "tether_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    root.setLevel(level)


def logged(form: str = "text", level: str = "info", secrets: tuple[str, ...] = ()) -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level, form, secrets, stream)
    return stream


def test_fields_stand_behind_the_message() -> None:
    stream = logged()
    get_logger("tetherd.bridge").info("bridge restarted", bridge="telegram", failures=3, wait_seconds=4.0)
    line = stream.getvalue()
    assert line.endswith("Z info    tetherd.bridge bridge restarted bridge=telegram failures=3 wait_seconds=4.0\n")


def test_json_is_one_object_with_the_same_fields() -> None:
    stream = logged("json")
    get_logger("tetherd").warning("slow", session="s-1", seconds=1.5)
    line = json.loads(stream.getvalue())
    assert line.pop("at").endswith("Z")
    assert line == {"level": "warning", "logger": "tetherd", "message": "slow", "session": "s-1", "seconds": 1.5}


def test_fields_of_plain_stdlib_loggers_are_shown_too() -> None:
    stream = logged("json")
    logging.getLogger("tetherd.api").info("closed %s", "one", extra={"listener": "tcp"})
    line = json.loads(stream.getvalue())
    assert (line["message"], line["listener"]) == ("closed one", "tcp")


def test_a_field_may_have_any_name_and_takes_no_other_ones_place() -> None:
    stream = logged("json")
    get_logger("tetherd").info("named", name="x", level="high", message_="y", args=(1,))
    line = json.loads(stream.getvalue())
    assert (line["name"], line["level"], line["level_"], line["args"]) == ("x", "info", "high", [1])


@pytest.mark.parametrize(
    "hostile", ["a\nb", "a b", "\x1b[2J", "\u202ea", 'say "x"', "a=b", "\\", "\udc80", "", "a\u2028b"]
)
def test_a_value_never_makes_a_second_line_or_field(hostile: str) -> None:
    stream = logged()
    get_logger("tetherd").info("said", text=hostile, after=1)
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line[:-1].isprintable()
    assert line.endswith(" after=1\n")
    assert json.loads(line.partition(" text=")[2].removesuffix(" after=1\n")) == hostile


def test_a_message_is_one_line_as_well() -> None:
    stream = logged()
    get_logger("tetherd").info("100% forged\n2026 error tetherd x")
    assert stream.getvalue().count("\n") == 1
    assert r"100% forged\n2026" in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_secrets_are_taken_out_wherever_they_stand(form: str) -> None:
    configured = 'p"ss\\word-of-mine'
    stream = logged(form, secrets=("", configured, "plain-secret"))
    log = get_logger("tetherd")
    log.info(f"got Bearer abc.def/+= and {configured}", header="bearer XYZ123", token=TOKEN, deep={"a": [configured]})
    try:
        raise ValueError(f"no plain-secret, no {TOKEN}")
    except ValueError as error:
        log.error("failed", exc_info=error)
    text = stream.getvalue()
    for secret in ("abc.def", "XYZ123", TOKEN, "ss\\\\word", "plain-secret"):
        assert secret not in text
    assert text.count("[redacted]") >= 6
    assert "ValueError" in text


def test_names_that_look_a_little_like_tokens_stay() -> None:
    stream = logged()
    get_logger("tetherd").info("loaded", module="tether_telegram_forum", key="TETHER_AGENT_TOKEN")
    assert "module=tether_telegram_forum key=TETHER_AGENT_TOKEN" in stream.getvalue()


def test_a_traceback_is_indented_below_its_line() -> None:
    stream = logged()
    try:
        raise ValueError("forged\n2026-01-01T00:00:00.000Z info tetherd all is well")
    except ValueError as error:
        get_logger("tetherd").error("failed", exc_info=error)
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("tetherd failed")
    assert rest
    assert all(line.startswith("    ") for line in rest)


def test_lower_levels_are_left_out() -> None:
    stream = logged(level="warning")
    get_logger("tetherd").info("business as usual")
    assert stream.getvalue() == ""


def test_the_web_server_does_not_report_each_request() -> None:
    stream = logged(level="debug")
    logging.getLogger("hypercorn.access").info("GET / 200")
    logging.getLogger("quart.app").info("serving")
    logging.getLogger("hypercorn.error").warning("odd")
    assert [line.partition("hypercorn")[2] for line in stream.getvalue().splitlines()] == [".error odd"]


def test_configuring_twice_writes_each_line_once() -> None:
    logged()
    stream = logged()
    get_logger("tetherd").info("once")
    assert stream.getvalue().count("once") == 1


# -- the journal -------------------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "journal"))
        listening.settimeout(30)
        yield listening


def received(journal: socket.socket) -> dict[str, str]:
    """A datagram, read as the protocol says."""
    rest, fields = journal.recv(2**22), {}
    while rest:
        line, _, rest = rest.partition(b"\n")
        name, is_plain, value = line.partition(b"=")
        if not is_plain:
            (size,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + size], rest[8 + size + 1 :]
        fields[name.decode()] = value.decode()
    return fields


def journal_logger(journal: socket.socket, stream: io.StringIO, *secrets: str) -> Log:
    handler = JournalHandler(stream, journal.getsockname())
    handler.setFormatter(LineFormatter("text", secrets))
    logger = logging.Logger("tetherd.test")
    logger.addHandler(handler)
    return Log(logger)


def test_the_journal_gets_fields_and_no_secret(journal: socket.socket) -> None:
    log = journal_logger(journal, io.StringIO(), "hunter2\nsecond line")
    log.warning("approval closed", session="s-1", approval="a-1", took=1.5, odd_key="hunter2\nsecond line", ü=TOKEN)
    assert received(journal) == {
        "TETHER_SESSION": "s-1",
        "TETHER_APPROVAL": "a-1",
        "TETHER_TOOK": "1.5",
        "TETHER_ODD_KEY": "[redacted]",
        "TETHER_FIELD": "tether_[redacted]",
        "MESSAGE": 'approval closed session=s-1 approval=a-1 took=1.5 odd_key="[redacted]" ü=tether_[redacted]',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "tetherd",
        "LOGGER": "tetherd.test",
    }


def test_a_value_of_several_lines_cannot_forge_a_field(journal: socket.socket) -> None:
    journal_logger(journal, io.StringIO()).info("said", text="a\nPRIORITY=0\nMESSAGE=forged", lone="\ud800")
    fields = received(journal)
    assert fields["TETHER_TEXT"] == "a\nPRIORITY=0\nMESSAGE=forged"
    assert (fields["PRIORITY"], fields["TETHER_LONE"]) == ("6", "?")
    assert fields["MESSAGE"].startswith("said text=")


def test_what_is_too_long_for_the_journal_is_cut(journal: socket.socket) -> None:
    journal_logger(journal, io.StringIO()).info("long", text="x" * 2**22)
    fields = received(journal)
    assert fields["TETHER_TEXT"] == "x" * VALUE_LIMIT


def test_without_a_journal_the_line_is_on_stderr(journal: socket.socket, tmp_path: Path) -> None:
    stream = io.StringIO()
    log = journal_logger(journal, stream)
    (tmp_path / "journal").unlink()
    log.info("alone", session="s-1")
    assert stream.getvalue().endswith(" alone session=s-1\n")


def test_only_the_stream_that_the_journal_reads_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "a").open("w") as read, (tmp_path / "b").open("w") as other:
        status = os.fstat(read.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{status.st_dev}:{status.st_ino}")
        assert goes_to(read, os.environ)
        assert not goes_to(other, os.environ)
        assert not goes_to(io.StringIO(), os.environ)
        assert not goes_to(read, {})
