"""Settings: which place wins, what is refused, and what is only warned of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.generated_docs import ALL_SETTINGS
from tetherd import paths
from tetherd.bridge import load_bridges
from tetherd.config import CONFIG_FILE, Config, WrongSetting, make_token, read_config
from tetherd.errors import Misconfigured
from tetherd.plugin import load_adapters
from tetherd.settings import SETTINGS, env_example

PORT = "TETHER_AGENT_PORT"
ROOT = Path(__file__).parent.parent
ADAPTERS = load_adapters()
BRIDGES = load_bridges()


class Places:
    """A home with a place for config.env, and a directory with a place for ./.env."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / "project"
        self.config_dir = root / "config" / "tether"
        self.local = self.directory / ".env"
        self.config = self.config_dir / CONFIG_FILE
        self.directory.mkdir(parents=True)
        self.config_dir.mkdir(parents=True)
        self.environ = {"HOME": str(root)}

    def write(self, file: Path, text: str, mode: int = 0o600) -> None:
        file.write_text(text)
        file.chmod(mode)

    def read(self, flags: dict[str, str] | None = None, **environ: str) -> Config:
        return read_config(
            {**self.environ, **environ},
            self.directory,
            self.config_dir,
            flags=flags,
            adapters=ADAPTERS,
            bridges=BRIDGES,
        )

    def git(self, *words: str) -> None:
        command = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *words]
        subprocess.run(command, cwd=self.directory, check=True, capture_output=True)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


# -- precedence --------------------------------------------------------------------------------------------------


def test_nothing_set_gives_the_documented_defaults(places: Places) -> None:
    config = places.read()
    assert (config.adapter, config.token, config.port, config.log_level) == ("claude_auto", None, 8787, "info")
    assert config.is_loopback_only
    assert config.data_dir == paths.state_dir(places.environ)
    assert config.warnings == ()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://Laptop.Example.net/", "https://laptop.example.net"),
        ("https://x.example:443", "https://x.example"),
        ("https://x.example:8443", "https://x.example:8443"),
        ("http://x.example:80/", "http://x.example"),
    ],
)
def test_a_public_address_is_kept_as_browsers_name_it(places: Places, given: str, kept: str) -> None:
    assert places.read(TETHER_AGENT_PUBLIC_URL=given).public_url == kept


def test_a_written_out_default_is_the_default(places: Places) -> None:
    given = {setting.key: setting.default for setting in SETTINGS if setting.default}
    assert places.read(**given) == places.read()


def test_each_place_wins_over_those_below_it(places: Places) -> None:
    places.write(places.config, f"{PORT}=1001\n")
    assert places.read().port == 1001
    places.write(places.local, f"{PORT}=1002\n")
    assert places.read().port == 1002
    assert places.read(**{PORT: "1003"}).port == 1003
    assert places.read({PORT: "1004"}, **{PORT: "1003"}).port == 1004


def test_an_empty_value_counts_as_not_set(places: Places) -> None:
    places.write(places.config, f"{PORT}=1001\n")
    places.write(places.local, f"{PORT}=\n")
    assert places.read(**{PORT: ""}).port == 1001


def test_a_wrong_value_that_is_not_used_does_no_harm(places: Places) -> None:
    places.write(places.config, f"{PORT}=many\n")
    assert places.read(**{PORT: "1003"}).port == 1003


# -- wrong values ------------------------------------------------------------------------------------------------

