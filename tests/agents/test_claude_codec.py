"""Claude Code's codec on recorded conversations, and on nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.acp_replay import TRANSCRIPTS, joined, records_of, units, written
from tests.agents.claude_replay import NAMES, Replay, launch_spec
from tetherd.agents.claude.codec import ClaudeCodec
from tetherd.domain.approval import Answer, Approval
from tetherd.domain.effects import InterruptTurn, Prompt, Verdict
from tetherd.domain.events import (
    AgentEvent,
    AgentReady,
    ApprovalRequested,
    NoticeRaised,
    OutputUnrecognised,
    ToolCallFinished,
    ToolCallStarted,
    TurnCompleted,
    UsageReported,
)
from tetherd.domain.ids import InputId
from tetherd.framing import MAX_LINE
from tetherd.plugin import Fed

Json = dict[str, Any]


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_means_what_was_read_by_a_person(name: str) -> None:
    assert written(Replay(records_of(name)).run().events) == (TRANSCRIPTS / f"{name}.events").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_recording_is_unrecognised(name: str) -> None:
    assert [event for event in Replay(records_of(name)).run().events if isinstance(event, OutputUnrecognised)] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_new_life_after_every_line_comes_to_the_same_end(name: str) -> None:
    records = records_of(name)
    whole = Replay(records).run()
    for cut in range(len(records)):
        again = Replay(records, cuts=[cut]).run()
        assert joined(again.events) == joined(whole.events), cut
        assert again.frames == whole.frames, cut
    every = Replay(records, cuts=range(len(records))).run()
    assert joined(every.events) == joined(whole.events)
    assert max(every.snapshot_sizes) < 16 * 1024


@pytest.mark.parametrize("name", NAMES)
def test_we_still_say_what_the_real_program_was_told(name: str) -> None:
    replay = Replay(records_of(name)).run()
    assert sorted(map(json.dumps, replay.frames)) == sorted(map(json.dumps, replay.recorded))


@pytest.mark.parametrize("name", NAMES)
def test_deltas_add_up_to_what_is_written(name: str) -> None:
    replay = Replay(records_of(name)).run()
    texts: dict[str, str] = {}
    for delta in replay.deltas:
        assert delta.offset == units(texts.get(delta.message_id, ""))
        texts[delta.message_id] = texts.get(delta.message_id, "") + delta.text
    spoken = {e.message_id: e.text for e in joined(replay.events) if e.type in ("message_written", "thinking_written")}
    assert all(spoken[message_id] == text for message_id, text in texts.items())


# -- one line at a time ------------------------------------------------------------------------------------------

READY = {
    "type": "control_response",
    "response": {
        "subtype": "success",
        "request_id": "initialize",
        "response": {"claude_code_version": "2.1.330", "hook_on_failure_supported": True},
    },
}
INIT = {"type": "system", "subtype": "init", "session_id": "v-1", "claude_code_version": "2.1.330"}


def codec(**fields: Any) -> ClaudeCodec:
    made = ClaudeCodec(launch_spec(**fields), None)
    made.open()
    tell(made, READY)
    return made


def tell(to: ClaudeCodec, *messages: Json) -> Fed:
    total = Fed()
    for message in messages:
        fed = to.feed(json.dumps(message).encode())
        total.events += fed.events
        total.frames += fed.frames
    return total


def hook(tool: str, mode: str = "default", **given: Any) -> Json:
    call = {"hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": given, "permission_mode": mode}
    request = {"subtype": "hook_callback", "callback_id": "tetherd", "input": call}
    return {"type": "control_request", "request_id": "h-1", "request": request}


def asks(tool: str, request_id: str = "q-1", **given: Any) -> Json:
    request = {"subtype": "can_use_tool", "tool_name": tool, "input": given, "tool_use_id": "t-1"}
    return {"type": "control_request", "request_id": request_id, "request": request}


def result(**fields: Any) -> Json:
    return {"type": "result", "subtype": "success", "is_error": False, "terminal_reason": "completed", **fields}


def asked(tool: str, **given: Any) -> Approval:
    (event,) = tell(codec(), asks(tool, **given)).events
    assert isinstance(event, ApprovalRequested)
    return event.approval


def answered(approval: Approval, answer: Answer | None, by: ClaudeCodec | None = None) -> Json:
    frame: Json = json.loads((by or codec()).encode(Verdict(approval, answer), 7))
    assert (frame["type"], frame["response"]["subtype"]) == ("control_response", "success")
    response: Json = frame["response"]["response"]
    return response


ASKED_ABOUT = [
    hook("Bash", command="ls"),
    hook("Bash", command="git status"),
    hook("Write", file_path="/project/a", content=""),
    hook("Edit", file_path="/project/a"),
    hook("WebFetch", url="http://localhost/"),
    hook("WebSearch", query="x"),
    hook("mcp__server__tool"),
    hook("Skill", skill="x"),
    hook("SomethingNew"),
    hook("Read", file_path="/etc/passwd"),
    hook("Read", file_path="/project/../etc/passwd"),
    hook("Read", file_path="/projects/a"),
    hook("Glob", pattern="/etc/*"),
    hook("Glob", pattern="../*"),
    hook("Glob", pattern="~/x"),
    hook("Grep", pattern="x", path="/"),
    hook("Grep", pattern="x", glob="../**"),
    hook("Write", mode="plan", file_path="/project/a", content=""),
    hook("Write", mode="plan", file_path="/home/u/.claude/plans/../settings.json", content=""),
    hook("Write", mode="plan", file_path="/home/u/.claude/plans/a/../../x.md", content=""),
]
LEFT_TO_IT = [
    hook("Read", file_path="/project/a"),
    hook("Read", file_path="a/b"),
    hook("Grep", pattern="../x"),
    hook("Glob", pattern="**/*.py"),
    hook("TodoWrite", todos=[]),
    hook("Agent", prompt="x"),
    hook("AskUserQuestion"),
    hook("ExitPlanMode"),
    hook("Write", mode="plan", file_path="/home/u/.claude/plans/a-b.md", content=""),
]


@pytest.mark.parametrize("call", ASKED_ABOUT, ids=lambda call: str(call["request"]["input"]["tool_input"]))
def test_ask_means_ask(call: Json) -> None:
    (frame,) = tell(codec(), call).frames
    said = json.loads(frame)["response"]
    assert said["request_id"] == "h-1"
    assert said["response"]["hookSpecificOutput"]["permissionDecision"] == "ask"


@pytest.mark.parametrize("call", LEFT_TO_IT, ids=lambda call: str(call["request"]["input"]["tool_input"]))
def test_what_harms_nothing_is_left_to_its_own_rules(call: Json) -> None:
    (frame,) = tell(codec(), call).frames
    assert json.loads(frame)["response"]["response"] == {}


def test_an_unanswered_hook_blocks_and_a_program_that_cannot_is_named() -> None:
    (first,) = ClaudeCodec(launch_spec(), None).open()
    (matcher,) = json.loads(first)["request"]["hooks"]["PreToolUse"]
    assert (matcher["matcher"], matcher["onFailure"]) == (None, "block")
    assert matcher["timeout"] * 1000 < 2**31  # it becomes a timer of the program, which cannot be longer
    old = ClaudeCodec(launch_spec(), None)
    about = {"subtype": "success", "request_id": "initialize", "response": {"claude_code_version": "2.0"}}
    notice, ready = tell(old, {"type": "control_response", "response": about}).events
    assert isinstance(notice, NoticeRaised) and notice.code == "old_version"
    assert isinstance(ready, AgentReady) and ready.agent_version == "2.0"


def test_what_is_asked_shows_what_would_happen() -> None:
    bash = asked("Bash", command="make\nmake install", description="harmless")
    assert (bash.kind, bash.command, bash.cwd, bash.title) == (
        "command",
        "make\nmake install",
        "/project",
        "make …",
    )
    edit = asked("Edit", file_path="a.py", old_string="x = 1\n", new_string="x = 2\n")
    (file,) = edit.files
    assert (edit.kind, file.path) == ("edit", "/project/a.py")
    assert "-x = 1\n+x = 2\n" in file.diff
    several = asked("MultiEdit", file_path="/p", edits=[{"old_string": "a", "new_string": "b"}] * 2)
    assert (several.tool, several.files[0].diff.count("+b")) == ("Edit", 2)
    tool = asked("mcp__srv__do", url="http://localhost/", lines=[1, 2])
    assert (tool.kind, tool.title, tool.input) == (
        "tool",
        "srv do http://localhost/",
        {"url": "http://localhost/", "lines": [1, 2]},
    )
    plan = asked("ExitPlanMode", plan="# go\nnow", planFilePath="/x.md")
    assert (plan.kind, plan.input["plan"]) == ("plan", "# go\nnow")
    assert asked("Write", file_path="/p/n", content="1\n").digest() != asked("Write", file_path="/p/n").digest()


def test_a_decision_is_told_in_the_words_of_the_protocol() -> None:
    bash = asked("Bash", command="ls")
    assert answered(bash, Answer(decision="approve")) == {"behavior": "allow"}
    changed = Answer(decision="approve", updated_input={"command": "ls -l"})
    assert answered(bash, changed) == {"behavior": "allow", "updatedInput": {"command": "ls -l"}}
    assert answered(bash, Answer(decision="reject", reason="no")) == {"behavior": "deny", "message": "no"}
    assert answered(bash, Answer(decision="reject"))["message"] == "The user rejected this."
    assert answered(bash, None)["interrupt"] is True


QUESTIONS = [
    {
        "question": "Which?",
        "header": "Colour",
        "options": [{"label": "Red", "description": "like fire"}, {"label": "Blue"}],
    },
    {"question": "When?", "header": "Time", "options": [{"label": "Now"}]},
]


def test_a_question_is_answered_by_labels_or_in_own_words() -> None:
    it = codec()
    (event,) = tell(it, asks("AskUserQuestion", questions=QUESTIONS)).events
    assert isinstance(event, ApprovalRequested)
    ask = event.approval
    it = ClaudeCodec(launch_spec(), json.loads(json.dumps(it.snapshot())))  # a daemon later
    assert (ask.title, ask.input) == ("Which? / When?", {})
    assert [(option.option_id, option.label, option.description) for option in ask.options] == [
        ("0.0", "Colour: Red", "like fire"),
        ("0.1", "Colour: Blue", ""),
        ("1.0", "Time: Now", ""),
    ]
    both = Answer(decision="approve", choice=("0.0", "0.1"), text="later")
    said = answered(ask, both, it)["updatedInput"]
    assert said == {"questions": QUESTIONS, "answers": {"Which?": "Red, Blue", "When?": "later"}}


def test_a_question_too_long_to_be_given_back_is_refused() -> None:
    long = [{"question": "?" * 70_000, "options": []}]
    fed = tell(codec(), asks("AskUserQuestion", questions=long))
    assert fed.events == []
    assert json.loads(fed.frames[0])["response"]["subtype"] == "error"


def test_unknown_requests_get_an_error_and_not_silence() -> None:
    for request in ({"subtype": "elicitation"}, {}, {"subtype": "x" * 1000}):
        fed = tell(codec(), {"type": "control_request", "request_id": "r", "request": request})
        assert json.loads(fed.frames[0])["response"]["subtype"] == "error"
        assert len(fed.frames[0]) < 500


# -- turns -------------------------------------------------------------------------------------------------------


def prompted(to: ClaudeCodec, seq: int = 5) -> str:
    frame = json.loads(to.encode(Prompt(InputId("i-1"), "go"), seq))
    return str(frame["uuid"])


def lifecycle(prompt_id: str, state: str) -> Json:
    return {"type": "command_lifecycle", "command_uuid": prompt_id, "state": state}


def outcomes(fed: Fed) -> list[str]:
    return [event.outcome for event in fed.events if isinstance(event, TurnCompleted)]


def test_the_result_of_a_turn_that_began_by_itself_does_not_end_the_prompts() -> None:
    it = codec()
    tell(it, lifecycle("another", "started"), INIT)
    prompt = prompted(it)
    assert outcomes(tell(it, lifecycle(prompt, "queued"), result())) == []
    assert outcomes(tell(it, lifecycle(prompt, "started"), INIT, result())) == ["completed"]


def test_a_prompt_that_is_taken_into_a_running_turn_ends_with_it() -> None:
    it = codec()
    tell(it, INIT)
    prompt = prompted(it)
    said = tell(it, lifecycle(prompt, "queued"), lifecycle(prompt, "started"), lifecycle(prompt, "completed"))
    assert said.events == []
    assert outcomes(tell(it, result())) == ["completed"]


@pytest.mark.parametrize("cancelled_first", [True, False])
def test_a_queued_prompt_that_an_interrupt_cancels_ends_once(cancelled_first: bool) -> None:
    it = codec()
    tell(it, INIT)
    prompt = prompted(it)
    tell(it, lifecycle(prompt, "queued"))
    assert json.loads(it.encode(InterruptTurn(), 6))["request"]["cancel_queued"] is True
    ends = [lifecycle(prompt, "cancelled"), result(is_error=True, terminal_reason="aborted_streaming")]
    assert outcomes(tell(it, *(ends if cancelled_first else reversed(ends)))) == ["interrupted"]


def test_a_version_that_tells_nothing_of_prompts_ends_them_with_the_next_result() -> None:
    it = codec()
    prompted(it)
    assert outcomes(tell(it, INIT, result())) == ["completed"]


FAILURES = [
    (result(is_error=True, result="API Error: 400 bad"), "failed", "API Error: 400 bad"),
    (result(subtype="error_max_turns", terminal_reason="max_turns"), "failed", "error_max_turns"),
    (result(is_error=True, subtype="error_during_execution", errors=["a", 1, "b"]), "failed", "a; b"),
    (result(is_error=True, terminal_reason="aborted_tools", subtype="error_during_execution"), "interrupted", None),
    (result(is_error=True, result="Not logged in · Please run /login"), "failed", "run `claude` and log in"),
    ({"type": "result"}, "failed", "it gave no reason"),
]


@pytest.mark.parametrize(("message", "outcome", "detail"), FAILURES)
def test_how_a_turn_ended(message: Json, outcome: str, detail: str | None) -> None:
    it = codec()
    prompted(it)
    (ended,) = tell(it, message).events
    assert isinstance(ended, TurnCompleted)
    assert ended.outcome == outcome
    assert (detail or "") in (ended.detail or "")


def test_a_result_before_it_was_ready_says_why_it_cannot_begin() -> None:
    it = ClaudeCodec(launch_spec(vendor_session_id="v-0"), None)
    assert len(it.open()) == 2
    (event,) = tell(
        it, result(is_error=True, subtype="error_during_execution", errors=["No conversation found"])
    ).events
    assert isinstance(event, NoticeRaised)
    assert (event.level, event.text) == ("error", "Claude Code cannot begin: No conversation found")


def cost_of(*totals: Any, before: Json | None = None, **fields: Any) -> list[float | None]:
    it = codec(**fields)
    if before is not None:
        tell(it, {"type": "control_response", "response": {"subtype": "success", "request_id": "cost", **before}})
    found: list[float | None] = []
    for total in totals:
        fed = tell(it, result(total_cost_usd=total, usage={"input_tokens": 1, "cache_read_input_tokens": 2}))
        found += [event.cost_usd for event in fed.events if isinstance(event, UsageReported)]
    return found


def test_costs_are_what_is_new_and_unknown_is_not_zero() -> None:
    assert cost_of(0.5, 0.75) == [0.5, 0.25]
    assert cost_of(None, 1, True, "1") == [None, 1.0, None, None]
    resumed = {"vendor_session_id": "v-1"}
    spent = {"response": {"session": {"total_cost_usd": 2.0}}}
    assert cost_of(2.5, before=spent, **resumed) == [0.5]
    assert cost_of(2.5, 2.75, **resumed) == [None, 0.25]  # what was spent before is not known
    assert cost_of(0.5, before=spent, **resumed) == [None]


def test_another_conversation_is_told_once() -> None:
    it = codec(vendor_session_id="v-1")
    assert [event.type for event in tell(it, INIT).events] == ["turn_started"]
    ready, _ = tell(it, INIT | {"session_id": "v-2"}).events
    assert isinstance(ready, AgentReady) and ready.vendor_session_id == "v-2"


# -- calls -------------------------------------------------------------------------------------------------------


def call_of(call_id: str, tool: str = "Bash", parent: str | None = None) -> Json:
    block = {"type": "tool_use", "id": call_id, "name": tool, "input": {"command": "x"}}
    return {"type": "assistant", "message": {"id": "m", "content": [block]}, "parent_tool_use_id": parent}


def brought(call_id: str, content: Any, **fields: Any) -> Json:
    block = {"type": "tool_result", "tool_use_id": call_id, "content": content, **fields}
    return {"type": "user", "message": {"content": [block]}}


def finished(events: list[AgentEvent]) -> list[tuple[str, bool, str]]:
    return [(e.tool_call_id, e.ok, e.output) for e in events if isinstance(e, ToolCallFinished)]


def test_every_call_ends_once_whatever_the_program_says() -> None:
    it = codec()
    tell(it, call_of("t-1"), call_of("t-1"), call_of("t-2"), call_of("t-3", parent="t-1"))
    assert finished(tell(it, brought("t-1", "out"), brought("t-1", "again"), brought("?", "")).events) == [
        ("t-1", True, "out")
    ]
    ended = finished(tell(it, result()).events)
    assert [call for call, _, _ in ended] == ["t-2"]  # that of a sub-agent may go on
    assert [call for call, _, _ in finished(list(it.finish()))] == ["t-3"]


def test_so_many_open_calls_are_remembered_and_no_more() -> None:
    it = codec()
    events = tell(it, *(call_of(f"t-{n}") for n in range(100))).events
    assert sum(isinstance(event, ToolCallStarted) for event in events) == 100
    assert len(finished(events)) == 36


OUTPUTS = [
    ("text", "text"),
    (None, ""),
    (
        [{"type": "text", "text": "a"}, {"type": "image", "source": {"media_type": "image/png"}}],
        "a\n(image: image/png)",
    ),
    ([{"type": "odd", "x": 1}, "raw", 7], '{"type":"odd","x":1}\nraw\n7'),
    ({"a": 1}, '{"a":1}'),
]


@pytest.mark.parametrize(("content", "output"), OUTPUTS)
def test_what_a_tool_brought_is_text(content: Any, output: str) -> None:
    it = codec()
    tell(it, call_of("t-1"))
    assert finished(tell(it, brought("t-1", content, is_error=True)).events) == [("t-1", False, output)]


def test_a_line_over_the_limit_ends_its_call_or_refuses_its_request() -> None:
    it = codec()
    tell(it, call_of("t-1"))
    fed = it.skipped(json.dumps(brought("t-1", "x" * 4000)).encode()[:4096], MAX_LINE + 1)
    ((call, ok, output),) = finished(fed.events)
    assert (call, ok) == ("t-1", True)
    assert str(MAX_LINE + 1) in output
    head = json.dumps(asks("Write", "q-9", content="x" * 5000)).encode()[:4096]
    fed = it.skipped(head, MAX_LINE + 1)
    assert [event.type for event in fed.events] == ["output_unrecognised"]
    said = json.loads(fed.frames[0])["response"]
    assert (said["subtype"], said["request_id"]) == ("error", "q-9")


# -- nonsense ----------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
WORDS = st.sampled_from(
    ["system", "init", "assistant", "user", "result", "stream_event", "control_request", "can_use_tool",
     "hook_callback", "control_response", "control_cancel_request", "command_lifecycle", "task_started",
     "task_notification", "api_retry", "compact_boundary", "rate_limit_event", "content_block_delta", "text_delta",
     "message_start", "text", "tool_use", "tool_result", "initialize", "cost", "AskUserQuestion", "Edit"]
)  # fmt: skip
MEMBERS = st.sampled_from(
    ["type", "subtype", "request", "request_id", "response", "message", "content", "id", "name", "input", "tool_name",
     "tool_input", "questions", "options", "edits", "event", "delta", "index", "usage", "total_cost_usd", "session_id",
     "task_id", "is_backgrounded", "errors", "tool_use_id", "parent_tool_use_id", "file_path", "command"]
)  # fmt: skip
MESSAGES = st.recursive(
    WORDS | SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=6),
    max_leaves=20,
)


@given(st.lists(st.dictionaries(MEMBERS, MESSAGES | VALUES, max_size=6), max_size=8))
def test_no_message_breaks_it(messages: list[Json]) -> None:
    it = codec()
    for message in messages:
        for frame in tell(it, message).frames:
            assert json.loads(frame)["type"] == "control_response"
    again = ClaudeCodec(launch_spec(), json.loads(json.dumps(it.snapshot())))
    assert joined([*it.flush(), *it.finish()]) is not None
    assert again.snapshot() is not None


@pytest.mark.parametrize("line", [b"{", b"[]", b"null", b"\xff\xfe", b'"x"', b"\x00", b'{"type":"system"}', b"{}"])
def test_what_means_nothing_is_kept(line: bytes) -> None:
    (event,) = codec().feed(line).events
    assert isinstance(event, OutputUnrecognised)


def test_half_a_surrogate_pair_does_not_pass() -> None:
    it = codec()
    tell(it, call_of("t-1"))
    line = json.dumps(brought("t-1", "X")).replace("X", "\\ud800").encode()
    assert finished(it.feed(line).events) == [("t-1", True, "�")]
