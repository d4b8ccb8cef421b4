"""What makes Codex ask, and the adapter's settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.agents.codex_spoken import THREAD, Spoken
from tests.agents.codex_talk import launch_spec
from tetherd.agents.adapters.codex import CodexAdapter
from tetherd.agents.codex.codec import CodexCodec
from tetherd.domain import events as ev
from tetherd.domain.effects import Prompt
from tetherd.domain.ids import InputId


def test_a_thread_begins_read_only_with_all_that_the_user_allowed_taken_back() -> None:
    spoken = Spoken(model="gpt-x")
    config = {
        "approval_policy": "never",
        "projects": {"/home/user/a": {"trust_level": "trusted"}, "/project": {"trust_level": "trusted"}},
        "mcp_servers": {
            "notes": {"env": {"KEY": "secret"}, "tools": {"change": {"approval_mode": "approve"}, "odd": 3}},
            "plain": {"default_tools_approval_mode": "approve"},
        },
    }
    spoken.looked(config=config)
    said = spoken.newest("thread/start")
    assert (said["approvalPolicy"], said["approvalsReviewer"], said["sandbox"]) == ("untrusted", "user", "read-only")
    assert (said["cwd"], said["model"]) == ("/project", "gpt-x")
    overrides = said["config"]
    assert overrides["projects"] == {path: {"trust_level": "untrusted"} for path in ("/home/user/a", "/project")}
    asking = {"default_tools_approval_mode": "prompt"}
    tools = {"change": {"approval_mode": "prompt"}, "odd": {"approval_mode": "prompt"}}
    assert overrides["mcp_servers"] == {"notes": {**asking, "tools": tools}, "plain": asking}
    assert overrides["web_search"] == "disabled"
    assert {"view_image", "apps", "plugins", "multi_agent", "unified_exec_tty"} <= overrides["features"].keys()
    assert not any(overrides["features"].values())


def test_no_key_of_the_users_settings_is_kept() -> None:
    spoken = Spoken()
    spoken.looked(config={"mcp_servers": {"notes": {"env": {"KEY": "secret"}}}, "projects": {}})
    assert "secret" not in json.dumps(spoken.codec.snapshot()) + json.dumps(spoken.lines)


def test_a_resumed_thread_gets_the_same_restraints() -> None:
    spoken = Spoken("v-1")
    spoken.looked(config={"projects": {"/a": {"trust_level": "trusted"}}})
    said = spoken.newest("thread/resume")
    assert (said["threadId"], said["approvalPolicy"], said["sandbox"]) == ("v-1", "untrusted", "read-only")
    assert said["config"]["projects"] == {path: {"trust_level": "untrusted"} for path in ("/a", "/project")}


@pytest.mark.parametrize(
    ("own", "policy"),
    [
        ({}, "dangerFullAccess"),
        ({"sandbox": "workspace-write"}, "workspaceWrite"),
        ({"sandbox": "read-only"}, "readOnly"),
        ({"sandbox": "danger-full-access"}, "dangerFullAccess"),
    ],
)
def test_every_turn_says_again_who_is_asked(own: dict[str, str], policy: str) -> None:
    (said,) = Spoken(**own, effort="high").ready().say(Prompt(InputId("i"), "go"), 7)
    params = said["params"]
    assert (params["approvalPolicy"], params["approvalsReviewer"]) == ("untrusted", "user")
    assert (params["sandboxPolicy"]["type"], params["effort"]) == (policy, "high")
    assert (said["id"], params["threadId"], params["input"][0]["text"]) == ("prompt-7", THREAD, "go")


def test_rules_of_codex_are_refused_unless_they_are_honoured() -> None:
    spoken = Spoken()
    (notice,) = spoken.looked(rules=("default.rules", "README.md")).events
    assert isinstance(notice, ev.NoticeRaised) and notice.code == "agent_refused"
    assert "default.rules" in notice.text and "TETHER_CODEX_RULES" in notice.text
    assert "README" not in notice.text
    assert not any(line.get("method") == "thread/start" for line in spoken.lines)
    honouring = Spoken(rules="honour")
    assert honouring.looked(rules=("default.rules",)).events == []
    assert honouring.newest("thread/start")


# -- the adapter -------------------------------------------------------------------------------------------------


def test_the_app_server_is_started() -> None:
    adapter = CodexAdapter()
    spec = launch_spec("/project", command="/opt/codex --profile 'a b'")
    launch = adapter.launch(spec)
    assert (launch.argv, launch.directory) == (("/opt/codex", "--profile", "a b", "app-server"), "/project")
    assert adapter.program(spec.settings) == "/opt/codex"
    assert adapter.launch(launch_spec("/project")).argv == ("codex", "app-server")
    assert isinstance(adapter.codec(spec, None), CodexCodec)


def test_the_settings_are_checked_when_they_are_read() -> None:
    parse = {setting.field: setting.parse for setting in CodexAdapter.settings}
    assert parse["model"]("gpt-5.5") == "gpt-5.5"
    assert parse["sandbox"]("Read-Only") == "read-only"
    for name, wrong in (("model", "a b"), ("effort", "-x"), ("sandbox", "none"), ("rules", "keep"), ("command", "'")):
        with pytest.raises(ValueError):
            parse[name](wrong)


def test_a_login_is_known_by_its_file(tmp_path: Path) -> None:
    adapter = CodexAdapter()
    (tmp_path / ".codex").mkdir()
    assert adapter.login({}, {"HOME": str(tmp_path)}) == "no login in auth.json"
    (tmp_path / ".codex" / "auth.json").write_text("{}")
    assert adapter.login({}, {"HOME": str(tmp_path)}) == "logged in"
    assert adapter.login({}, {"HOME": str(tmp_path), "CODEX_HOME": "/nowhere"}) == "no login in auth.json"