WRONG = [
    (PORT, "0", "from 1 to 65535"),
    (PORT, "65536", "from 1 to 65535"),
    (PORT, "٣", "from 1 to 65535"),
    (PORT, "http", "from 1 to 65535"),
    ("TETHER_AGENT_ADAPTER", "Claude Code", "`tetherctl agents` lists them"),
    ("TETHER_AGENT_ADAPTER", "claud", ", ".join(sorted(ADAPTERS))),
    ("TETHER_AGENT_HOST", "example.org", "IP addresses of this machine"),
    ("TETHER_AGENT_PUBLIC_URL", "laptop.example.net", "an address such as"),
    ("TETHER_AGENT_PUBLIC_URL", "https://x.example/path", "an address such as"),
    ("TETHER_AGENT_PUBLIC_URL", "https://user:x@x.example", "an address such as"),
    ("TETHER_AGENT_HOST", "127.0.0.1,x", "separated by commas"),
    ("TETHER_AGENT_DATA_DIR", "state", "an absolute path"),
    ("TETHER_AGENT_LOG_LEVEL", "loud", "debug, info, warning, error"),
    ("TETHER_AGENT_LOG_FORMAT", "xml", "text, json"),
    ("TETHER_ACP_COMMAND", "'agent", "as a shell would read it"),
    ("TETHER_AGENT_ENV", "A-B", "names of environment variables"),
    ("TETHER_AGENT_ENV", PORT, "none of them TETHER_*"),
]


@pytest.mark.parametrize(("key", "value", "accepted"), WRONG)
def test_a_wrong_value_names_its_place_and_what_would_do(places: Places, key: str, value: str, accepted: str) -> None:
    places.write(places.config, f'# ours\n\n{key}="{value}"\n')
    with pytest.raises(WrongSetting) as refusal:
        places.read()
    said = str(refusal.value)
    assert said.startswith(f"{places.config}, line 3: {key}={value!r} cannot be used; accepted: ")
    assert accepted in said


@pytest.mark.parametrize("flags", [False, True])
def test_a_wrong_value_outside_files_names_the_place_too(places: Places, flags: bool) -> None:
    with pytest.raises(WrongSetting) as refusal:
        places.read({PORT: "x"}) if flags else places.read(**{PORT: "x"})
    assert refusal.value.where == ("the command line" if flags else "the environment")


def test_a_wrong_token_is_not_repeated(places: Places) -> None:
    with pytest.raises(WrongSetting) as refusal:
        places.read(TETHER_AGENT_TOKEN="my secret")
    assert "secret" not in str(refusal.value)


def test_a_default_adapter_that_is_not_installed_is_a_wrong_setting(places: Places) -> None:
    with pytest.raises(WrongSetting, match="the default"):
        read_config(places.environ, places.directory, places.config_dir, adapters={})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(key=st.sampled_from([setting.key for setting in ALL_SETTINGS]), value=st.text(max_size=30))
def test_whatever_stands_there_is_a_value_or_misconfigured(places: Places, key: str, value: str) -> None:
    try:
        places.read(**{key: value})
    except Misconfigured as error:
        assert key in str(error)


def test_a_default_adapter_may_be_named_by_its_short_name(places: Places) -> None:
    class Nicknamed(type(ADAPTERS["demo"])):  # type: ignore[misc]
        aliases = ("d",)

    config = read_config(
        {**places.environ, "TETHER_AGENT_ADAPTER": "d"},
        places.directory,
        places.config_dir,
        adapters={"demo": Nicknamed()},
    )
    assert config.adapter == "demo"


def test_an_adapters_keys_reach_its_own_agents_alone(places: Places) -> None:
    class Keyed(type(ADAPTERS["demo"])):  # type: ignore[misc]
        environment_keys = ("VENDOR_KEY", "VENDOR_URL", "UNSET")

    places.write(places.config, "VENDOR_URL=http://x\nVENDOR_KEY=old\n")
    environ = {**places.environ, "VENDOR_KEY": "k", "TETHER_AGENT_ADAPTER": "demo"}
    adapters = {"keyed": Keyed(), "demo": ADAPTERS["demo"]}
    config = read_config(environ, places.directory, places.config_dir, adapters=adapters)
    shown = {key: value.get_secret_value() for key, value in config.adapters["keyed"].environment.items()}
    assert shown == {"VENDOR_KEY": "k", "VENDOR_URL": "http://x"}
    assert config.adapters["demo"].environment == {}
    assert "old" not in repr(config)


