"""Settings: which one counts, and what is refused."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tetherd.config import Config, make_token, read_config
from tetherd.errors import Misconfigured

HOME = {"HOME": "/nowhere"}


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Where ./.env is looked for, and the configuration directory."""
    here, config = tmp_path / "here", tmp_path / "config"
    here.mkdir()
    config.mkdir()
    return here, config


def read(places: tuple[Path, Path], environ: Mapping[str, str] = {}, **more: Any) -> Config:
    return read_config({**HOME, **environ}, *places, **more)


def private(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


def test_defaults(places: tuple[Path, Path]) -> None:
    config = read(places)
    assert (config.adapter, config.port, config.hosts) == ("demo", 8787, ("127.0.0.1", "::1"))
    assert config.data_dir == Path("/nowhere/.local/state/tether")
    assert (config.token, config.warnings, config.is_loopback_only) == (None, (), True)


def test_the_environment_comes_before_dotenv_and_that_before_config_env(places: tuple[Path, Path]) -> None:
    here, config = places
    private(
        config / "config.env", "TETHER_AGENT_PORT=1001\nTETHER_AGENT_LOG_LEVEL=debug\nTETHER_AGENT_LOG_FORMAT=json\n"
    )
    assert read(places).port == 1001
    private(here / ".env", "TETHER_AGENT_PORT=1002\nTETHER_AGENT_LOG_LEVEL=error\nOTHER=x\n")
    assert read(places).port == 1002
    assert read(places, {"TETHER_AGENT_PORT": "1003"}).port == 1003
    everything = read(places, {"TETHER_AGENT_PORT": "1003"}, flags={"TETHER_AGENT_PORT": "1004"})
    assert (everything.port, everything.log_level, everything.log_format) == (1004, "error", "json")
    assert read(places, {"TETHER_AGENT_PORT": ""}).port == 1002


@pytest.mark.parametrize(
    "key, value",
    [
        ("TETHER_AGENT_PORT", "0"),
        ("TETHER_AGENT_PORT", "65536"),
        ("TETHER_AGENT_PORT", "8787x"),
        ("TETHER_AGENT_HOST", "example.org"),
        ("TETHER_AGENT_LOG_LEVEL", "loud"),
        ("TETHER_AGENT_DATA_DIR", "relative"),
        ("TETHER_AGENT_ADAPTER", "No Such"),
        ("TETHER_ACP_COMMAND", "'open"),
        ("TETHER_AGENT_ENV", "TETHER_AGENT_TOKEN"),
    ],
)
def test_a_wrong_value_says_where_it_stands_and_what_is_accepted(
    places: tuple[Path, Path], key: str, value: str
) -> None:
    private(places[1] / "config.env", f"# mine\n{key}={value}\n" if "'" not in value else f'# mine\n{key}="{value}"\n')
    with pytest.raises(Misconfigured) as wrong:
        read(places)
    said = str(wrong.value)
    assert f"{places[1] / 'config.env'}, line 2" in said and key in said and "accepted: " in said
    with pytest.raises(Misconfigured, match="the environment"):
        read(places, {key: value})


def test_a_wrong_token_is_not_repeated(places: tuple[Path, Path]) -> None:
    with pytest.raises(Misconfigured) as wrong:
        read(places, {"TETHER_AGENT_TOKEN": "two words"})
    assert "two words" not in str(wrong.value)


def test_an_adapter_that_is_not_installed_is_named_with_those_that_are(places: tuple[Path, Path]) -> None:
    with pytest.raises(Misconfigured, match="acp, demo"):
        read(places, {"TETHER_AGENT_ADAPTER": "nope"}, adapters={"demo", "acp"})


def test_an_unknown_key_is_a_warning_with_the_nearest_name(places: tuple[Path, Path]) -> None:
    (warning,) = read(places, {"TETHER_AGENT_PROT": "1"}).warnings
    assert "TETHER_AGENT_PROT" in warning and "did you mean TETHER_AGENT_PORT?" in warning
    assert read(places, {"TETHER_RUN_ID": "r-1"}).warnings == ()


def test_a_token_that_others_can_read_is_a_warning(places: tuple[Path, Path]) -> None:
    file = places[1] / "config.env"
    file.write_text("TETHER_AGENT_TOKEN=0123456789abcdef\n")
    file.chmod(0o644)
    assert any("chmod 600" in warning for warning in read(places).warnings)
    assert any("shorter" in warning for warning in read(places, {"TETHER_AGENT_TOKEN": "short"}).warnings)


def git(directory: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    subprocess.run(("git", *identity, *words), cwd=directory, check=True, capture_output=True)


def test_a_dotenv_that_git_tracks_is_refused(places: tuple[Path, Path]) -> None:
    here, _ = places
    git(here, "init", "-q")
    private(here / ".env", "TETHER_AGENT_PORT=1\n")
    assert read(places).port == 1
    git(here, "add", "-f", ".env")
    with pytest.raises(Misconfigured, match="git"):
        read(places)


@pytest.mark.parametrize(
    "line", ["TETHER_AGENT_TOKEN=0123456789abcdef", "TETHER_AGENT_HOST=0.0.0.0", "TETHER_ACP_COMMAND=x"]
)
def test_what_could_hand_us_over_is_not_read_from_a_work_tree(places: tuple[Path, Path], line: str) -> None:
    here, _ = places
    private(here / ".env", line + "\n")
    read(places)
    git(here, "init", "-q")
    with pytest.raises(Misconfigured, match="work tree"):
        read(places)


def test_a_dotenv_that_others_may_write_is_refused(places: tuple[Path, Path]) -> None:
    file = places[0] / ".env"
    file.write_text("TETHER_AGENT_PORT=1\n")
    file.chmod(0o666)
    with pytest.raises(Misconfigured):
        read(places)


def test_a_dotenv_of_somebody_else_without_settings_of_ours_does_not_matter(places: tuple[Path, Path]) -> None:
    file = places[0] / ".env"
    file.write_text("DATABASE_URL=x\nbroken line '\n")
    file.chmod(0o666)
    assert read(places).port == 8787


def test_a_made_token_is_kept_privately_and_found_again(places: tuple[Path, Path]) -> None:
    token = make_token(places[1])
    file = places[1] / "config.env"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = read(places).token
    assert found is not None and found.get_secret_value() == token
    assert token not in repr(read(places))


def test_agents_get_what_is_named_and_nothing_else(places: tuple[Path, Path]) -> None:
    private(places[1] / "config.env", "TETHER_AGENT_ENV=API_KEY,PROXY,GONE\nAPI_KEY=from-file\n")
    config = read(places, {"PROXY": "p", "SECRET": "s"})
    given = {key: value.get_secret_value() for key, value in config.agent_environment.items()}
    assert given == {"API_KEY": "from-file", "PROXY": "p"}
    assert any("GONE" in warning for warning in config.warnings)
