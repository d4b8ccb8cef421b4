"""Inside or outside: by where a path leads, not by how it looks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tetherd.agents.workers.tools.place import CannotDo, Directory


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    real = tmp_path / "real"
    (real / "src").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    os.symlink("../../outside", real / "src" / "away")
    os.symlink("/etc/passwd", real / "passwd")
    os.symlink("src", real / "alias")
    os.symlink("loop", real / "loop")
    os.symlink("real", tmp_path / "given")
    return Directory(tmp_path / "given")


@pytest.mark.parametrize(
    "path", [".", "src", "src/new/deep.txt", "alias/x", "src/../x", "a b", "src/..", "loop/x", "~x", "-rf", "ü"]
)
def test_inside(directory: Directory, path: str) -> None:
    place = directory.locate(path)
    assert place.is_inside
    # as the session's directory is called, which may itself be a link: policy compares with that
    assert place.shown.startswith(str(directory.given))


@pytest.mark.parametrize(
    "path", ["..", "../outside", "/", "/etc/passwd", "passwd", "src/away", "src/away/x", "alias/away/../x", "~", "~/x"]
)
def test_outside(directory: Directory, path: str) -> None:
    assert not directory.locate(path).is_inside


def test_a_neighbour_whose_name_begins_the_same_is_outside(directory: Directory) -> None:
    assert not directory.locate("../real-too/x").is_inside


def test_an_absolute_path_through_the_link_is_inside(directory: Directory) -> None:
    place = directory.locate(str(directory.given / "alias" / "x"))
    assert (place.is_inside, place.shown) == (True, str(directory.given / "src" / "x"))
    assert directory.short(place) == "src/x"


@pytest.mark.parametrize("path", ["", "\0", "a\0b"])
def test_what_is_no_path(directory: Directory, path: str) -> None:
    with pytest.raises(CannotDo):
        directory.locate(path)