# -- what values mean --------------------------------------------------------------------------------------------


def test_values_are_read_as_documented(places: Places) -> None:
    config = places.read(
        TETHER_AGENT_HOST="localhost, 10.0.0.7 [::1]",
        TETHER_AGENT_DATA_DIR="~/state",
        TETHER_AGENT_LOG_LEVEL="DEBUG",
        TETHER_ACP_COMMAND="agent --dir 'a b'",
        TETHER_AGENT_ENV="API_KEY,HTTPS_PROXY API_KEY",
        API_KEY="k",
        HTTPS_PROXY="p",
    )
    assert config.hosts == ("127.0.0.1", "::1", "10.0.0.7")
    assert not config.is_loopback_only
    assert config.data_dir == Path(places.environ["HOME"]) / "state"
    assert config.log_level == "debug"
    assert config.adapters["acp"].settings == {"command": "agent --dir 'a b'"}
    assert config.agent_env == ("API_KEY", "HTTPS_PROXY")
    assert {key: value.get_secret_value() for key, value in config.agent_environment.items()} == {
        "API_KEY": "k",
        "HTTPS_PROXY": "p",
    }


def test_values_for_agents_come_from_config_env_and_never_from_a_project(places: Places) -> None:
    places.write(places.config, "TETHER_AGENT_ENV=API_KEY,OTHER\nAPI_KEY=mine\n")
    places.write(places.local, "TETHER_AGENT_LOG_LEVEL=info\nAPI_KEY=theirs\nOTHER=theirs\n")
    config = places.read()
    assert {key: value.get_secret_value() for key, value in config.agent_environment.items()} == {"API_KEY": "mine"}
    assert config.warnings == ("TETHER_AGENT_ENV names OTHER, which is neither in the environment nor in config.env",)


def test_secrets_do_not_show_when_settings_are_printed(places: Places) -> None:
    config = places.read(TETHER_AGENT_TOKEN="t" * 20, TETHER_AGENT_ENV="API_KEY", API_KEY="hidden-key")
    assert "tttt" not in repr(config)
    assert "hidden-key" not in repr(config)


# -- warnings ----------------------------------------------------------------------------------------------------


def test_an_unknown_key_is_warned_of_with_the_nearest_name(places: Places) -> None:
    places.write(places.config, "\nTETHER_AGENT_PROT=1\n")
    places.write(places.local, "TETHER_COLOUR_OF_THE_SKY=blue\n")
    assert places.read().warnings == (
        f"{places.config}, line 2: there is no setting TETHER_AGENT_PROT; did you mean TETHER_AGENT_PORT?",
        f"{places.local}, line 1: there is no setting TETHER_COLOUR_OF_THE_SKY",
    )


def test_what_agents_get_from_us_is_no_unknown_key(places: Places) -> None:
    assert places.read(TETHER_RUN_ID="r", TETHER_SESSION_ID="s").warnings == ()


def test_tokens_that_others_can_read_or_guess_are_warned_of(places: Places) -> None:
    places.write(places.config, "TETHER_AGENT_TOKEN=abc\n", mode=0o644)
    readable, short = places.read().warnings
    assert readable.endswith(f"chmod 600 {places.config}")
    assert "shorter than 16 characters" in short


# -- whom to trust -----------------------------------------------------------------------------------------------


def test_a_tracked_env_file_is_refused_as_soon_as_it_holds_a_setting(places: Places) -> None:
    places.git("init", "-q")
    places.write(places.local, "OTHER=1\n")
    places.git("add", "-f", ".env")
    assert places.read().port == 8787
    places.write(places.local, f"{PORT}=1002\n")
    with pytest.raises(Misconfigured, match="is tracked by git"):
        places.read()
    places.git("rm", "-q", "-f", "--cached", ".env")
    assert places.read().port == 1002


