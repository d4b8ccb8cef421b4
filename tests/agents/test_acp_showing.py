"""What a person is shown of an agent's work: names, diffs, outputs, all within bounds."""

from __future__ import annotations

import difflib
import re
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tetherd.agents.acp.naming import tool_name
from tetherd.agents.acp.output import output_of
from tetherd.agents.acp.told import read_told
from tetherd.agents.diffs import unified_diff
from tetherd.agents.showing import INPUT_LIMIT, bounded_input, cut

TEXTS = st.lists(st.sampled_from(["a\n", "b\n", "c\r\n", "\u2028\n", "\n", "d"]), max_size=12).map("".join)


# -- diffs -------------------------------------------------------------------------------------------------------


@given(TEXTS, TEXTS)
def test_a_diff_turns_the_old_text_into_the_new(old: str, new: str) -> None:
    diff = unified_diff("/f", old, new)
    assert bool(diff) == (old != new)
    assert applied(diff, old) == new


@given(TEXTS, TEXTS)
def test_a_small_diff_changes_no_more_lines_than_the_usual_one(old: str, new: str) -> None:
    lines = [re.findall(r"[^\n]*\n|[^\n]+", text) for text in (old, new)]
    usual = list(difflib.unified_diff(*lines, "/f" if old else "/dev/null", "/f"))
    body = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in usual)
    changed = [line for line in body.splitlines() if line[:1] in "+-"]
    ours = [line for line in unified_diff("/f", old, new).splitlines() if line[:1] in "+-"]
    assert len(ours) == len(changed)


@pytest.mark.parametrize("count", [3000, 200_000])
def test_a_large_diff_is_right_and_soon_made(count: int) -> None:
    old = "same\n" * 5 + "".join(f"old {n}\n" for n in range(count)) + "end\n" * 5
    new = "same\n" * 5 + "".join(f"new {n}\n" for n in range(count)) + "end\n" * 4 + "end"
    began = perf_counter()
    diff = unified_diff("/f", old, new)
    assert perf_counter() - began < 20
    assert applied(diff, old) == new


def applied(diff: str, old: str) -> str:
    """What `patch` makes of it: a second reading of the format, line by line."""
    before = re.findall(r"[^\n]*\n|[^\n]+", old)
    after: list[str] = []
    place = 0
    lines = diff.split("\n")[2:-1] if diff else []
    for number, line in enumerate(lines):
        mark, text = line[:1], line[1:] + "\n"
        if number + 1 < len(lines) and lines[number + 1].startswith("\\"):
            text = text[:-1]
        if mark == "@":
            start, length = re.match(r"@@ -(\d+)(?:,(\d+))? ", line).groups()
            upto = int(start) - (length != "0")
            after += before[place:upto]
            place = upto
        elif mark in " -":
            assert before[place] == text
            place += 1
        if mark in " +":
            after.append(text)
    return "".join(after + before[place:])


# -- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "title", "makes_file", "shown"),
    [
        ("execute", "x", "ls", False, "Bash"),
        ("read", None, "", False, "Read"),
        ("fetch", None, "", False, "WebFetch"),
        ("edit", None, "", False, "Edit"),
        ("edit", None, "", True, "Write"),
        ("edit", "Write", "", False, "Write"),
        ("other", "mcp__db__query", "", False, "mcp__db__query"),
        ("execute", None, "mcp__db__query select 1", False, "mcp__db__query"),
        ("think", "Task", "", False, "Task"),
        (None, None, "grep", False, "grep"),
        ("search", None, "find all", False, "search"),
        (None, None, "/etc/passwd", False, "other"),
        (None, "x" * 500, "", False, "x" * 100),
    ],
)
def test_what_a_tool_is_called(kind: Any, name: Any, title: str, makes_file: bool, shown: str) -> None:
    assert tool_name(kind, name, title, makes_file=makes_file) == shown


# -- bounds ------------------------------------------------------------------------------------------------------


def test_what_is_cut_says_so() -> None:
    assert cut("abc", 3) == "abc"
    assert cut("abcd", 3) == "abc\n(cut here: 1 more characters)\n"


def test_inputs_are_kept_within_bounds() -> None:
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    kept = bounded_input({"a": 1, "long": "x" * 20_000, "deep": deep, "big": list(range(9000)), "b": {"c": [1]}})
    assert (kept["a"], kept["b"]) == (1, {"c": [1]})
    assert "(cut here: 3616 more characters)" in str(kept["long"])
    assert kept["deep"] == "(nested too deeply to be kept)"
    assert str(kept["big"]).endswith("bytes of JSON, left out)")
    many = bounded_input({f"k{n}": "x" * 10_000 for n in range(100)})
    assert sum(len(str(value)) for value in many.values()) <= INPUT_LIMIT


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"rawOutput": "out"}, "out"),
        ({"rawOutput": {"stdout": "out"}}, "out"),
        ({"rawOutput": {"n": 1}}, '{"n":1}'),
        ({"rawOutput": [1]}, "[1]"),
        ({}, ""),
        (
            {
                "content": [{"type": "content", "content": {"type": "text", "text": "```\nout\n```"}}],
                "rawOutput": "out",
            },
            "out",
        ),
        ({"content": [{"type": "content", "content": {"type": "text", "text": "said"}}], "rawOutput": "out"}, "said"),
        (
            {"content": [{"type": "terminal"}, {"type": "diff", "path": "/f", "newText": "n\n"}]},
            "--- /dev/null\n+++ /f\n@@ -0,0 +1 @@\n+n\n",
        ),
    ],
)
def test_what_a_call_brought(told: dict[str, Any], shown: str) -> None:
    read = read_told({"toolCallId": "c", **told})
    assert read is not None and output_of(read) == shown
