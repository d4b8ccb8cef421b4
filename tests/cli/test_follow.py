"""watch, attach, logs: the live stream, and what is typed into it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest

from tests.cli.shapes import (
    APPROVAL,
    OTHER,
    SESSION,
    asked,
    delta,
    envelope,
    frame,
    logged,
    message,
    outcome,
    status,
)
from tests.domain.builders import OWNER, RUN
from tests.fakes.stub_daemon import problem
from tetherd.cli.commands import follow, logs
from tetherd.cli.main import main
from tetherd.client import client
from tetherd.domain import events as ev
from tetherd.domain.approval import ApprovalKind

STREAM = f"GET /api/sessions/{SESSION}/events"
ENDED = ev.RunEnded(run_id=RUN, reason="finished", code=0)
DONE = (200, [])
"""A stream that ends at once."""


@pytest.fixture(autouse=True)
def ctrl_c(monkeypatch: pytest.MonkeyPatch, pipe: object) -> Iterator[list[float]]:
    """Nobody waits between two tries, and at the third break somebody presses Ctrl-C. Threads end with their test."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise client.DaemonUnreachable("the test is over")
        waits.append(seconds)
        if len(waits) > 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(client.time, "sleep", sleep)
    monkeypatch.setattr(client.Client.follow, "__kwdefaults__", {"lost": None, "sleep": sleep})
    yield waits
    for thread in threading.enumerate():
        if "_bring" in thread.name:
            thread.join(20)
            assert not thread.is_alive()


# -- watch -------------------------------------------------------------------------------------------------------


def test_a_transcript_is_followed_until_ctrl_c(daemon, run) -> None:
    said = ev.InputAccepted(input_id="i", text="go\nnow", by=OWNER)
    daemon.answer(STREAM, (200, [logged(said, 1), logged(message("hi"), 2), logged(ENDED, 3)]), DONE)
    ran = run("watch", SESSION)
    assert (ran.code, ran.out) == (
        0,
        "> owner on cli:\n  go\n  now\n  hi\n-- finished (exit code 0)\n",
    )
    assert daemon.asked[0].path == f"/api/sessions/{SESSION}/events?after=0"


def test_a_stream_that_breaks_off_is_resumed_behind_what_was_seen(daemon, run, ctrl_c) -> None:
    first = [logged(message("one", "a"), 7), frame("delta", delta("tw", message_id="b"))]
    second = [frame("delta", delta("tw", message_id="b")), logged(message("two", "b"), 8)]
    daemon.answer(STREAM, (200, first), (200, second), DONE)
    ran = run("watch", SESSION)
    assert ran.out == "  one\n  tw\n  o\n"  # the break was told on a line of its own; nothing is drawn twice
    assert [asked.headers.get("Last-Event-ID") for asked in daemon.asked] == [None, "e1.7", "e1.8"]
    assert ran.err.splitlines()[0] == "cannot reach tetherd (the stream ended); trying again in 0 s"
    assert all(0 < wait <= 15 for wait in ctrl_c)


def test_what_will_not_pass_ends_it(daemon, run) -> None:
    daemon.answer(STREAM, (200, [logged(message("one"), 7)]), problem(410, "foreign_cursor", "another log"))
    ran = run("watch", SESSION)
    assert (ran.code, ran.out) == (1, "  one\n")
    assert ran.err.splitlines()[-1] == "tetherctl: another log"
    assert run("watch", OTHER).code == 4


def test_what_will_pass_is_waited_for(daemon, run, ctrl_c) -> None:
    daemon.answer(STREAM, (200, [logged(message("one"), 7)]), problem(503, "recovering", "not yet"))
    ran = run("watch", SESSION)
    assert ran.code == 0
    assert "not yet; trying again in " in ran.err
    assert len(ctrl_c) == 3


def test_a_stream_that_cannot_be_had_at_first_is_an_error(daemon, run) -> None:
    daemon.answer(STREAM, problem(503, "recovering", "not yet", hint="wait"))
    ran = run("watch", SESSION)
    assert (ran.code, ran.err) == (75, "tetherctl: not yet\nwait\n")