GOOD = {
    "TETHER_AGENT_PUBLIC_URL": "https://laptop.example.net",
    "TETHER_AGENT_LIMITS": "sandbox=no",
    "TELEGRAM_BOT_TOKEN": "123456789:" + "A" * 35,
    "TELEGRAM_FORUM_GROUP_ID": "-1001234567890",
    "TELEGRAM_ALLOWED_USER_IDS": "1",
    "TELEGRAM_API_BASE": "http://localhost",
    "TETHER_CODEX_SANDBOX": "read-only",
    "TETHER_CODEX_RULES": "honour",
    "TETHER_CODEX_ACP_UNASKED_READS": "allow",
    "TETHER_PI_EXTENSIONS": "on",
}
"""Values of settings that 127.0.0.1 is none for."""

GUARDED = [setting.key for setting in ALL_SETTINGS if setting.guarded]


@pytest.mark.parametrize("key", [*GUARDED, "TETHER_AGENT_API_BASE"])
def test_guarded_settings_are_refused_in_a_work_tree_alone(places: Places, key: str) -> None:
    value = GOOD.get(key, "/w" if key.endswith("_DIRECTORIES") else "127.0.0.1")
    places.write(places.local, f"{key}={value}\n")
    places.read()
    places.git("init", "-q")
    with pytest.raises(Misconfigured) as refusal:
        places.read()
    assert str(refusal.value).startswith(f"{places.local}, line 1: {key} is not read from a git work tree")
    below = places.directory / "deep"
    below.mkdir()
    places.write(below / ".env", f"{key}={value}\n")
    with pytest.raises(Misconfigured, match="is not read from a git work tree"):
        read_config(places.environ, below, places.config_dir, adapters=ADAPTERS, bridges=BRIDGES)


def test_what_hands_the_daemon_over_is_guarded() -> None:
    assert {"TETHER_AGENT_TOKEN", "TETHER_AGENT_HOST", "TETHER_ACP_COMMAND"} <= set(GUARDED)


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_files_that_others_may_write_are_refused(places: Places, mode: int) -> None:
    for file in (places.config, places.local):
        places.write(file, f"{PORT}=1001\n", mode)
        with pytest.raises(Misconfigured, match=f"chmod go-w {file}"):
            places.read()
        file.unlink()


# -- the token and the reference ---------------------------------------------------------------------------------


def test_a_made_token_is_kept_privately_and_read_back(places: Places) -> None:
    places.write(places.config, "# mine\nTETHER_AGENT_PORT=1001", mode=0o644)
    token = make_token(places.config_dir)
    assert places.config.stat().st_mode & 0o777 == 0o600
    assert places.config.read_text() == f"# mine\nTETHER_AGENT_PORT=1001\nTETHER_AGENT_TOKEN={token}\n"
    config = places.read()
    assert config.token is not None and config.token.get_secret_value() == token
    assert config.warnings == ()
    assert make_token(places.config_dir) != token


def test_the_example_file_is_current() -> None:
    assert (ROOT / ".env.example").read_text() == env_example(ALL_SETTINGS), "write it again: see CONTRIBUTING.md"


def test_the_example_is_read_as_the_defaults_once_its_lines_count(places: Places) -> None:
    lines = [line[1:] if line.startswith("#TETHER_") else line for line in env_example(ALL_SETTINGS).splitlines()]
    places.write(places.config, "\n".join(lines) + "\n")
    bare = places.root / "bare"
    bare.mkdir()
    defaults = read_config(places.environ, bare, bare, adapters=ADAPTERS, bridges=BRIDGES)
    assert places.read() == defaults.model_copy(update={"config_dir": places.config_dir})


def test_each_setting_is_a_field_of_its_own() -> None:
    assert len({setting.key for setting in ALL_SETTINGS}) == len(ALL_SETTINGS)
    assert {setting.field for setting in SETTINGS} == set(Config.model_fields) - {
        "adapters",
        "agent_environment",
        "bridges",
        "config_dir",
        "warnings",
    }
