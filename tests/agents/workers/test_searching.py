"""The search program: which files a glob means, and what it does not follow."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tetherd.agents.workers.tools import searching
from tetherd.agents.workers.tools.searching import glob_expression

Json = dict[str, Any]


@pytest.mark.parametrize(
    "glob, yes, no",
    [
        ("*.py", ["a.py", "x/y/a.py"], ["a.pyc", "a.py/b"]),
        ("src/*.py", ["src/a.py"], ["src/x/a.py", "a.py"]),
        ("src/**/*.py", ["src/a.py", "src/x/y/a.py"], ["a.py", "srcs/a.py"]),
        ("**/test_*", ["test_a", "x/test_a"], ["x/a_test_b/c"]),
        ("src/**", ["src/a", "src/x/y"], ["srcs"]),
        ("*.{ts,tsx}", ["a.ts", "b/a.tsx"], ["a.t", "a.tsxx"]),
        ("{a,b/{c,d}}", ["a", "b/c", "b/d"], ["c"]),
        ("file?.txt", ["file1.txt"], ["file10.txt", "file/.txt"]),
        ("[a-c]x", ["ax"], ["dx", "a-cx"]),
        ("[!a]x", ["bx"], ["ax"]),
        ("a+b(c).txt", ["a+b(c).txt"], ["aab(c).txt"]),
        ("[unclosed", ["[unclosed"], ["u"]),
        ("{unclosed", ["unclosed"], ["{unclosed"]),
        ("a}b,c", ["a}b,c"], ["a"]),
        ("***", ["a", "b/c"], []),
    ],
)
def test_globs(glob: str, yes: list[str], no: list[str]) -> None:
    expression = re.compile(glob_expression(glob), re.DOTALL)
    assert [path for path in (*yes, *no) if expression.fullmatch(path)] == yes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    for path, text in {
        "b.txt": "one\ntwo\n",
        "a/z.py": "import two\r\n",
        ".git/config": "two",
        "node_modules/x.js": "two",
        ".hidden": "two",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
    (root / "binary").write_bytes(b"two\0")
    os.mkfifo(root / "pipe")
    (tmp_path / "secret").write_text("two")
    os.symlink("../secret", root / "link")
    os.symlink("..", root / "up")
    return root


def search(
    root: Path, *, glob: str | None = None, pattern: str | None = None, limit: int = 100, case: bool = False
) -> Any:
    wanted = {"root": str(root), "glob": glob, "pattern": pattern, "ignore_case": case, "limit": limit}
    argv = (sys.executable, "-I", "-S", searching.__file__)
    done = subprocess.run(argv, input=json.dumps(wanted).encode(), capture_output=True, check=True, timeout=30)
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_lines_are_found_and_links_are_not_followed(root: Path) -> None:
    rows = search(root, pattern="t[w]o")
    assert rows == [
        {"path": ".hidden", "line": 1, "text": "two"},
        {"path": "b.txt", "line": 2, "text": "two"},
        {"path": "a/z.py", "line": 1, "text": "import two"},
    ]


def test_names_are_found(root: Path) -> None:
    assert [row["path"] for row in search(root, glob="*.{txt,py}")] == ["b.txt", "a/z.py"]
    assert search(root, glob="up/**") == []


def test_one_file_is_searched_by_its_name(root: Path) -> None:
    assert search(root / "b.txt", pattern="ONE", case=True) == [{"path": "b.txt", "line": 1, "text": "one"}]


def test_what_is_left_out_is_said(root: Path) -> None:
    assert search(root, pattern="two", limit=1)[1:] == [{"left_out": True}]
    assert {"left_out": True} not in search(root, pattern="two", limit=3)


@pytest.mark.parametrize("pattern", ["(", "*", "a{99999999999}", "(?P<x>a)(?P<x>b)"])
def test_what_is_no_pattern_is_said(root: Path, pattern: str) -> None:
    ((row),) = search(root, pattern=pattern)
    assert "no pattern" in row["error"]


def test_a_root_that_is_a_link_or_gone_is_refused(root: Path) -> None:
    for path in (root / "up", root / "link", root / "up" / "root", root / "none"):
        (row,) = search(path, pattern="two")
        assert row["error"], path


def test_names_that_are_no_text_come_through(root: Path) -> None:
    os.rename(root / "b.txt", os.fsencode(root) + b"/\xff.txt")
    assert search(root, glob="*.txt") == [{"path": "\udcff.txt"}]
