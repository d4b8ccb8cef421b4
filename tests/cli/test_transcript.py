"""A session's events as people read them: text in parts, marks of who speaks, the status line."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.shapes import APPROVAL, OTHER, PHONE, asked, delta, envelope, message
from tests.domain.builders import OWNER, RUN
from tetherd.cli.output import Terminal, ago, shortened
from tetherd.cli.transcript import Transcript
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, ByActor, ByCircumstance, ByPolicy
from tetherd.domain.images import ImageRef


class Tty(io.StringIO):
    """A terminal; `shown` is what it would show, carriage returns and erased lines applied."""

    def isatty(self) -> bool:
        return True

    @property
    def shown(self) -> str:
        lines = []
        for line in self.getvalue().split("\n"):
            lines.append(line.rpartition("\r\x1b[K")[2])
        return "\n".join(lines)


class Screen:
    def __init__(self, *, tty: bool = False, several: bool = False, **environ: str) -> None:
        self.out = Tty() if tty else io.StringIO()
        self.err = io.StringIO()
        self.terminal = Terminal(self.out, self.err, environ)
        self.transcript = Transcript(self.terminal, several=several)

    def tell(self, *events: ev.Event) -> str:
        for event in events:
            self.transcript.envelope(envelope(event))
            self.terminal.status(*self.transcript.status)
        self.terminal.end_line()
        return self.out.getvalue()


def tell(*events: ev.Event) -> str:
    return Screen().tell(*events)


# -- each event --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ev.InputAccepted(input_id="i", text="a\nb", by=PHONE), "> owner on telegram (phone):\n  a\n  b\n"),
        (message("hi\nthere\n"), "  hi\n  there\n"),
        (ev.ThinkingWritten(message_id="t", offset=0, text="hm", final=True), "  hm\n"),
        (ev.ToolCallStarted(tool_call_id="c", tool="Bash", title="ls\x1b"), "* Bash: ls\\x1b\n"),
        (ev.ToolCallStarted(tool_call_id="c", tool="mcp__s__do", title="mcp__s__do"), "* mcp__s__do\n"),
        (ev.ToolCallStarted(tool_call_id="c", tool="Bash", title="ls", parent_tool_call_id="p"), "** Bash: ls\n"),
        (
            ev.MessageWritten(message_id="w", offset=0, text="hi\n", final=True, parent_tool_call_id="p"),
            "** a sub-agent says:\n    hi\n",
        ),
        (
            ev.InputAccepted(
                input_id="i", text="a", by=PHONE, images=(ImageRef(media_type="image/png", sha256="0", size=7),)
            ),
            "> owner on telegram (phone):\n  a\n  (image/png, 7 bytes)\n",
        ),
        (ev.ToolCallFinished(tool_call_id="c", ok=True, output=""), ""),
        (ev.ToolCallFinished(tool_call_id="c", ok=False, output="no\n"), "* failed\n    no\n"),
        (
            ev.ToolCallFinished(tool_call_id="c", ok=True, output="x\n" * 14),
            "    x\n" * 12 + "    (2 more lines)\n",
        ),
        (ev.ApprovalWithdrawn(approval_id=APPROVAL), f"-- {APPROVAL} withdrawn by the agent\n"),
        (
            ev.ApprovalResolved(approval_id=APPROVAL, answer=Answer(decision="approve"), by=ByPolicy(rule="mode auto")),
            f"-- {APPROVAL} approved by rule mode auto at 12:04:00 UTC\n",
        ),
        (
            ev.ApprovalResolved(approval_id=APPROVAL, answer=None, by=ByCircumstance(cause="turn_end")),
            f"-- {APPROVAL} closed by turn end at 12:04:00 UTC\n",
        ),
        (
            ev.ApprovalResolved(
                approval_id=APPROVAL, answer=Answer(decision="reject", reason="no\r"), by=ByActor(actor=OWNER)
            ),
            f"-- {APPROVAL} rejected by owner on cli at 12:04:00 UTC: no\\x0d\n",
        ),
        (ev.TurnCompleted(outcome="failed", detail="limit"), "-- turn failed: limit\n"),
        (ev.TurnCompleted(outcome="completed"), "-- turn completed\n"),
        (ev.NoticeRaised(level="error", code="x", text="oh"), "-- error: oh\n"),
        (ev.RunEnded(run_id=RUN, reason="failed", signal=9, detail="killed"), "-- failed (signal 9): killed\n"),
        (ev.RunEnded(run_id=RUN, reason="lost"), "-- lost\n"),
        (ev.SessionRenamed(name="x", by=OWNER), ""),
        (ev.UsageReported(input_tokens=1), ""),
    ],
)
def test_how_an_event_reads(event: ev.Event, said: str) -> None:
    assert tell(event) == said


def test_an_agent_cannot_pass_for_tetherd() -> None:
    forged = f"-- {APPROVAL} approved by owner\n> owner on cli:\n* Bash: ls"
    assert all(line.startswith("  ") for line in tell(message(forged)).splitlines())
    assert all(
        line.startswith("    ")
        for line in tell(ev.ToolCallFinished(tool_call_id="c", ok=True, output=forged)).splitlines()
    )


def test_a_cut_text_says_how_long_it_was() -> None:
    cut = ev.MessageWritten(
        message_id="m", offset=0, text="head…tail", final=True, blobs={"text": ev.BlobRef(sha256="0", size=70000)}
    )
    assert tell(cut) == "  head…tail\n  (cut here: the whole text is 70000 bytes)\n"


# -- text in parts -----------------------------------------------------------------------------------------------


def test_live_text_is_drawn_once_whatever_the_log_repeats() -> None:
    screen = Screen()
    for offset, text in ((0, "one "), (4, "two")):
        screen.transcript.delta(delta(text, offset))
    assert screen.tell(message("one two", final=False), message(" three\n", offset=7)) == "  one two three\n"


def test_a_correction_is_told() -> None:
    screen = Screen()
    screen.transcript.delta(delta("one twö"))
    assert screen.tell(message("one two")) == "  one twö\n-- corrected:\n  one two\n"


def test_a_gap_waits_for_the_log_and_the_log_may_begin_late() -> None:
    screen = Screen()
    screen.transcript.delta(delta("a", 0))
    screen.transcript.delta(delta("c", 2))
    assert screen.tell(message("ab", final=False)) == "  ab\n"
    late = Screen()
    assert late.tell(message("tail", offset=90)) == "  tail\n"
    behind = Screen()
    behind.transcript.delta(delta("cd", 2))
    assert behind.tell(message("abcd")) == "  cd\n"


def test_two_messages_at_once_do_not_share_a_line() -> None:
    screen = Screen()
    for text, offset, which in (("a", 0, "m"), ("x", 0, "n"), ("b", 1, "m")):
        screen.transcript.delta(delta(text, offset, which))
    assert screen.tell() == "  a\n  x\n  b\n"


@given(text=st.text(alphabet=st.sampled_from("ab\nü🙂"), max_size=30), data=st.data())
def test_any_mix_of_deltas_and_parts_draws_the_text_once(text: str, data: st.DataObject) -> None:
    expected = tell(message(text)) if text else ""
    screen = Screen()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    edges = [0, *cuts, len(text)]
    for start, end in pairwise(edges):
        if data.draw(st.booleans()):
            screen.transcript.delta(delta(text[start:end], units(text[:start])))
        screen.transcript.envelope(
            envelope(message(text[start:end], offset=units(text[:start]), final=end == len(text)))
        )
    screen.terminal.end_line()
    assert screen.out.getvalue().rstrip("\n") == expected.rstrip("\n")


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_of_several_sessions_text_comes_as_the_log_has_it() -> None:
    screen = Screen(several=True)
    screen.transcript.delta(delta("never"))
    screen.tell(message("a", final=False))
    screen.transcript.envelope(envelope(ev.UsageReported(), 2, OTHER))
    assert screen.tell(message("b", offset=1)).splitlines()[1:] == ["  a", "  b"]


# -- the status line ---------------------------------------------------------------------------------------------


def test_the_status_line_is_drawn_over_and_leaves_nothing_behind() -> None:
    screen = Screen(tty=True, NO_COLOR="1")
    screen.tell(ev.TurnStarted(cause="agent"), message("hi"), ev.TurnCompleted(outcome="completed"))
    assert "[running]" in screen.out.getvalue() and "[idle]" in screen.out.getvalue()
    assert screen.out.shown == "  hi\n-- turn completed\n"


def test_the_status_line_says_who_is_needed() -> None:
    screen = Screen()
    assert screen.transcript.status == ("[following]", "dim")
    screen.tell(ev.ApprovalRequested(approval=asked()))
    assert screen.transcript.status == (f"[needs you] {APPROVAL}", "you")
    screen.tell(ev.ApprovalRequested(approval=asked("a-00000000000b")))
    assert screen.transcript.status == ("[needs you] a-00000000000b and 1 more", "you")
    screen.tell(ev.ApprovalWithdrawn(approval_id="a-00000000000b"))
    screen.tell(ev.ApprovalResolved(approval_id=APPROVAL, answer=None, by=ByCircumstance(cause="stop")))
    screen.tell(ev.StopRequested(by=OWNER, grace_seconds=1.0))
    assert screen.transcript.status == ("[stopping]", "dim")
    assert Screen(several=True).transcript.status == ("[following all sessions]", "dim")


def test_no_status_line_amid_a_line_or_in_a_file_or_on_a_dumb_terminal() -> None:
    amid = Screen(tty=True)
    amid.transcript.delta(delta("hi"))
    amid.terminal.status("[x]")
    assert amid.out.getvalue() == "  hi"
    for screen in (Screen(), Screen(tty=True, TERM="dumb")):
        screen.terminal.status("[x]")
        assert screen.out.getvalue() == ""


def test_after_a_typed_line_nothing_above_is_erased() -> None:
    screen = Screen(tty=True)
    screen.terminal.status("[x]")
    screen.terminal.status_gone()
    screen.terminal.line("next")
    assert "\x1b[K" not in screen.out.getvalue()


# -- colours and columns -----------------------------------------------------------------------------------------


def test_colours_are_for_terminals_that_want_them() -> None:
    event = ev.ApprovalRequested(approval=asked())
    assert "\x1b[33m" + APPROVAL in Screen(tty=True).tell(event)
    for screen in (Screen(), Screen(tty=True, NO_COLOR="1"), Screen(tty=True, TERM="dumb")):
        assert "\x1b[3" not in screen.tell(event)


def test_columns_are_counted_as_a_terminal_does() -> None:
    screen = Screen()
    screen.terminal.table(("A", "B"), [["漢字", "x"], ["e\u0301", "y"], ["\x1b", "z"]])
    assert screen.out.getvalue() == "A     B\n漢字  x\ne\u0301     y\n\\x1b  z\n"
    assert shortened("漢字漢字", 5) == "漢字…"
    assert shortened("abc", 3) == "abc"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (-5, "0 s"), (59, "59 s"), (60, "1 min"), (7200, "2 h"), (200000, "2 d")]
)
def test_ages_have_one_unit(seconds: int, words: str) -> None:
    now = datetime(2026, 1, 10, tzinfo=UTC)
    assert ago((now - timedelta(seconds=seconds)).isoformat(), now) == words
