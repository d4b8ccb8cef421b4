"""What patterns match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tetherd.domain.patterns import (
    BadPattern,
    Glob,
    Match,
    Spoken,
    ToolPattern,
    match_command,
    match_path,
    rendered_word,
)
from tetherd.domain.shell import ANY, Word

ONE = Word(None)
COMMANDS: list[tuple[str, list[str | Word], Match]] = [
    ("git log", ["git", "log"], Match.YES),
    ("git log", ["git", "log", "-3"], Match.NO),
    ("git log", ["git"], Match.NO),
    ("git log *", ["git", "log"], Match.YES),
    ("git log *", ["git", "log", "-3", "x"], Match.YES),
    ("git log *", ["git", "logx"], Match.NO),
    ("git log*", ["git", "logx"], Match.YES),
    ("git log*", ["git", "log", "x"], Match.YES),
    ("git * main", ["git", "push", "main"], Match.YES),
    ("git * main", ["git", "push", "-f", "main"], Match.YES),
    ("git * main", ["git", "main"], Match.NO),
    ("git *", ["git"], Match.YES),
    ("git *", ["gitx"], Match.NO),
    ("*", ["anything", "at all"], Match.YES),
    ("npm run test*", ["npm", "run", "test:unit"], Match.YES),
    ("echo a b", ["echo", "a b"], Match.NO),
    ("echo 'a b'", ["echo", "a b"], Match.YES),
    ("git log", ["git log"], Match.NO),
    ("git log *", ["git", "log x"], Match.NO),
    ("git * x *", ["git", "a", "x"], Match.YES),
    ("git * x *", ["git", "x"], Match.NO),
    # what is only known when it runs
    ("git log *", ["git", "log", ANY], Match.YES),
    ("git log *", ["git", "log", ONE], Match.YES),
    ("git log *", ["git", ANY], Match.MAYBE),
    ("git push *", ["git", ANY], Match.MAYBE),
    ("git push --force*", ["git", "push", ANY], Match.MAYBE),
    ("git push --force*", ["git", "pull", ANY], Match.NO),
    ("git * main", ["git", ANY, "main"], Match.MAYBE),  # it may be no word at all
    ("git * main", ["git", ONE, "main"], Match.YES),
    ("git * main", ["git", ANY, "push", "main"], Match.YES),
    ("git log", ["git", "log", ANY], Match.MAYBE),
    ("ls *", ["ls", ANY, ANY, ANY, ANY, ANY], Match.YES),
]
FILES: list[tuple[str, str, bool]] = [
    ("src/**", "/w/src/a.py", True),
    ("src/**", "src/deep/a.py", True),
    ("src/**", "/w/src", True),
    ("src/**", "/w/srcx/a.py", False),
    ("src/**", "/w/src/../b.py", False),
    ("src/*", "/w/src/a.py", True),
    ("src/*", "/w/src/deep/a.py", False),
    ("*.py", "/w/a.py", True),
    ("*.py", "/w/src/a.py", False),
    ("**/*.py", "/w/src/a.py", True),
    ("**/*.py", "/w/a.py", True),
    ("**/test/**/x", "/w/a/test/x", True),
    ("/etc/**", "/etc/passwd", True),
    ("/etc/**", "/w/etc/passwd", False),
    ("**", "/etc/passwd", False),
    ("/**", "/etc/passwd", True),
]


@pytest.mark.parametrize(("pattern", "words", "expected"), COMMANDS)
def test_commands(pattern: str, words: list[str | Word], expected: Match) -> None:
    spoken = Spoken.of([word if isinstance(word, Word) else Word(word) for word in words])
    assert match_command(Glob.parse(pattern), spoken) is expected


@pytest.mark.parametrize(("pattern", "path", "expected"), FILES)
def test_files(pattern: str, path: str, expected: bool) -> None:
    assert match_path(pattern, path, "/w") is expected


def test_without_a_directory_only_whole_paths_match() -> None:
    assert not match_path("src/**", "/w/src/a", None)
    assert not match_path("/w/**", "src/a", None)
    assert match_path("/w/**", "/w/src/a", None)


@pytest.mark.parametrize(
    ("pattern", "tool", "fits"),
    [
        ("Bash", "Bash", True),
        ("Bash(git *)", "Bash", True),
        ("Bash", "Bashful", False),
        ("Edit", "Write", True),
        ("Write", "Edit", False),
        ("mcp__*", "mcp__github__push", True),
        ("mcp__github__*", "mcp__gitlab__push", False),
        ("*", "anything", True),
    ],
)
def test_tools(pattern: str, tool: str, fits: bool) -> None:
    assert ToolPattern.parse(pattern).fits(tool) is fits


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Bash(",
        "Bash()",
        "Bash( )",
        "Bash( git)",
        "Bash(git log:*)",
        "mcp__a__b(x)",
        "(x)",
        "Ba sh",
        "Bash(\ufffc)",
        "1",
    ],
)
def test_bad_patterns_are_refused(text: str) -> None:
    with pytest.raises(BadPattern):
        ToolPattern.parse(text)


@given(st.lists(st.text(max_size=4), min_size=1, max_size=4), st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_no_two_commands_look_alike(one: list[str], other: list[str]) -> None:
    assert (one == other) == (" ".join(map(rendered_word, one)) == " ".join(map(rendered_word, other)))


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_a_star_is_any_text(pattern: str, text: str) -> None:
    def naive(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return any(naive(pattern[1:], text[at:]) for at in range(len(text) + 1))
        return text[:1] == pattern[0] and naive(pattern[1:], text[1:])

    assert Glob.parse(pattern).covers(text) is naive(pattern, text)


def test_a_pattern_of_many_stars_is_no_work() -> None:
    assert not Glob.parse("*a" * 5000 + "b").covers("a" * 100_000)
    assert not match_path("/" + "**/a/" * 300 + "b", "/" + "a/" * 600, None)
