"""What Codex does and writes, beyond the recordings: items, text, usage, notices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.agents.codex_replay import words_of
from tests.agents.codex_spoken import THREAD, TURN, Spoken, of
from tetherd.agents.codex.calls import FINISHED_LIMIT, OPEN_LIMIT
from tetherd.agents.codex.news import NO_NEWS
from tetherd.domain import events as ev
from tetherd.plugin import Fed


@pytest.fixture
def spoken() -> Spoken:
    return Spoken().running()


# -- items -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "ok", "output"),
    [
        ({"status": "completed", "aggregatedOutput": "out\n", "exitCode": 0}, True, "out\n"),
        ({"status": "failed", "aggregatedOutput": "out", "exitCode": 3}, False, "out\n(exit code 3)"),
        ({"status": "failed", "exitCode": -1}, False, "(exit code -1)"),
        ({"status": "declined"}, False, "Rejected."),
        ({"status": "completed"}, True, ""),
    ],
)
def test_how_a_command_ends(spoken: Spoken, item: dict[str, Any], ok: bool, output: str) -> None:
    (started,) = spoken.command()
    assert isinstance(started, ev.ToolCallStarted)
    assert (started.tool, started.title, started.input) == ("Bash", "ls", {"command": "ls", "cwd": "/p"})
    assert spoken.command(**item) == [ev.ToolCallFinished(tool_call_id="c-1", ok=ok, output=output)]
    assert spoken.command(**item) == []


def test_an_interrupted_command_keeps_what_it_had_said(spoken: Spoken) -> None:
    spoken.command()
    for chunk in ("line 1\n", "line 2"):
        spoken.told("item/commandExecution/outputDelta", itemId="c-1", delta=chunk)
    finished = spoken.ends_turn("interrupted")[0]
    assert isinstance(finished, ev.ToolCallFinished) and not finished.ok
    assert finished.output == "line 1\nline 2\nThe turn was interrupted while this was running."


def test_a_call_of_which_no_end_was_told_has_not_gone_well(spoken: Spoken) -> None:
    spoken.told("item/started", item={"type": "fileChange", "id": "c-1", "changes": []})
    finished = spoken.ends_turn()[0]
    assert isinstance(finished, ev.ToolCallFinished) and not finished.ok
    assert "before Codex said" in finished.output


def test_an_item_that_only_ends_has_a_beginning_too(spoken: Spoken) -> None:
    assert [event.type for event in spoken.command(status="completed")] == ["tool_call_started", "tool_call_finished"]


def test_what_is_remembered_of_calls_is_bounded(spoken: Spoken) -> None:
    for number in range(OPEN_LIMIT + 5):
        spoken.command(f"c-{number}")
    ended = of(spoken.ends_turn(), "tool_call_finished")
    assert len(ended) == OPEN_LIMIT
    for number in range(FINISHED_LIMIT + 50):
        spoken.command(f"d-{number}", "completed")
    assert len(json.dumps(spoken.codec.snapshot())) < 8000


@pytest.mark.parametrize(
    ("item", "tool", "title", "output"),
    [
        (
            {"type": "mcpToolCall", "server": "s", "tool": "t", "result": {"content": [{"type": "text", "text": "r"}]}},
            "mcp__s__t",
            "mcp__s__t",
            "r",
        ),
        ({"type": "mcpToolCall", "error": {"message": "no"}, "status": "failed"}, "mcp__?__?", "mcp__?__?", "no"),
        (
            {"type": "dynamicToolCall", "tool": "x", "contentItems": [{"type": "inputImage"}, {"text": "b"}]},
            "x",
            "x",
            "[inputImage]\nb",
        ),
        ({"type": "webSearch", "query": "q"}, "WebSearch", "q", ""),
        ({"type": "imageView", "path": "/i.png"}, "Read", "/i.png", ""),
        ({"type": "collabAgentToolCall", "tool": "spawnAgent", "prompt": "do"}, "spawnAgent", "do", ""),
    ],
)
def test_other_tools_by_name(spoken: Spoken, item: dict[str, Any], tool: str, title: str, output: str) -> None:
    started, finished = spoken.told("item/completed", item={"id": "x", **item}).events
    assert isinstance(started, ev.ToolCallStarted) and isinstance(finished, ev.ToolCallFinished)
    assert (started.tool, started.title, finished.output) == (tool, title, output)
    assert finished.ok is (item.get("status") != "failed")


@pytest.mark.parametrize("kind", words_of("ThreadItemType"))
def test_every_item_of_the_schema_is_known(spoken: Spoken, kind: str) -> None:
    for method in ("item/started", "item/completed"):
        fed = spoken.told(method, item={"type": kind, "id": "x"})
        assert not of(fed.events, "output_unrecognised")


def test_a_plan_item_and_a_summary_are_told(spoken: Spoken) -> None:
    (plan,) = spoken.told("item/completed", item={"type": "plan", "id": "p", "text": "1. do"}).events
    assert isinstance(plan, ev.NoticeRaised) and (plan.code, plan.text) == ("plan", "1. do")
    (compacted,) = spoken.told("item/completed", item={"type": "contextCompaction", "id": "p"}).events
    assert isinstance(compacted, ev.NoticeRaised) and compacted.code == "compacted"


# -- text --------------------------------------------------------------------------------------------------------


def delta(spoken: Spoken, text: str, item_id: str = "m-1", kind: str = "item/agentMessage/delta") -> Fed:
    return spoken.told(kind, itemId=item_id, delta=text)


def message_ends(spoken: Spoken, text: str, item_id: str = "m-1") -> Fed:
    return spoken.told("item/completed", item={"type": "agentMessage", "id": item_id, "text": text})


def test_text_that_no_delta_brought_is_added_at_the_end(spoken: Spoken) -> None:
    delta(spoken, "a🙂")
    (part,) = spoken.codec.flush()
    fed = message_ends(spoken, "a🙂b")
    assert [(one.offset, one.text) for one in fed.deltas] == [(3, "b")]
    assert [(e.offset, e.text, e.final) for e in (part, *fed.events) if isinstance(e, ev.MessageWritten)] == [
        (0, "a🙂", False),
        (3, "b", True),
    ]


def test_a_message_without_deltas_is_written_whole(spoken: Spoken) -> None:
    (event,) = message_ends(spoken, "all of it").events
    assert isinstance(event, ev.MessageWritten) and (event.text, event.final) == ("all of it", True)
    assert message_ends(spoken, "").events == []


def test_a_message_that_is_cut_off_is_closed_by_the_next_one(spoken: Spoken) -> None:
    delta(spoken, "half")
    fed = delta(spoken, "other", "m-2")
    assert [(e.text, e.final) for e in fed.events if isinstance(e, ev.MessageWritten)] == [("half", True)]
    spoken.ends_turn("interrupted")
    assert spoken.codec.flush() == []


def test_parts_of_a_thought_stand_apart(spoken: Spoken) -> None:
    kind = "item/reasoning/summaryTextDelta"
    spoken.told("item/reasoning/summaryPartAdded", itemId="r-1", summaryIndex=0)
    delta(spoken, "one", "r-1", kind)
    spoken.told("item/reasoning/summaryPartAdded", itemId="r-1", summaryIndex=1)
    delta(spoken, "two", "r-1", kind)
    item = {"type": "reasoning", "id": "r-1", "summary": ["one", "two"], "content": []}
    (event,) = spoken.told("item/completed", item=item).events
    assert isinstance(event, ev.ThinkingWritten) and (event.text, event.final) == ("one\n\ntwo", True)


def test_raw_thoughts_are_thoughts_too(spoken: Spoken) -> None:
    item = {"type": "reasoning", "id": "r-1", "summary": [], "content": ["raw"]}
    (event,) = spoken.told("item/completed", item=item).events
    assert isinstance(event, ev.ThinkingWritten) and event.text == "raw"


# -- usage -------------------------------------------------------------------------------------------------------


def tokens(spoken: Spoken, read: Any, written: Any, last: tuple[int, int] = (0, 0), **more: Any) -> None:
    total = {"inputTokens": read, "outputTokens": written}
    usage = {"total": total, "last": {"inputTokens": last[0], "outputTokens": last[1]}}
    assert spoken.told("thread/tokenUsage/updated", tokenUsage=usage, **more) == Fed()


def reported(events: list[ev.AgentEvent]) -> list[tuple[int | None, int | None, float | None]]:
    return [(e.input_tokens, e.output_tokens, e.cost_usd) for e in events if isinstance(e, ev.UsageReported)]


def test_what_a_turn_used_is_what_the_sum_has_grown_by(spoken: Spoken) -> None:
    tokens(spoken, 100, 10)
    tokens(spoken, 300, 20)
    assert reported(spoken.ends_turn()) == [(300, 20, None)]
    tokens(spoken, 350, 25)
    assert reported(list(spoken.codec.finish())) == [(50, 5, None)]
    assert reported(list(spoken.codec.finish())) == []


def test_a_turn_of_which_nothing_was_said_reports_nothing(spoken: Spoken) -> None:
    tokens(spoken, "many", True)
    tokens(spoken, 500, 50, threadId="t-2")
    assert reported(spoken.ends_turn()) == []


def test_a_sum_that_falls_is_counted_anew(spoken: Spoken) -> None:
    tokens(spoken, 100, 10)
    spoken.ends_turn()
    tokens(spoken, 30, 3)
    assert reported(list(spoken.codec.finish())) == [(30, 3, None)]


def resumed() -> Spoken:
    spoken = Spoken("v-1")
    spoken.looked()
    spoken.hear(id="resume", result={"thread": {"id": THREAD}})
    return spoken


def test_what_earlier_runs_used_is_not_reported_again() -> None:
    spoken = resumed()
    tokens(spoken, 1000, 100, last=(10, 1), turnId="u-old")
    spoken.prompt(1)
    spoken.hear(id="prompt-1", result={"turn": {"id": TURN}})
    tokens(spoken, 1200, 130, last=(200, 30))
    assert reported(spoken.ends_turn()) == [(200, 30, None)]


def test_a_resumed_thread_that_says_no_sum_at_first_counts_from_its_first_turn() -> None:
    spoken = resumed()
    spoken.prompt(1)
    spoken.hear(id="prompt-1", result={"turn": {"id": TURN}})
    tokens(spoken, 1200, 130, last=(200, 30))
    assert reported(spoken.ends_turn()) == [(200, 30, None)]


# -- notices -----------------------------------------------------------------------------------------------------


def notices(fed: Fed) -> list[tuple[str, str]]:
    return [(event.code, event.text) for event in fed.events if isinstance(event, ev.NoticeRaised)]


def test_a_warning_is_told_once(spoken: Spoken) -> None:
    assert notices(spoken.told("warning", message="old model")) == [("agent_warning", "old model")]
    assert spoken.told("warning", message="old model").events == []
    assert notices(spoken.told("warning", message="another")) == [("agent_warning", "another")]
    assert spoken.told("warning", message=None).events == []


def test_notices_by_kind(spoken: Spoken) -> None:
    assert notices(spoken.told("configWarning", summary="bad", details="line 3")) == [("agent_warning", "bad: line 3")]
    error = {"message": "Reconnecting... 1/5", "additionalDetails": "stream cut"}
    assert spoken.told("error", error=error, willRetry=False).events == []
    ((code, words),) = notices(spoken.told("error", error=error, willRetry=True))
    assert code == "agent_retries" and "stream cut" in words
    failed = {"name": "notes", "status": "failed", "error": "no such file"}
    ((code, words),) = notices(spoken.told("mcpServer/startupStatus/updated", **failed))
    assert code == "mcp_server_failed" and "notes" in words and "no such file" in words
    assert spoken.told("mcpServer/startupStatus/updated", name="notes", status="ready").events == []
    ((code, words),) = notices(spoken.told("model/rerouted", fromModel="a", toModel="b"))
    assert code == "model_rerouted" and "b" in words
    plan = [{"step": "a", "status": "completed"}, {"step": "b", "status": "inProgress"}, {"step": "c"}]
    fed = spoken.told("turn/plan/updated", explanation="why", plan=plan)
    assert notices(fed) == [("plan", "why\n[x] a\n[>] b\n[ ] c")]
    assert notices(spoken.told("turn/plan/updated", plan=[])) == [("plan", "(the plan is empty)")]


@pytest.mark.parametrize("method", words_of("ServerNotificationMethod"))
def test_every_notification_of_the_schema_is_known(spoken: Spoken, method: str) -> None:
    turn = {"id": TURN, "status": "completed"}
    told = spoken.told(method, turn=turn, itemId="x", item={"id": "x", "type": "plan"})
    assert not of(told.events, "output_unrecognised")


def test_what_is_no_news_is_in_the_schema() -> None:
    assert set(words_of("ServerNotificationMethod")) >= NO_NEWS


def test_other_notifications_are_kept_as_unrecognised(spoken: Spoken) -> None:
    for method in ("thread/other", "item/other", "x" * 10_000):
        (event,) = spoken.told(method).events
        assert isinstance(event, ev.OutputUnrecognised) and len(event.why) < 300
