"""What the reader says of composed and of random shell text is what a real bash runs."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.domain.stubs import STUBS, Bash
from tetherd.domain.shell import ANY, Command, Reading, Word
from tetherd.domain.unwrap import read_commands

MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

PROGRAMS = st.sampled_from(["evil", "unknown", "less"])
LETTERS = "ab;&|$`'\"\\ \n\t(){}<>#*?[]~=!-é"


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Bash:
    return Bash(tmp_path_factory.mktemp("bash"))


def claimed(reading: Reading) -> list[tuple[Word, ...]]:
    """The commands that bash should run, of those that leave a trace."""
    return [command.words for command in reading.commands if command.words[0].text in STUBS]


def is_said(words: tuple[str, ...], said: tuple[Word, ...]) -> bool:
    """Can a command that was read as `said` have run as `words`?"""
    if not said:
        return not words
    if said[0].text is not None or said[0].is_one:
        return bool(words) and said[0].text in (None, words[0]) and is_said(words[1:], said[1:])
    return any(is_said(words[at:], said[1:]) for at in range(len(words) + 1))


def check(bash: Bash, text: str) -> None:
    reading = read_commands(text)
    if reading.doubts:
        return
    said = claimed(reading)
    for words in bash.run(text):
        assert any(is_said(words, one) for one in said), (text, words, reading.commands)


# -- composed ----------------------------------------------------------------------------------------------------

Text = st.SearchStrategy[str]
QUOTINGS: tuple[Callable[[str], str], ...] = (
    shlex.quote,
    lambda word: '"' + "".join("\\" + c if c in '"$`\\' else c for c in word) + '"',
    lambda word: "".join("'\n'" if c == "\n" else "\\" + c for c in word) or "''",
    lambda word: "''".join(shlex.quote(c) for c in word) or '""',
)


@st.composite
def simple(draw: st.DrawFn) -> str:
    words = [draw(PROGRAMS), *draw(st.lists(st.text(LETTERS, max_size=5), max_size=3))]
    return draw(st.sampled_from([" ", "\t", "  ", " \\\n "])).join(
        draw(st.sampled_from(QUOTINGS))(word) for word in words
    )


def compound(inner: Text) -> Text:
    pair = st.tuples(inner, st.sampled_from([";", "\n", "&&", "||", "|", "|&", " & ", " # c\n"]), inner).map("".join)
    wrapped = st.tuples(
        st.sampled_from(
            ["sh -c {}", "bash -c {}", "eval {}", "env bash -c {}", "timeout 9 sh -c {}", "nice bash -ec {}"]
        ),
        inner,
    ).map(lambda both: both[0].format(shlex.quote(both[1])))
    framed = st.tuples(
        st.sampled_from(
            [
                "({}\n)",
                "{{ {}\n}}",
                "less $({}\n)",
                'less "a $({}\n) b"',
                "less <({}\n)",
                "! {{ {}\n}}",
                "true && ({}\n)",
                "cat <<EOF\n$({}\n)\nEOF\n",
                "less <<'EOF'\n{}\nEOF\n",
                "find . -maxdepth 0 -exec {}",
            ]
        ),
        inner,
    ).map(lambda both: both[0].format(both[1]))
    prefixed = st.tuples(
        st.sampled_from(
            ["env ", "timeout 9 ", "nice -n 1 ", "nohup ", "command ", "exec ", "time ", "echo a | xargs "]
        ),
        simple(),
    ).map("".join)
    return st.one_of(pair, wrapped, framed, prefixed)


@MANY
@given(st.recursive(simple(), compound, max_leaves=5))
def test_composed_text_runs_what_was_read(bash: Bash, text: str) -> None:
    check(bash, text)


@MANY
@given(
    st.lists(st.text(LETTERS.replace("é", "\u00e9\u00a0\u200b"), max_size=6), min_size=1, max_size=4),
    st.sampled_from(QUOTINGS),
)
def test_words_arrive_as_they_were_read(bash: Bash, words: list[str], quoting: Callable[[str], str]) -> None:
    text = " ".join(["evil", *map(quoting, words)])
    reading = read_commands(text)
    if not reading.doubts:
        assert bash.run(text) == [("evil", *words)]
        assert [tuple(word.text for word in command.words) for command in reading.commands] == [("evil", *words)]


# -- random ------------------------------------------------------------------------------------------------------

SIGNS = [
    "'",
    '"',
    "\\",
    "$",
    "${x}",
    "$x",
    "`",
    "$(",
    ")",
    "(",
    ";",
    "&",
    "|",
    "&&",
    "||",
    "<",
    ">",
    "<<",
    "<<<",
    "{",
    "}",
    "#",
    "*",
    "~",
    "=",
    "!",
    "2>&1",
    ",",
]
WORDS = ["evil", "unknown", "less", "x", "a=", "EOF", "if", "then", "fi", "for", "do", "done", "time", "-c"]
TOKENS = st.sampled_from([*SIGNS, *WORDS, *"   \n", "sh -c ", "eval ", "env ", "exec ", "xargs ", "{ ", "; }", " #"])


@settings(max_examples=2500, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(TOKENS, min_size=1, max_size=12).map("".join))
def test_random_text_runs_nothing_that_was_not_read(bash: Bash, text: str) -> None:
    check(bash, text)


def test_a_program_that_was_not_read_would_be_found(bash: Bash) -> None:
    assert bash.run("evil 'a b' &") == [("evil", "a b")]
    assert not is_said(("evil", "a b"), (Word("less"),))
    assert not is_said(("evil", "a b"), (Word("evil"), Word("a"), Word("b")))
    assert is_said(("evil", "a b"), (Word("evil"), Word(None)))
    assert is_said(("evil",), (Word("evil"), ANY))


def test_positions_are_characters_of_the_text() -> None:
    text = "less é; evil ü $(unknown)"
    spans = {text[one.start : one.end] for one in read_commands(text).commands}
    assert spans == {"less é", "evil ü $(unknown)", "unknown"}
    assert all(isinstance(one, Command) for one in read_commands(text).commands)