def test_only_what_comes_from_now_on(daemon, run) -> None:
    daemon.answer("GET /api/status", status())
    daemon.answer(STREAM, DONE)
    run("watch", SESSION, "--new")
    assert daemon.asked[1].path == f"/api/sessions/{SESSION}/events?after=e1.41"


def test_all_sessions_are_told_apart(daemon, run) -> None:
    daemon.answer("GET /api/status", status())
    pieces = [
        logged(message("a"), 1),
        logged(message("b"), 2),
        frame("delta", delta("never shown")),
        logged(message("c"), 3, OTHER),
    ]
    daemon.answer("GET /api/events", (200, pieces), DONE)
    ran = run("watch")
    assert ran.out == f"== {SESSION}\n  a\n  b\n== {OTHER}\n  c\n"
    assert daemon.asked[1].path == "/api/events?after=e1.41"


def test_records_are_one_object_a_line_deltas_too(daemon, run) -> None:
    pieces = [frame("delta", delta("é\u202e")), logged(message("é\n"), 1), b": still here\n\n"]
    daemon.answer(STREAM, (200, pieces), DONE)
    ran = run("watch", SESSION, "--json")
    assert ran.records == [{"type": "delta", **delta("é\u202e")}, envelope(message("é\n"), 1)]
    assert ran.out.isascii()


def test_new_can_watch_at_once(daemon, run, tmp_path) -> None:
    daemon.answer("POST /api/sessions", (201, outcome()["session"] | {"session_id": SESSION}))
    daemon.answer(STREAM, (200, [logged(message("hi"))]), DONE)
    assert run("new", str(tmp_path), "--watch").out == "  hi\n"


# -- attach ------------------------------------------------------------------------------------------------------


class Pipe:
    """Standard input as a descriptor, which is what attach reads."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def fileno(self) -> int:
        return self.read_end


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.read_end)


@pytest.fixture
def attach(daemon, environ, capsys, monkeypatch, pipe):
    """Types once the stream's events were shown, then ends the input."""
    shown = threading.Event()
    real = follow._show

    def show(*args: object) -> None:
        real(*args)
        shown.set()

    monkeypatch.setattr(follow, "_show", show)

    def attach(typed: bytes) -> tuple[int, str, str]:
        def type_() -> None:
            shown.wait(10)
            os.write(pipe.write_end, typed)
            os.close(pipe.write_end)

        keyboard = threading.Thread(target=type_)
        keyboard.start()
        code = follow_main(["attach", SESSION], environ, pipe)
        keyboard.join()
        return code, *capsys.readouterr()

    return attach


def follow_main(argv: list[str], environ: dict[str, str], stdin: object) -> int:
    return main(argv, environ, stdin=stdin)


@pytest.fixture
def live(daemon):
    request = ev.ApprovalRequested(approval=asked())
    hold = threading.Event()
    daemon.answer(STREAM, (200, _held([logged(request, 4)], hold)))
    for verb in ("input", "interrupt", "stop"):
        daemon.answer(f"POST /api/sessions/{SESSION}/{verb}", (200, outcome()))
    daemon.answer(f"POST /api/approvals/{APPROVAL}/decision", (200, {}))
    yield daemon
    hold.set()


def _held(pieces: list[bytes], until: threading.Event) -> list[bytes]:
    """A stream that stays open until the test is over."""

    class Held(list):
        def __iter__(self):
            yield from pieces
            until.wait(20)

    return Held()


def posts(daemon) -> list[tuple[str, object]]:
    return [(one.path.removeprefix("/api/"), one.body) for one in daemon.asked if one.method == "POST"]


def test_what_is_typed_is_sent_and_verbs_are_carried_out(live, attach) -> None:
    code, out, err = attach("füge\n\n/interrupt\n/stop\n/nonsense\nlast".encode())
    assert code == 0
    assert posts(live) == [
        (f"sessions/{SESSION}/input", {"text": "füge"}),
        (f"sessions/{SESSION}/interrupt", {}),
        (f"sessions/{SESSION}/stop", {}),
        (f"sessions/{SESSION}/input", {"text": "last"}),
    ]
    assert err == "there is only /approve [ID]  /reject [REASON]  /interrupt  /stop  /quit\n"
    assert out.startswith(f"{APPROVAL}  command: run make\n")


