"""Lines from pieces of any size."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tetherd.framing import HEAD_BYTES, MAX_LINE, Line, LineSplitter, LongLine


def test_lines_come_without_newline_and_the_cursor_stands_behind_the_newest() -> None:
    splitter = LineSplitter(100)
    assert splitter.feed(b"one\ntwo\nthr") == (Line(b"one"), Line(b"two"))
    assert (splitter.cursor, splitter.position) == (108, 111)
    assert splitter.feed(b"ee\n") == (Line(b"three"),)
    assert (splitter.cursor, splitter.position) == (114, 114)


def test_an_empty_line_is_a_line() -> None:
    assert LineSplitter().feed(b"\n\na\n") == (Line(b""), Line(b""), Line(b"a"))


def test_what_is_left_at_the_end_is_a_line() -> None:
    splitter = LineSplitter()
    splitter.feed(b"a\nrest")
    assert splitter.finish() == Line(b"rest")
    assert splitter.cursor == 6
    assert splitter.finish() is None


def test_a_line_of_exactly_the_limit_is_whole() -> None:
    splitter = LineSplitter(limit_bytes=10)
    assert splitter.feed(b"x" * 10) == ()
    assert splitter.feed(b"\n") == (Line(b"x" * 10),)


@pytest.mark.parametrize("piece", [1, 3, 7, 100_000])
def test_a_line_over_the_limit_is_counted_and_skipped(piece: int) -> None:
    splitter = LineSplitter(limit_bytes=10)
    data = b"ok\n" + b"y" * 9_000 + b"\nafter\n"
    lines = [line for at in range(0, len(data), piece) for line in splitter.feed(data[at : at + piece])]
    assert [line.size if isinstance(line, LongLine) else line.data for line in lines] == [b"ok", 9_000, b"after"]
    assert isinstance(lines[1], LongLine)
    assert set(lines[1].head) == set(b"y")
    assert splitter.cursor == len(data)


def test_the_head_of_a_long_line_is_4_kib_and_nothing_else_is_held() -> None:
    splitter = LineSplitter()
    for _ in range(5):
        assert splitter.feed(b"z" * (8 * 1024 * 1024)) == ()
    assert splitter._pieces == []
    assert splitter.position == 40 * 1024 * 1024
    assert splitter.cursor == 0
    assert splitter.feed(b"\n") == (LongLine(b"z" * HEAD_BYTES, 40 * 1024 * 1024),)


def test_a_long_line_without_an_end_is_one_at_the_end_of_the_stream() -> None:
    splitter = LineSplitter(limit_bytes=4)
    splitter.feed(b"12345")
    assert splitter.finish() == LongLine(b"12345", 5)
    assert splitter.cursor == 5


def test_the_largest_line_in_small_pieces_takes_no_quadratic_time() -> None:
    splitter, piece = LineSplitter(), b"q" * 65536
    began = time.monotonic()
    for _ in range(MAX_LINE // len(piece)):
        splitter.feed(piece)
    (line,) = splitter.feed(b"\n")
    assert isinstance(line, Line)
    assert len(line.data) == MAX_LINE
    assert time.monotonic() - began < 5


@given(st.lists(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b".")), max_size=20), st.data())
def test_any_cutting_gives_the_same_lines(texts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(text + b"\n" for text in texts)
    splitter, at = LineSplitter(limit_bytes=12), 0
    lines: list[Line | LongLine] = []
    while at < len(stream):
        step = data.draw(st.integers(1, 40))
        lines += splitter.feed(stream[at : at + step])
        at += step
        assert splitter.cursor == sum(len(text) + 1 for text in texts[: len(lines)])
    for line, text in zip(lines, texts, strict=True):
        if len(text) <= 12:
            assert line == Line(text)
        else:  # a head shorter than 4 KiB is what was there when the limit was passed
            assert isinstance(line, LongLine)
            assert line.size == len(text)
            assert text.startswith(line.head)
