"""Daemon and clients find the same places, and asking makes none of them."""

from __future__ import annotations

from pathlib import Path

from tetherd import paths

XDG = {
    "HOME": "/home/ada",
    "XDG_CONFIG_HOME": "/etc/ada",
    "XDG_STATE_HOME": "/var/ada",
    "XDG_RUNTIME_DIR": "/run/user/7",
}


def test_xdg_directories_are_used_where_they_are_set() -> None:
    assert paths.config_dir(XDG) == Path("/etc/ada/tether")
    assert paths.state_dir(XDG) == Path("/var/ada/tether")
    assert paths.runtime_dir(XDG) == Path("/run/user/7/tetherd")
    assert paths.control_socket(XDG) == Path("/run/user/7/tetherd/control.sock")
    assert paths.shim_socket(paths.runtime_dir(XDG), "r-1") == Path("/run/user/7/tetherd/shim/r-1.sock")


def test_without_them_all_is_below_home() -> None:
    bare = {"HOME": "/home/ada"}
    assert paths.config_dir(bare) == Path("/home/ada/.config/tether")
    assert paths.state_dir(bare) == Path("/home/ada/.local/state/tether")
    assert paths.control_socket(bare) == Path("/home/ada/.local/state/tether/run/control.sock")


def test_empty_and_relative_directories_count_as_not_set() -> None:
    odd = {"HOME": "/home/ada", "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "state", "XDG_RUNTIME_DIR": "./run"}
    assert paths.config_dir(odd) == Path("/home/ada/.config/tether")
    assert paths.control_socket(odd) == Path("/home/ada/.local/state/tether/run/control.sock")


def test_without_home_the_account_says_where_it_is() -> None:
    assert paths.home({}).is_absolute()


def test_asking_creates_nothing(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    paths.config_dir(environ)
    paths.control_socket(environ)
    paths.shim_socket(paths.runtime_dir(environ), "r-1")
    assert list(tmp_path.iterdir()) == []


def test_a_socket_path_is_measured_in_bytes() -> None:
    assert paths.fits_socket(Path("/" + "x" * 102))
    assert not paths.fits_socket(Path("/" + "x" * 103))
    assert not paths.fits_socket(Path("/" + "ü" * 52))
