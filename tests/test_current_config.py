"""Settings that are read again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tetherd.bridge import load_bridges
from tetherd.config import CONFIG_FILE, Config, read_config
from tetherd.current_config import AT_START, CurrentConfig
from tetherd.plugin import load_adapters

ADAPTERS, BRIDGES = load_adapters(), load_bridges()


def current(directory: Path, environ: Mapping[str, str]) -> CurrentConfig:
    def read() -> Config:
        return read_config(environ, directory, directory, adapters=ADAPTERS, bridges=BRIDGES)

    return CurrentConfig(read(), environ, ADAPTERS, BRIDGES, read)


def write(directory: Path, text: str) -> None:
    (directory / CONFIG_FILE).write_text(text)


def test_what_counts_at_once_and_what_waits(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PATH": "/bin"}
    now = current(tmp_path, environ)
    settings, environments = now.settings, now.environments
    write(
        tmp_path,
        "TETHER_AGENT_LOG_LEVEL=debug\nTETHER_ACP_COMMAND=agent --acp\nTETHER_AGENT_PORT=9000\n"
        "TETHER_AGENT_TOKEN=0123456789abcdef\nTETHER_AGENT_ENV=KEY\nKEY=one\n",
    )
    assert now.take(now.read()) == (
        ("TETHER_AGENT_LOG_LEVEL", "TETHER_AGENT_ENV", "TETHER_ACP_COMMAND", "KEY"),
        ("TETHER_AGENT_TOKEN", "TETHER_AGENT_PORT"),
    )
    assert now.config.log_level == "debug"
    assert (now.config.port, now.config.token) == (8787, None)
    assert settings["acp"]["command"] == "agent --acp", "whoever held them sees them"
    assert environments["demo"] == {"HOME": str(tmp_path), "PATH": "/bin", "KEY": "one"}


def test_a_value_that_agents_are_given_is_renewed_and_taken_away(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    write(tmp_path, "TETHER_AGENT_ENV=KEY\nKEY=one\n")
    now = current(tmp_path, environ)
    write(tmp_path, "TETHER_AGENT_ENV=KEY\nKEY=two\n")
    assert now.take(now.read()) == (("KEY",), ())
    assert now.environments["demo"]["KEY"] == "two"
    assert now.take(now.read()) == ((), ())
    write(tmp_path, "")
    assert now.take(now.read()) == (("TETHER_AGENT_ENV", "KEY"), ())
    assert "KEY" not in now.environments["demo"]


def test_what_waits_is_said_each_time_until_the_next_start(tmp_path: Path) -> None:
    now = current(tmp_path, {"HOME": str(tmp_path)})
    write(tmp_path, "TETHER_AGENT_PORT=9000\n")
    assert now.take(now.read()) == now.take(now.read()) == ((), ("TETHER_AGENT_PORT",))
    assert {"port", "hosts", "token", "data_dir", "chat_directories"} == AT_START
