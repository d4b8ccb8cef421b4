"""printable(): what acts or is not seen is spelled out, and can be read back."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tetherd.cli.printable import is_shown, original, printable

DANGEROUS = {
    "\x1b]8;;http://x\x07here": "\\x1b]8;;http://x\\x07here",
    "\x1b[31m": "\\x1b[31m",
    "\x9b31m": "\\x9b31m",
    "good\rbad": "good\\x0dbad",
    "\b\b\x7f": "\\x08\\x08\\x7f",
    "\u202egnp.exe\u202c": "\\u202egnp.exe\\u202c",
    "a\u200bb\u200d\u2060\ufeff": "a\\u200bb\\u200d\\u2060\\ufeff",
    "\u3164\u115f\ufe0f": "\\u3164\\u115f\\ufe0f",
    "\U000e0041": "\\U000e0041",
    "\u2028\u2029\x85": "\\u2028\\u2029\\x85",
    "\ud800": "\\ud800",
    "\n\t": "\\x0a\\x09",
}


@pytest.mark.parametrize("text", DANGEROUS)
def test_what_is_dangerous_is_spelled_out(text: str) -> None:
    assert printable(text) == DANGEROUS[text]
    assert original(DANGEROUS[text]) == text


@pytest.mark.parametrize("text", ["", "plain", "ü 漢字 🙂 e\u0301", "a\u00a0b", r"C:\new \d+ \\", "\\", "a\\"])
def test_what_people_type_stays(text: str) -> None:
    assert printable(text) == text == original(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"\x1b", r"\\x1b"),
        (r"\\u202e", r"\\\\u202e"),
        (r"\xg1 \u12", r"\xg1 \u12"),
        ("\\\x1b", r"\\\x1b"),
        ("\\\n", "\\\\\\x0a"),
    ],
)
def test_a_written_escape_is_not_taken_for_one_of_ours(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert original(shown) == text


def test_lines_and_tabs_stay_in_a_block() -> None:
    assert printable("a\n\tb\r\n", multi_line=True) == "a\n\tb\\x0d\n"


MEAN = st.sampled_from([*"\\x1bU0u20e4\n\t\r", "\x1b", "\u202e", "\U000e0041", "\\x1b", "\\\\", "ü"])
TEXTS = st.text() | st.lists(MEAN, max_size=20).map("".join)


@given(TEXTS, st.booleans())
def test_any_text_can_be_read_back_and_shows_nothing_that_acts(text: str, multi_line: bool) -> None:
    shown = printable(text, multi_line=multi_line)
    assert original(shown) == text
    assert all(is_shown(char) or (multi_line and char in "\n\t") for char in shown)


@given(TEXTS, TEXTS)
def test_two_texts_never_look_the_same(one: str, other: str) -> None:
    assert (printable(one) == printable(other)) == (one == other)


def test_every_character_that_acts_or_is_not_seen_is_spelled_out() -> None:
    acting = [
        char for char in map(chr, range(0x110000)) if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    ]
    assert not [char for char in acting if is_shown(char)]
