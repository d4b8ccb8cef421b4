"""The real Claude Code behind a real daemon: every step that people take with it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.claude import Claude, bash, call, claude_daemon, outcomes
from tests.e2e.daemon import Daemon, messages, of_type, until
from tests.e2e.model import KEY, Model
from tests.emulators.script import prompt
from tetherd.client.client import ApiError

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
COLOURS = {
    "question": "Which colour?",
    "header": "Colour",
    "multiSelect": False,
    "options": [{"label": "Red", "description": "fire"}, {"label": "Blue", "description": "sea"}],
}


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Daemon, Model]]:
    """One daemon for all that leave it as they found it."""
    with claude_daemon() as (daemon, model):
        daemon.start()
        yield daemon, model


@pytest.fixture
def claude(running: tuple[Daemon, Model], request: pytest.FixtureRequest) -> Iterator[Claude]:
    """A session of its own that has not begun."""
    session = Claude(*running, name=f"work-{request.node.name[:60]}")
    yield session
    session.end()


def test_text_is_streamed_and_counted(claude: Claude) -> None:
    claude.begin({"think": "Let me see.", "say": "Good morning.", "chunks": 4}, text="hello")
    events = claude.turns_done(1)
    assert messages(events) == ["Good morning."]
    (thought,) = {event["data"]["text"] for event in of_type(events, "thinking_written") if event["data"]["text"]}
    assert thought == "Let me see."
    (usage,) = of_type(events, "usage_reported")
    assert (usage["data"]["input_tokens"], usage["data"]["output_tokens"]) == (1000, 42)
    assert usage["data"]["cost_usd"] > 0
    (ready,) = of_type(events, "agent_ready")
    assert ready["data"]["agent_version"] == "2.1.330"
    assert ready["data"]["vendor_session_id"] == claude.state()["vendor_session_id"]
    assert not of_type(events, "output_unrecognised")


def test_a_command_is_run_once_it_is_approved(claude: Claude) -> None:
    claude.begin({"call": [bash("echo hi > made.txt; cat made.txt")]}, {"say": "Done."})
    (approval,) = claude.waiting()
    assert (approval["kind"], approval["command"]) == ("command", "echo hi > made.txt; cat made.txt")
    assert not (claude.directory / "made.txt").exists()
    claude.decide(approval)
    events = claude.turns_done(1)
    (finished,) = of_type(events, "tool_call_finished")
    assert (finished["data"]["ok"], finished["data"]["output"]) == (True, "hi")
    assert (claude.directory / "made.txt").read_text() == "hi\n"


def test_a_command_that_only_reads_reaches_our_policy_and_so_does_what_the_user_allows(claude: Claude) -> None:
    settings = claude.daemon.home / ".claude" / "settings.json"
    settings.parent.mkdir(exist_ok=True)
    settings.write_text(json.dumps({"permissions": {"allow": ["Bash(touch *)", "Read(//etc/**)"]}}))
    commands = ["ls", "touch x"]
    claude.begin(*({"call": [bash(command)]} for command in commands), {"say": "Done."})
    for command in commands:
        assert claude.approve_next()["command"] == command
        until(lambda wanted=command: _answered(claude, wanted), "the answer to arrive")
    claude.turns_done(1)
    claude.send({"call": [call("Read", file_path="/etc/hostname")]}, {"say": "Read."})
    assert claude.approve_next()["tool"] == "Read"
    claude.turns_done(2)


def _answered(claude: Claude, command: str) -> bool:
    waiting = claude.state()["open_approvals"]
    return all(approval["command"] != command for approval in waiting)


def test_a_denied_write_is_told_to_the_model_with_the_reason(claude: Claude) -> None:
    target = claude.directory / "no.txt"
    claude.begin({"call": [call("Write", file_path=str(target), content="no\n")]}, {"say": "Then not."})
    (approval,) = claude.waiting()
    assert (approval["kind"], approval["files"][0]["path"]) == ("edit", str(target))
    assert "+no\n" in approval["files"][0]["diff"]
    claude.decide(approval, "reject", reason="not in this folder, please")
    events = claude.turns_done(1)
    claude.model.wait_for_turn_with("not in this folder, please")
    assert messages(events) == ["Then not."]
    assert not target.exists()


def test_an_edited_input_is_what_runs(claude: Claude) -> None:
    claude.begin({"call": [bash("echo one > a")]}, {"say": "Done."})
    (approval,) = claude.waiting()
    claude.decide(approval, updated_input={"command": "echo two > a", "description": "mine"})
    claude.turns_done(1)
    assert (claude.directory / "a").read_text() == "two\n"


def test_two_that_wait_are_answered_in_reverse(claude: Claude) -> None:
    paths = [claude.daemon.home / name for name in ("one.txt", "two.txt")]
    for path in paths:
        path.write_text(f"this is {path.name}\n")
    claude.begin({"call": [call("Read", file_path=str(path)) for path in paths]}, {"say": "Read."})
    first, second = claude.waiting(2)
    claude.decide(second, "reject", reason="the second not")
    claude.decide(first)
    events = claude.turns_done(1)
    results = {event["data"]["ok"]: event["data"]["output"] for event in of_type(events, "tool_call_finished")}
    assert "this is one.txt" in results[True]
    assert results[False] == "the second not"


def test_a_question_is_answered(claude: Claude) -> None:
    claude.begin({"call": [call("AskUserQuestion", questions=[COLOURS])]}, {"say": "Blue it is."})
    (question,) = claude.waiting()
    assert (question["kind"], question["title"]) == ("question", "Which colour?")
    blue = next(option["option_id"] for option in question["options"] if option["label"] == "Blue")
    claude.decide(question, answer={"choice": [blue]})
    claude.turns_done(1)
    claude.model.wait_for_turn_with('"Which colour?"="Blue"')


def test_a_plan_is_rejected_and_then_approved(claude: Claude) -> None:
    plan = call("ExitPlanMode", plan="1. Look")
    claude.begin({"call": [call("EnterPlanMode")]}, {"call": [plan]}, {"say": "Again."}, text="plan it")
    (rejected,) = claude.waiting()
    assert rejected["kind"] == "plan"
    claude.decide(rejected, "reject", reason="look twice")
    claude.turns_done(1)
    claude.model.wait_for_turn_with("look twice")
    claude.send({"call": [plan]}, {"say": "I leap."})
    assert claude.approve_next()["kind"] == "plan"
    claude.turns_done(2)
    claude.model.wait_for_turn_with("User has approved")


def test_a_plan_that_was_written_down_is_what_is_shown(claude: Claude) -> None:
    claude.begin({"call": [call("EnterPlanMode")]}, {"say": "I plan."})
    claude.turns_done(1)
    body = json.dumps(claude.model.wait_for_turn_with("/.claude/plans/", str(claude.directory)))
    file = body[: body.index(".md", body.index("/.claude/plans/")) + 3].rpartition('"')[2].rpartition(" ")[2]
    write = call("Write", file_path=file, content="# The plan\n1. Go\n")
    claude.send({"call": [write]}, {"call": [call("ExitPlanMode")]}, {"say": "I go."})
    (approval,) = claude.waiting()
    assert (approval["kind"], approval["input"]["plan"]) == ("plan", "# The plan\n1. Go\n")
    claude.decide(approval)
    claude.turns_done(2)


def test_an_interrupt_in_mid_command_leaves_no_process_and_the_next_prompt_works(claude: Claude) -> None:
    claude.begin({"call": [bash("setsid sleep 4711 & sleep 4711")]}, {"say": "never"})
    claude.approve_next()
    until(lambda: len(claude.processes("sleep\x004711")) == 2, "both sleeps to run")
    claude.ask("interrupt")
    assert outcomes(claude.turns_done(1)) == ["interrupted"]
    until(lambda: not claude.processes("sleep\x004711"), "its processes to be gone")
    claude.send({"say": "Here again."})
    assert messages(claude.turns_done(2)) == ["Here again."]


def test_an_interrupt_in_mid_sentence_and_one_while_it_asks(claude: Claude) -> None:
    claude.begin({"say": "This is cut short.", "chunks": 3, "hold": "said", "hold_after": 1})
    claude.model.wait_for_hold("said")
    claude.ask("interrupt")
    assert outcomes(claude.turns_done(1)) == ["interrupted"]
    claude.send({"call": [bash("echo never > never")]}, {"say": "never"})
    (approval,) = claude.waiting()
    claude.ask("interrupt")
    assert outcomes(claude.turns_done(2))[1] == "interrupted"
    assert claude.daemon.get(f"/api/approvals/{approval['approval_id']}")["state"] == "resolved"
    assert not (claude.directory / "never").exists()


def test_a_follow_up_while_it_is_busy_is_the_next_turn(claude: Claude) -> None:
    claude.begin({"say": "Busy.", "chunks": 2, "hold": "busy"})
    claude.model.wait_for_hold("busy")
    claude.send({"say": "And now this."})
    assert len(claude.state()["queued"]) == 1
    claude.model.release("busy")
    events = claude.turns_done(2)
    assert messages(events) == ["Busy.", "And now this."]
    assert outcomes(events) == ["completed", "completed"]


def test_a_command_in_the_background_begins_a_turn_when_it_ends(claude: Claude) -> None:
    gate = claude.directory / "gate"
    os.mkfifo(gate)
    claude.begin({"call": [bash("cat gate", run_in_background=True)]}, {"say": "It runs."}, {"say": "It ended."})
    claude.approve_next()
    claude.turns_done(1)
    gate.write_text("late\n")
    events = claude.turns_done(2)
    assert messages(events) == ["It runs.", "It ended."]
    assert [event["data"]["cause"] for event in of_type(events, "turn_started")] == ["input", "agent"]


def test_what_a_sub_agent_does_is_shown_as_its_own_and_asked_about(claude: Claude) -> None:
    own = prompt({"say": "I look.", "call": [bash("echo from below > below")]}, {"say": "That is all."})
    task = call("Agent", description="look around", subagent_type="general-purpose", prompt=own)
    claude.begin({"call": [task]}, {"say": "It looks."}, {"say": "It has looked."})
    approval = claude.approve_next()
    assert approval["command"] == "echo from below > below"
    events = claude.turns_done(2)
    below = {
        event["data"]["text"]: event["data"]["parent_tool_call_id"] for event in of_type(events, "message_written")
    }
    (agent, _) = of_type(events, "tool_call_started")
    assert below["I look."] == below["That is all."] == agent["data"]["tool_call_id"]
    assert below["It has looked."] is None
    assert (claude.directory / "below").exists()


def test_an_image_reaches_the_model_whole(claude: Claude) -> None:
    claude.begin({"say": "Ready."})
    claude.turns_done(1)
    claude.send({"say": "A pixel."}, images=[{"media_type": "image/png", "data": PIXEL}])
    events = claude.turns_done(2)
    claude.model.wait_for_turn_with(PIXEL)
    (_, accepted) = of_type(events, "input_accepted")
    (image,) = accepted["data"]["images"]
    assert (image["media_type"], image["size"]) == ("image/png", len(base64.b64decode(PIXEL)))


def test_a_slash_command_is_carried_out(claude: Claude) -> None:
    claude.begin(text="/cost")
    events = claude.turns_done(1)
    assert any("Estimated cost" in text for text in messages(events))
    assert not [turn for turn in claude.model.turns() if "/cost" in json.dumps(turn)]


def test_stop_resume_and_fork_keep_the_conversation(claude: Claude) -> None:
    claude.begin({"say": "I shall remember the word heron."}, text="the word is heron")
    claude.turns_done(1)
    conversation = claude.state()["vendor_session_id"]
    claude.ask("stop")
    claude.ended()
    claude.ask("resume")
    claude.send({"say": "Heron."}, text="which word?")
    events = claude.turns_done(2)
    assert claude.state()["vendor_session_id"] == conversation
    claude.model.wait_for_turn_with("which word?", "I shall remember the word heron.")
    costs = [event["data"]["cost_usd"] for event in of_type(events, "usage_reported")]
    assert costs[1] == pytest.approx(costs[0], rel=0.5)  # its own cost, and not the sum of both runs

    fork = Claude(claude.daemon, claude.model)
    fork.session_id = claude.daemon.post(
        "/api/sessions", {"name": "Fork", "fork_of": claude.session_id, "prompt": "and in the fork?"}
    )["session_id"]
    fork.turns_done(1)
    assert fork.state()["vendor_session_id"] not in (None, conversation)
    assert fork.state()["directory"] == str(claude.directory)
    claude.model.wait_for_turn_with("and in the fork?", "I shall remember the word heron.")
    claude.send({"say": "Still here."}, text="and the original?")
    claude.turns_done(3)
    assert "and in the fork?" not in json.dumps(claude.model.wait_for_turn_with("and the original?"))
    fork.end()


def test_one_conversation_is_open_in_one_session_only_also_after_a_crash() -> None:
    with claude_daemon() as (daemon, model):
        daemon.start()
        claude = Claude(daemon, model).begin({"say": "Here."})
        claude.turns_done(1)
        body = {"adapter": "claude", "vendor_session_id": claude.state()["vendor_session_id"], "start": True}
        with pytest.raises(ApiError) as refused:
            daemon.new_session(**body)
        assert refused.value.code == "conversation_open"
        daemon.kill()
        daemon.start()
        with pytest.raises(ApiError):
            daemon.new_session(**body)
        claude.end()
        other = daemon.new_session(**body)
        daemon.wait_for_state(other, "awaiting_input")
        with pytest.raises(ApiError):
            claude.ask("resume")


@pytest.mark.parametrize("trusted", [False, True])
def test_what_lies_in_a_directory_runs_only_where_it_is_trusted(trusted: bool) -> None:
    with claude_daemon() as (daemon, model):
        claude = Claude(daemon, model)
        if trusted:
            daemon.environ["TETHER_TRUSTED_DIRECTORIES"] = str(daemon.home)
        (claude.directory / ".claude").mkdir()
        hook = {"hooks": [{"type": "command", "command": f"touch {claude.directory}/hooked"}]}
        settings = {"hooks": {"UserPromptSubmit": [hook]}, "enableAllProjectMcpServers": True}
        (claude.directory / ".claude" / "settings.json").write_text(json.dumps(settings))
        server = {"command": "touch", "args": [f"{claude.directory}/served"]}
        (claude.directory / ".mcp.json").write_text(json.dumps({"mcpServers": {"s": server}}))
        (claude.directory / "CLAUDE.md").write_text("Always speak like a heron.")
        daemon.start()
        claude.begin({"say": "Here."})
        claude.turns_done(1)
        assert (claude.directory / "hooked").exists() is trusted
        assert ("Always speak like a heron." in json.dumps(model.turns())) is trusted
        if not trusted:
            assert not (claude.directory / "served").exists()


def test_it_gets_nothing_of_ours_and_sends_nothing_home(claude: Claude) -> None:
    claude.begin({"say": "Here."})
    claude.turns_done(1)
    (pid,) = claude.processes(claude.state()["vendor_session_id"])
    environ = dict(pair.split("=", 1) for pair in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in pair)
    assert [key for key in environ if key.startswith("TETHER_")] == ["TETHER_RUN_ID"]
    assert claude.daemon.token not in json.dumps(environ)
    assert environ["ANTHROPIC_API_KEY"] == KEY
    quiet = ("DISABLE_TELEMETRY", "DISABLE_AUTOUPDATER", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC")
    assert [environ.get(key) for key in quiet] == ["1", "1", "1"]
