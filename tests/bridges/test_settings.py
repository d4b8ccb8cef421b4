"""A bridge's settings: read like all others, and kept to itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tetherd.bridge import load_bridges
from tetherd.config import CONFIG_FILE, Config, WrongSetting, read_config
from tetherd.errors import Misconfigured

TOKEN = "123456789:" + "A" * 35
BRIDGES = load_bridges()


def read(root: Path, **environ: str) -> Config:
    return read_config({"HOME": str(root), **environ}, root, root / "config", bridges=BRIDGES)


def test_nothing_set_turns_nothing_on(tmp_path: Path) -> None:
    assert read(tmp_path).bridges == {"telegram": {}}


def test_settings_come_by_field_and_from_config_env(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / CONFIG_FILE
    file.write_text(f"TELEGRAM_BOT_TOKEN={TOKEN}\nTETHER_CHAT_DIRECTORIES=/a:/b/c\n")
    file.chmod(0o600)
    config = read(tmp_path, TELEGRAM_ALLOWED_USER_IDS="1, 22", TELEGRAM_FORUM_GROUP_ID="-1001234567890")
    own = config.bridges["telegram"]
    assert own["token"].get_secret_value() == TOKEN
    assert (own["users"], own["group"]) == (("1", "22"), "-1001234567890")
    assert config.chat_directories == (Path("/a"), Path("/b/c"))
    assert config.bridge_secrets == (TOKEN,) and TOKEN not in repr(config)


@pytest.mark.parametrize(
    "key, value",
    [
        ("TELEGRAM_BOT_TOKEN", "secret-but-wrong"),
        ("TELEGRAM_FORUM_GROUP_ID", "1234567890"),
        ("TELEGRAM_FORUM_GROUP_ID", "@group"),
        ("TELEGRAM_ALLOWED_USER_IDS", "@ada"),
        ("TELEGRAM_ALLOWED_USER_IDS", ","),
        ("TELEGRAM_API_BASE", "ftp://x"),
        ("TETHER_CHAT_DIRECTORIES", "relative"),
    ],
)
def test_wrong_values_are_named_and_secrets_are_not(key: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match=key) as error:
        read(tmp_path, **{key: value})
    assert ("secret" in str(error.value)) is False


def test_a_bridges_token_is_never_for_agents(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match="TELEGRAM_BOT_TOKEN is ours"):
        read(tmp_path, TETHER_AGENT_ENV="API_KEY TELEGRAM_BOT_TOKEN", TELEGRAM_BOT_TOKEN=TOKEN)


def test_a_work_tree_cannot_point_the_bridge_elsewhere(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / ".env").write_text("TELEGRAM_API_BASE=https://evil.example\n")
    with pytest.raises(Misconfigured, match="TELEGRAM_API_BASE is not read from a git work tree"):
        read(tmp_path)
