"""KEY=value files: how they are read, written, and told from those of others."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tetherd import envfile
from tetherd.envfile import (
    SIZE_LIMIT_BYTES,
    append_privately,
    is_in_work_tree,
    is_shown_to_others,
    read_env_file,
    require_own,
    require_untracked,
)
from tetherd.errors import Misconfigured


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.env"


def values(file: Path) -> dict[str, str]:
    return {key: entry.value for key, entry in read_env_file(file, "TETHER_").items()}


# -- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("# A=1\n", {}),
        ("A=1\nB = 2\nexport C=3\n", {"A": "1", "B": "2", "C": "3"}),
        ("A='x y'\nB=\"x\\ny\"\n", {"A": "x y", "B": "x\ny"}),
        ("A=x # said\nB='x # y'\n", {"A": "x", "B": "x # y"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("A=1\nA=\n", {}),
        ("A=${HOME}\n", {"A": "${HOME}"}),
        ("\ufeffA=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("this is no setting\nA=1\n", {"A": "1"}),
    ],
)
def test_what_a_file_says(file: Path, text: str, found: dict[str, str]) -> None:
    file.write_bytes(text.encode())
    assert values(file) == found


def test_each_value_knows_its_line(file: Path) -> None:
    file.write_text("# one\n\nA=1\n\n\nB='x\ny'\nC=3\n")
    where = {key: entry.where for key, entry in read_env_file(file, "TETHER_").items()}
    assert where == {"A": f"{file}, line 3", "B": f"{file}, line 6", "C": f"{file}, line 8"}


def test_a_line_of_ours_that_makes_no_sense_is_an_error(file: Path) -> None:
    file.write_text("A=1\n\nTETHER_AGENT_PORT='80\n")
    with pytest.raises(Misconfigured, match="line 3: not understood; accepted: KEY=value"):
        values(file)


def test_no_file_and_no_regular_file_say_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "directory").mkdir()
    for name in ("none", "directory", "pipe", "pipe/none"):
        assert values(tmp_path / name) == {}


def test_what_cannot_be_read_names_the_file(file: Path, tmp_path: Path) -> None:
    file.symlink_to(file)
    with pytest.raises(Misconfigured, match="cannot be read"):
        values(file)
    (tmp_path / "big").write_bytes(b"#" * (SIZE_LIMIT_BYTES + 1))
    with pytest.raises(Misconfigured, match="is larger than"):
        values(tmp_path / "big")
    (tmp_path / "latin").write_bytes(b"A=1\nB=\xfc\n")
    with pytest.raises(Misconfigured, match="line 2: not UTF-8"):
        values(tmp_path / "latin")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_misconfigured(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    try:
        assert all(values(file).values())
    except Misconfigured as error:
        assert str(file) in str(error)


# -- writing -----------------------------------------------------------------------------------------------------


def test_a_new_file_is_private_from_its_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "new" / "config.env"
    modes: list[int] = []
    real = os.replace

    def replace(draft: str, target: Path) -> None:
        modes.append(os.stat(draft).st_mode & 0o777)
        real(draft, target)

    monkeypatch.setattr(envfile.os, "replace", replace)
    before = os.umask(0)
    try:
        append_privately(file, "A=1\n")
    finally:
        os.umask(before)
    assert modes == [0o600]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(file.parent) == ["config.env"]


def test_what_was_there_stays_and_links_stay_links(tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles"
    kept.write_bytes(b"A=1")
    link = tmp_path / "config.env"
    link.symlink_to(kept)
    append_privately(link, "B=2\n")
    assert link.is_symlink()
    assert kept.read_bytes() == b"A=1\nB=2\n"


def test_a_write_that_fails_leaves_all_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("A=1\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(envfile.os, "fsync", full)
    with pytest.raises(Misconfigured, match="cannot be written: No space left on device"):
        append_privately(file, "B=2\n")
    assert file.read_text() == "A=1\n"
    assert os.listdir(file.parent) == ["config.env"]


# -- trust -------------------------------------------------------------------------------------------------------


def test_files_of_others_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("A=1\n")
    require_own(file)
    if file.stat().st_uid == 0:  # root's files are everybody's to believe
        os.chown(file, 12345, -1)
    else:
        monkeypatch.setattr(envfile.os, "geteuid", lambda: 12345)
    with pytest.raises(Misconfigured, match="belongs to another user"):
        require_own(file)


def test_who_may_read_a_file(file: Path) -> None:
    file.write_text("")
    for mode, shown in ((0o600, False), (0o640, True), (0o604, True)):
        file.chmod(mode)
        assert is_shown_to_others(file) is shown


def test_work_trees_are_known_by_name(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    assert not is_in_work_tree(deep)
    (tmp_path / "a" / ".git").write_text("gitdir: elsewhere\n")  # as in a linked work tree
    assert is_in_work_tree(deep)


def test_a_broken_repository_cannot_vouch_for_a_file(file: Path) -> None:
    require_untracked(file)
    (file.parent / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(Misconfigured, match="git cannot say whether it tracks it"):
        require_untracked(file)


def test_without_git_nothing_can_be_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file.parent / ".git").mkdir()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Misconfigured, match="git cannot say whether it tracks it"):
        require_untracked(file)


def test_a_repository_runs_nothing_while_it_is_asked(file: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=file.parent, check=True, capture_output=True)

    git("init", "-q")
    mark = file.parent / "ran"
    monitor = file.parent / "monitor.sh"
    monitor.write_text(f"#!/bin/sh\ntouch {mark}\n")
    monitor.chmod(0o755)
    git("config", "core.fsmonitor", str(monitor))
    require_untracked(file)
    assert not mark.exists()


def test_git_variables_of_ours_do_not_lead_it_elsewhere(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    file.write_text("A=1\n")
    subprocess.run(["git", "-C", str(tmp_path), "add", file.name], check=True)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "none"))
    with pytest.raises(Misconfigured, match="is tracked by git"):
        require_untracked(file)
