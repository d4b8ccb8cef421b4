"""The tools, one call at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.toolcall import FakeCall
from tetherd.agents.workers.tools.all import TOOLS
from tetherd.agents.workers.tools.place import CannotDo
from tetherd.agents.workers.tools.tool import Done, Rejected


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "a.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "secret.txt").write_text("hidden\n")
    os.symlink("../secret.txt", directory / "link.txt")
    os.symlink("..", directory / "up")
    return directory


@pytest.fixture
def call(directory: Path) -> FakeCall:
    return FakeCall(directory)


async def use(call: FakeCall, tool: str, **given: Any) -> Done:
    return await TOOLS[tool].run(call, given)


# -- who is asked ----------------------------------------------------------------------------------------------------

INSIDE = [
    ("read", {"path": "a.txt"}),
    ("glob", {"pattern": "*.txt"}),
    ("grep", {"pattern": "two"}),
    ("grep", {"pattern": "two", "path": "a.txt"}),
]
OUTSIDE = [
    ("read", {"path": "../secret.txt"}),
    ("read", {"path": "link.txt"}),
    ("glob", {"pattern": "*", "path": ".."}),
    ("grep", {"pattern": "hid", "path": "up"}),
    ("grep", {"pattern": "hid", "path": "link.txt"}),
    ("edit", {"path": "link.txt", "old": "hidden", "new": "shown"}),
    ("write", {"path": "../secret.txt", "content": "x"}),
    ("write", {"path": "../new.txt", "content": "x"}),
]
CHANGES = [
    ("bash", {"command": "touch ../touched"}),
    ("edit", {"path": "a.txt", "old": "two", "new": "2"}),
    ("write", {"path": "a.txt", "content": "x"}),
    ("write", {"path": "new.txt", "content": "x"}),
]


@pytest.mark.parametrize("tool, given", INSIDE)
async def test_nobody_is_asked_for_a_look_inside(call: FakeCall, tool: str, given: dict[str, Any]) -> None:
    done = await use(call, tool, **given)
    assert (call.asked, done.is_error) == ([], False)
    assert "hidden" not in done.text


@pytest.mark.parametrize("tool, given", [*OUTSIDE, *CHANGES])
async def test_a_person_is_asked_for_the_rest_and_no_means_no(
    call: FakeCall, directory: Path, tool: str, given: dict[str, Any]
) -> None:
    call.allows = False
    with pytest.raises(Rejected):
        await use(call, tool, **given)
    assert len(call.asked) == 1
    assert (directory / "a.txt").read_text() == "one\ntwo\nthree\n"
    assert (directory.parent / "secret.txt").read_text() == "hidden\n"
    assert sorted(path.name for path in directory.parent.iterdir()) == ["project", "secret.txt"]


@pytest.mark.parametrize("tool, given", OUTSIDE)
async def test_approved_it_happens(call: FakeCall, tool: str, given: dict[str, Any]) -> None:
    assert not (await use(call, tool, **given)).is_error


async def test_a_change_outside_asks_for_the_look_first(call: FakeCall, directory: Path) -> None:
    secret = str(directory.parent / "secret.txt")
    await use(call, "edit", path="link.txt", old="hidden", new="shown")
    assert call.asked == [f"read {secret}", f"Edit {secret}"]
    assert (directory / "link.txt").is_symlink()
    assert (directory.parent / "secret.txt").read_text() == "shown\n"


async def test_a_file_outside_is_not_replaced_unseen(call: FakeCall, directory: Path) -> None:
    secret = str(directory.parent / "secret.txt")
    await use(call, "write", path="../secret.txt", content="x")
    await use(call, "write", path="../new.txt", content="x")
    assert call.asked == [f"read {secret}", f"Write {secret}", f"Write {directory.parent / 'new.txt'}"]


async def test_what_is_in_a_file_outside_is_not_found_out_by_guessing(call: FakeCall) -> None:
    call.allows = False
    for old in ("hidden", "not there"):
        with pytest.raises(Rejected):
            await use(call, "edit", path="../secret.txt", old=old, new="x")


async def test_what_changes_while_the_person_thinks_is_not_overwritten(call: FakeCall, directory: Path) -> None:
    call.before_answer = lambda: (directory / "a.txt").write_text("one\ntwo\nfour\n") and None
    with pytest.raises(CannotDo, match="changed meanwhile"):
        await use(call, "edit", path="a.txt", old="two", new="2")
    assert (directory / "a.txt").read_text() == "one\ntwo\nfour\n"


# -- what is shown ---------------------------------------------------------------------------------------------------


async def test_a_change_is_shown_as_a_diff(call: FakeCall, directory: Path) -> None:
    done = await use(call, "edit", path="a.txt", old="two", new="2")
    path = str(directory / "a.txt")
    diff = {"type": "diff", "path": path, "oldText": "one\ntwo\nthree\n", "newText": "one\n2\nthree\n"}
    assert call.announced == [("Edit a.txt", "edit", {"path": path, "old": "two", "new": "2"}, (diff,))]
    assert done == Done(f"{path} is changed.", content=(diff,))


async def test_a_new_file_has_no_old_text(call: FakeCall, directory: Path) -> None:
    await use(call, "write", path="deep/new.txt", content="x\n")
    ((title, _, _, (diff,)),) = call.announced
    assert (title, diff["oldText"], diff["newText"]) == ("Write deep/new.txt", None, "x\n")
    assert (directory / "deep/new.txt").read_text() == "x\n"


async def test_a_command_is_shown_whole(call: FakeCall, directory: Path) -> None:
    await use(call, "bash", command="true  # x")
    assert call.announced == [("true  # x", "execute", {"cwd": str(directory), "command": "true  # x"}, ())]


# -- what they bring -------------------------------------------------------------------------------------------------


async def test_read_numbers_the_lines_and_says_what_is_left(call: FakeCall, directory: Path) -> None:
    assert (await use(call, "read", path="a.txt")).text == "1\tone\n2\ttwo\n3\tthree"
    part = (await use(call, "read", path="a.txt", offset=2, limit=1)).text
    assert part == "2\ttwo\n(the file has 3 lines; read on with offset 3)"
    assert "has 3 lines" in (await use(call, "read", path="a.txt", offset=9)).text
    (directory / "empty").write_text("")
    assert (await use(call, "read", path="empty")).text == "(the file is empty)"


async def test_read_bounds_long_lines_and_long_files(call: FakeCall, directory: Path) -> None:
    (directory / "long").write_text("x" * 100_000 + "\n" + "y" * 1500 + "\n" + "z\n" * 100_000)
    first = (await use(call, "read", path="long")).text
    assert len(first) < 70_000 and "x..." in first and "2\t" + "y" * 1500 + "\n" in first
    assert "read on with offset" in first


@pytest.mark.parametrize(
    "old, new, why",
    [("nothing", "x", "is not in the file"), ("o", "x", "stands there 2 times"), ("two", "two", "are the same")],
)
async def test_edit_says_why_it_cannot(call: FakeCall, old: str, new: str, why: str) -> None:
    with pytest.raises(CannotDo, match=why):
        await use(call, "edit", path="a.txt", old=old, new=new)
    assert call.asked == []


async def test_edit_replaces_all_when_told_to(call: FakeCall, directory: Path) -> None:
    await use(call, "edit", path="a.txt", old="o", new="0", all=True)
    assert (directory / "a.txt").read_text() == "0ne\ntw0\nthree\n"


async def test_edit_finds_text_of_several_lines_in_a_file_from_windows(call: FakeCall, directory: Path) -> None:
    (directory / "dos.txt").write_bytes(b"one\r\ntwo\r\nthree\r\n")
    await use(call, "edit", path="dos.txt", old="one\ntwo\n", new="1\n2\n")
    assert (directory / "dos.txt").read_bytes() == b"1\r\n2\r\nthree\r\n"


async def test_write_of_the_same_is_nothing_to_ask_for(call: FakeCall) -> None:
    with pytest.raises(CannotDo, match="already"):
        await use(call, "write", path="a.txt", content="one\ntwo\nthree\n")


async def test_bash_tells_how_it_ended(call: FakeCall) -> None:
    assert await use(call, "bash", command="echo hi") == Done("hi\n")
    assert await use(call, "bash", command="echo hi; exit 3") == Done("hi\n\n(exit code 3)", is_error=True)
    assert (await use(call, "bash", command="true")).text == "(no output)"
    late = await use(call, "bash", command="sleep 600", timeout_seconds=1)
    assert late.is_error and "it took too long" in late.text


async def test_glob_and_grep(call: FakeCall, directory: Path) -> None:
    (directory / "src").mkdir()
    (directory / "src/b.py").write_text("def two():\n")
    assert (await use(call, "glob", pattern="**/*.{py,txt}")).text == "a.txt\nlink.txt\nsrc/b.py"
    assert (await use(call, "grep", pattern=r"t\w+o?")).text == "a.txt:2: two\na.txt:3: three\nsrc/b.py:1: def two():"
    assert (await use(call, "grep", pattern="TWO", glob="*.py", ignore_case=True)).text == "src/b.py:1: def two():"
    assert (await use(call, "grep", pattern="nothing")).text == "(nothing found)"
    assert (await use(call, "glob", pattern="*.c")).text == "(no such file)"


async def test_a_search_finds_only_so_many(call: FakeCall, directory: Path) -> None:
    (directory / "many.txt").write_text("row\n" * 1000)
    rows = (await use(call, "grep", pattern="row")).text.splitlines()
    assert len(rows) == 201 and rows[-1] == "(only the first 200 lines; there are more)"


async def test_a_pattern_without_end_is_ended(call: FakeCall, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tetherd.agents.workers.tools.looking.LIMIT_SECONDS", 1)
    (directory / "evil.txt").write_text("a" * 60 + "!\n")
    with pytest.raises(CannotDo, match="took longer"):
        await use(call, "grep", pattern="(a+)+$", path="evil.txt")


@pytest.mark.parametrize(
    "tool, given",
    [
        ("read", {}),
        ("read", {"path": 7}),
        ("read", {"path": "a.txt", "offset": 0}),
        ("read", {"path": "a.txt", "limit": 10**30}),
        ("read", {"path": "a.txt", "encoding": "utf-8"}),
        ("read", {"path": "a\0"}),
        ("edit", {"path": "a.txt", "old": "", "new": "x"}),
        ("write", {"path": "a.txt"}),
        ("bash", {"command": ""}),
        ("bash", {"command": "echo \0"}),
        ("bash", {"command": "true", "timeout_seconds": 10**9}),
        ("glob", {"pattern": ""}),
        ("grep", {"pattern": "("}),
        ("grep", {"pattern": "x" * 2000}),
    ],
)
async def test_wrong_input_is_told_to_the_model(call: FakeCall, tool: str, given: dict[str, Any]) -> None:
    with pytest.raises(CannotDo):
        await use(call, tool, **given)
    assert call.asked == []


def test_every_tool_is_offered_with_a_schema_of_an_object() -> None:
    assert list(TOOLS) == ["read", "write", "edit", "glob", "grep", "bash"]
    for name, tool in TOOLS.items():
        offer = tool.offer
        assert (offer.name, offer.schema["type"]) == (name, "object")
        assert offer.schema["additionalProperties"] is False
        assert offer.description
