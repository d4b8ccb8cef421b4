"""The adapters of our own workers: what they would start, and when they would not."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tetherd.agents.adapters.claude_api import KEYS, ClaudeApiAdapter
from tetherd.agents.adapters.litellm import LiteLlmAdapter
from tetherd.domain.ids import RunId, SessionId
from tetherd.domain.modes import Mode
from tetherd.errors import Misconfigured
from tetherd.plugin import LaunchSpec

ENVIRONMENT = {"HOME": "/home/me", "ANTHROPIC_API_KEY": "sk-secret"}


def spec(settings: dict[str, str], conversation: str | None = None, fork_of: str | None = None) -> LaunchSpec:
    return LaunchSpec(
        session_id=SessionId("s-1"),
        run_id=RunId("r-1"),
        directory="/w",
        mode=Mode.ASK,
        vendor_session_id=conversation,
        fork_of=fork_of,
        settings=settings,
        environment=ENVIRONMENT,
    )


def test_the_settings_are_arguments_and_the_key_is_not() -> None:
    launch = ClaudeApiAdapter().launch(spec({"model": "claude-x", "effort": "low"}))
    assert launch.argv[:4] == (sys.executable, "-P", "-m", "tetherd.agents.workers.claude_api")
    assert launch.argv[4:] == ("--model=claude-x", "--effort=low", "--hidden", *KEYS)
    assert (launch.environment, launch.directory) == (ENVIRONMENT, "/w")


def test_what_is_not_set_is_not_said_and_a_model_is_never_an_option() -> None:
    launch = ClaudeApiAdapter().launch(spec({"model": "--hidden", "effort": ""}))
    assert launch.argv[4:] == ("--model=--hidden", "--hidden", *KEYS)


def test_a_conversation_is_named_and_a_copy_is_asked_for() -> None:
    adapter, settings = ClaudeApiAdapter(), {"model": "m", "effort": ""}
    assert adapter.launch(spec(settings, conversation="abc")).conversation == "abc"
    assert "--fork-of=abc" in adapter.launch(spec(settings, fork_of="abc")).argv


def test_how_it_would_log_in() -> None:
    for adapter in (ClaudeApiAdapter(), LiteLlmAdapter()):
        assert adapter.login({}, ENVIRONMENT) == "API key"
        assert adapter.login({}, {"HOME": "/home/me"}) == "no API key"


def test_without_the_extra_litellm_is_not_found_and_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)  # what Python takes for a module that is not there
    assert LiteLlmAdapter().program({}) is None
    with pytest.raises(Misconfigured, match=r"pip install 'tetherd\[litellm\]'"):
        LiteLlmAdapter().launch(spec({"model": "openai/m"}))


@pytest.mark.skipif(find_spec("litellm") is None, reason="LiteLLM is not installed: pip install -e '.[litellm]'")
def test_litellm_is_kept_from_the_network_at_its_start() -> None:
    launch = LiteLlmAdapter().launch(spec({"model": "openai/m", "effort": ""}))
    assert launch.environment["LITELLM_LOCAL_MODEL_COST_MAP"] == "True"
    with pytest.raises(Misconfigured, match="TETHER_LITELLM_MODEL is not set"):
        LiteLlmAdapter().launch(spec({"model": ""}))


def test_the_daemons_side_imports_neither_library() -> None:
    program = (
        "import sys\n"
        "from tetherd.plugin import load_adapters\n"
        "import tetherd.daemon\n"
        "assert {'claude_api', 'litellm'} <= set(load_adapters())\n"
        "print(sorted({'anthropic', 'litellm', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run((sys.executable, "-c", program), capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
