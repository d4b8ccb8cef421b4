"""Files that are not what they seem, or no longer are."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from tetherd.agents.workers.tools.files import TEXT_LIMIT_BYTES, read_file, replace_file, text_of
from tetherd.agents.workers.tools.place import CannotDo, Directory, Place


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    (tmp_path / "project").mkdir()
    (tmp_path / "secret").write_text("secret")
    return Directory(tmp_path / "project")


def place(directory: Directory, path: str) -> Place:
    return directory.locate(path)


def test_a_file_is_read_and_none_is_none(directory: Directory) -> None:
    (directory.real / "a").write_bytes(b"x\0\xff")
    assert read_file(place(directory, "a")) == b"x\0\xff"
    assert read_file(place(directory, "b")) is None
    assert read_file(place(directory, "no/b")) is None


def test_what_is_no_file_is_not_waited_for(directory: Directory) -> None:
    os.mkfifo(directory.real / "pipe")
    with pytest.raises(CannotDo, match="no regular file"):
        read_file(place(directory, "pipe"))
    with pytest.raises(CannotDo, match="is a directory"):
        read_file(place(directory, "."))
    with pytest.raises(CannotDo, match="no regular file"):
        read_file(place(directory, "/dev/zero"))
    (directory.real / "plain").write_text("")
    with pytest.raises(CannotDo):
        read_file(place(directory, "plain/x"))


def test_a_file_without_end_is_not_read_to_its_end(directory: Directory) -> None:
    with (directory.real / "huge").open("wb") as file:
        file.truncate(TEXT_LIMIT_BYTES + 1)
    with pytest.raises(CannotDo, match="larger than"):
        read_file(place(directory, "huge"))


@pytest.mark.parametrize("data", [b"\xff\xfe", b"a\0b"])
def test_what_is_no_text_is_said_so(directory: Directory, data: bytes) -> None:
    with pytest.raises(CannotDo):
        text_of(place(directory, "a"), data)


def test_a_file_that_became_a_link_is_not_read(directory: Directory) -> None:
    (directory.real / "a").write_text("")
    judged = place(directory, "a")
    (directory.real / "a").unlink()
    os.symlink("../secret", directory.real / "a")
    with pytest.raises(CannotDo):
        read_file(judged)


def test_a_directory_on_the_way_that_became_a_link_is_not_followed(directory: Directory) -> None:
    (directory.real / "d").mkdir()
    judged = place(directory, "d/secret")
    (directory.real / "d").rmdir()
    os.symlink("..", directory.real / "d")
    with pytest.raises(CannotDo):
        read_file(judged)
    (directory.real / "d").unlink()
    # not the last part of the path, which O_NOFOLLOW alone would notice, but one before it
    (directory.real / "e" / "f").mkdir(parents=True)
    judged = place(directory, "e/f/new")
    outside = directory.real.parent / "outside"
    (outside / "f").mkdir(parents=True)
    shutil.rmtree(directory.real / "e")
    os.symlink(outside, directory.real / "e")
    with pytest.raises(CannotDo, match="meanwhile"):
        replace_file(judged, b"x", None)
    assert not (outside / "f" / "new").exists()


def test_a_file_is_replaced_in_one_step_and_keeps_its_mode(directory: Directory) -> None:
    file = directory.real / "run.sh"
    file.write_text("old")
    file.chmod(0o750)
    replace_file(place(directory, "run.sh"), b"new", b"old")
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("new", 0o750)
    assert os.listdir(directory.real) == ["run.sh"]


def test_a_new_file_gets_its_directories(directory: Directory) -> None:
    replace_file(place(directory, "a/b/c.txt"), "ü".encode(), None)
    assert (directory.real / "a/b/c.txt").read_text() == "ü"


@pytest.mark.parametrize("expected", [None, b"something else"])
def test_what_was_changed_meanwhile_stays(directory: Directory, expected: bytes | None) -> None:
    (directory.real / "a").write_text("now")
    with pytest.raises(CannotDo, match="changed meanwhile"):
        replace_file(place(directory, "a"), b"new", expected)
    assert (directory.real / "a").read_text() == "now"


def test_a_file_that_was_removed_meanwhile_is_not_made_again(directory: Directory) -> None:
    with pytest.raises(CannotDo, match="changed meanwhile"):
        replace_file(place(directory, "a"), b"new", b"old")
    assert os.listdir(directory.real) == []


def test_a_link_that_was_put_there_meanwhile_is_not_written_through(directory: Directory) -> None:
    judged = place(directory, "a")
    os.symlink("../secret", directory.real / "a")
    with pytest.raises(CannotDo):
        replace_file(judged, b"new", None)
    assert (directory.real.parent / "secret").read_text() == "secret"