@pytest.mark.parametrize(
    ("typed", "body"),
    [
        (b"/approve\n", {"decision": "approve"}),
        (b"/approve 0123\n", {"decision": "approve"}),
        (b"/reject not so\n", {"decision": "reject", "reason": "not so"}),
        (b"/reject\n", {"decision": "reject"}),
    ],
)
def test_what_this_terminal_showed_is_answered(live, attach, typed: bytes, body: dict[str, str]) -> None:
    attach(typed)
    assert posts(live) == [(f"approvals/{APPROVAL}/decision", body | {"digest": asked().digest()})]


def test_quit_leaves_and_sends_nothing_more(live, attach) -> None:
    code, _, _ = attach(b"/quit\nhello\n")
    assert (code, posts(live)) == (0, [])


def test_what_the_daemon_refuses_is_said_and_one_goes_on(live, attach) -> None:
    live.answer(f"POST /api/sessions/{SESSION}/input", problem(409, "wrong_state", "it has\x1b[2J ended"))
    code, _, err = attach(b"one\n/approve a-9\n/interrupt\n")
    assert code == 0
    assert err == "tetherctl: it has\\x1b[2J ended\ntetherctl: nothing is waiting for you here\n"
    assert posts(live)[-1][0].endswith("/interrupt")


def test_a_question_is_answered_elsewhere(live, attach) -> None:
    question = ev.ApprovalRequested(approval=asked(kind=ApprovalKind.QUESTION))
    hold = threading.Event()
    live.answer(STREAM, (200, _held([logged(question, 4)], hold)))
    try:
        _, _, err = attach(b"/approve\n")
    finally:
        hold.set()
    assert err == f"tetherctl: it is a question: tetherctl approve {APPROVAL} --choice OPTION, or --text TEXT\n"
    assert posts(live) == []


def test_a_stream_that_cannot_be_had_ends_attach(daemon, environ, capsys, pipe) -> None:
    try:
        assert follow_main(["attach", SESSION], environ, pipe) == 4
    finally:
        os.close(pipe.write_end)
    assert capsys.readouterr().out == ""


# -- logs --------------------------------------------------------------------------------------------------------

LOGS = f"GET /api/sessions/{SESSION}/logs"


def test_logs_show_stderr_and_what_nobody_understood(daemon, run) -> None:
    found = {"stderr": "warn\x1b[2J\n  more\n", "unrecognised": ["{half"]}
    daemon.answer(LOGS, (200, found))
    assert run("logs", SESSION).out == "warn\\x1b[2J\n  more\n? {half\n"
    assert run("logs", SESSION, "--json").records == [found]
    daemon.answer(LOGS, (200, {"stderr": "", "unrecognised": []}))
    assert run("logs", SESSION).out.startswith("The agent wrote nothing to stderr")


def test_logs_go_on_with_what_is_new(daemon, run, monkeypatch) -> None:
    monkeypatch.setattr(logs.time, "sleep", _twice())
    daemon.answer(
        LOGS,
        (200, {"stderr": "a\n", "unrecognised": ["x"]}),
        (200, {"stderr": "a\nb\n", "unrecognised": ["x", "y"]}),
    )
    assert run("logs", SESSION, "-f").out == "a\n? x\nb\n? y\n"


def _twice():
    left = iter([None, None])

    def sleep(_: float) -> None:
        if next(left, KeyboardInterrupt) is KeyboardInterrupt:
            raise KeyboardInterrupt

    return sleep


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ("", "", ""),
        ("a", "ab", "b"),
        ("", "a", "a"),
        ("x" * 2000 + "end", "x" * 1500 + "end" + "more", "more"),
        ("a", "b", "b"),
    ],
)
def test_what_a_growing_text_with_a_lost_beginning_has_new(before: str, now: str, new: str) -> None:
    assert logs._appended(before, now) == new


@pytest.mark.parametrize(
    ("before", "now", "new"),
    [
        ([], [], []),
        (["a"], ["a", "b"], ["b"]),
        (["a", "b"], ["b", "c"], ["c"]),
        (["a", "a"], ["a", "a", "a"], ["a"]),
        (["a"], ["b"], ["b"]),
        (["a", "b"], ["b"], []),
    ],
)
def test_the_same_for_lines(before: list[str], now: list[str], new: list[str]) -> None:
    assert logs._appended_lines(before, now) == new
