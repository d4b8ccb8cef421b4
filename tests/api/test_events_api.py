"""REST: events pushed, polled and followed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import trio

from tests.api.test_server import HANG_SECONDS, Served, served
from tests.fakes.http_api import Api
from tetherd.control import Delta
from tetherd.domain import commands as cmd
from tetherd.domain.ids import SessionId


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"type": "output", "data": {"text": text} | more}


async def test_a_batch_is_one_command_and_all_or_nothing() -> None:
    api = Api()
    session = await api.session()
    path = f"/api/sessions/{session['session_id']}/events"
    answer = await api.call("POST", path, {"events": [said("one"), said("two")]}, token=session["token"])
    assert answer.status == 200
    pushes = [c for c in api.control.submitted if isinstance(c, cmd.PushEvents)]
    assert [len(push.events) for push in pushes] == [2]
    bad = await api.call("POST", path, {"events": [said("three"), {"type": "nonsense", "data": {}}]})
    assert (bad.status, bad.is_problem) == (422, True)
    assert "three" not in json.dumps([e.wire().decode() for e in api.control.entries])


async def test_repeated_text_is_kept_and_a_repeated_key_is_not_done_twice() -> None:
    api = Api()
    session = await api.session()
    path = f"/api/sessions/{session['session_id']}/events"
    for _ in range(2):
        await api.call("POST", path, said("ok"))
    keyed = [(await api.call("POST", path, said("once"), headers={"Idempotency-Key": "k"})).json for _ in range(3)]
    texts = [event.text for event in api.control.events(session["session_id"]) if event.type == "message_written"]
    assert texts == ["ok", "ok", "once"]
    assert keyed[0] == keyed[1] == keyed[2]


async def test_a_question_that_is_pushed_again_is_asked_once() -> None:
    api = Api()
    session = await api.session()
    path = f"/api/sessions/{session['session_id']}/events"
    ask = {"type": "permission_request", "data": {"tool": "Bash", "request_id": "q"}}
    answers = [await api.call("POST", path, ask) for _ in range(2)]
    assert [(answer.status, answer.json["request_id"]) for answer in answers] == [(200, "q"), (200, "q")]
    assert len(api.control.approvals) == 1


async def test_every_word_of_the_vocabulary_is_stored() -> None:
    api = Api()
    session = await api.session()
    path = f"/api/sessions/{session['session_id']}/events"
    words: list[dict[str, Any]] = [
        said("hi"),
        {"type": "thinking", "data": {"text": "hm"}},
        {"type": "tool_call", "data": {"tool": "Bash", "tool_call_id": "c", "input": {"command": "ls"}}},
        {"type": "tool_result", "data": {"tool_call_id": "c", "output": "x"}},
        {"type": "usage", "data": {"input_tokens": 1}},
        {"type": "error", "data": {"message": "oh"}},
        {"type": "question", "data": {"text": "which?", "options": ["a", "b"]}},
        {"type": "status", "data": {"status": "awaiting_input"}},
    ]
    for word in words:
        assert (await api.call("POST", path, word)).status == 200, word
    kinds = {entry.kind for entry in api.control.entries}
    assert kinds >= {
        "message_written",
        "thinking_written",
        "tool_call_started",
        "tool_call_finished",
        "usage_reported",
        "notice_raised",
        "approval_requested",
        "turn_completed",
    }


async def test_what_people_send_is_polled_once_each_and_counts_as_delivered_by_the_next_poll() -> None:
    api = Api()
    session = await api.session()
    path = f"/api/sessions/{session['session_id']}"
    await api.call("POST", f"{path}/events", said("ready"))
    for text in ("one", "two"):
        await api.call("POST", f"{path}/input", {"text": text})
    got: list[str] = []
    since = 0
    for _ in range(3):
        answer = (await api.call("GET", f"{path}/events/poll?since_seq={since}", token=session["token"])).json
        got += [event["data"]["text"] for event in answer["events"]]
        assert answer["next_seq"] >= since
        since = answer["next_seq"]
    assert got == ["one", "two"]
    assert (await api.call("GET", path)).json["queued"] == []


async def test_poll_finds_what_lies_behind_many_events() -> None:
    api = Api()
    session = await api.session()
    path = f"/api/sessions/{session['session_id']}"
    await api.call("POST", f"{path}/input", {"text": "first"})
    for _ in range(5):
        await api.call("POST", f"{path}/events", {"events": [said("x")] * 1000})
    await api.call("POST", f"{path}/input", {"text": "last"})
    answer = (await api.call("GET", f"{path}/events/poll?since_seq=0")).json
    assert [event["data"]["text"] for event in answer["events"]] == ["first", "last"]


async def test_a_long_poll_is_answered_when_somebody_speaks(autojump_clock: trio.testing.MockClock) -> None:
    api = Api()
    session = await api.session()
    path = f"/api/sessions/{session['session_id']}"
    answers: list[Any] = []

    async def poll() -> None:
        answers.append((await api.call("GET", f"{path}/events/poll?since_seq=0&wait_s=60")).json)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(poll)
        await trio.sleep(5)
        await api.call("POST", f"{path}/interrupt", {})
        await api.call("POST", f"{path}/input", {"text": "go"})
    assert [event["type"] for event in answers[0]["events"]] == ["user_input"]


async def test_a_long_poll_ends_empty_when_nobody_speaks(autojump_clock: trio.testing.MockClock) -> None:
    api = Api()
    session = await api.session()
    answer = await api.call("GET", f"/api/sessions/{session['session_id']}/events/poll?since_seq=0&wait_s=60")
    assert (answer.status, answer.json["events"]) == (200, [])
    assert trio.current_time() >= 60


async def test_an_agent_sees_and_pushes_to_its_own_session_only() -> None:
    api = Api()
    mine, other = await api.session(), await api.session()
    path = f"/api/sessions/{other['session_id']}"
    for method, target, body in (
        ("GET", path, None),
        ("POST", f"{path}/events", said("x")),
        ("GET", f"{path}/events/poll", None),
        ("GET", f"{path}/events", None),
    ):
        assert (await api.call(method, target, body, token=mine["token"])).status == 404, target
    for method, target, body in (("POST", f"{path}/input", {"text": "x"}), ("POST", f"{path}/stop", {})):
        assert (await api.call(method, target, body, token=mine["token"])).status in (403, 404)
    own = f"/api/sessions/{mine['session_id']}/input"
    assert (await api.call("POST", own, {"text": "x"}, token=mine["token"])).status == 403


# -- streams -----------------------------------------------------------------------------------------------------


async def frames(it: Served, target: str, count: int, *more: str, token: str = "") -> list[dict[str, str]]:
    """The first `count` frames of a stream, as dicts of their fields."""
    async with await it.tcp() as stream:
        await stream.send_all(it.head("GET", target, *more, token=token))
        data = b""
        with trio.fail_after(HANG_SECONDS):
            while True:
                found = [f for f in data.partition(b"\r\n\r\n")[2].split(b"\n\n") if b"data: " in f]
                if len(found) > count or (len(found) == count and data.endswith(b"\n\n\r\n")):
                    break
                data += (piece := await stream.receive_some())
                assert piece, data
    split = [[line.split(b": ", 1) for line in frame.split(b"\n") if b": " in line] for frame in found[:count]]
    return [{line[0].decode(): line[1].decode() for line in frame if line[0]} for frame in split]


async def test_a_stream_replays_then_resumes_without_gap(tmp_path: Path) -> None:
    async with served(tmp_path) as it:
        session = await it.api.session()
        path = f"/api/sessions/{session['session_id']}"
        for text in ("one", "two"):
            await it.api.call("POST", f"{path}/events", said(text))
        count = len(it.api.control.entries)
        got = await frames(it, "/api/events", count)
        assert [int(frame["id"].split(".")[1]) for frame in got] == list(range(1, count + 1))
        assert got[-1]["event"] == "message_written"
        envelope = json.loads(got[-1]["data"])
        assert (envelope["type"], envelope["data"]["text"]) == ("message_written", "two")
        rest = await frames(it, "/api/events?after=0", 2, f"Last-Event-ID: {got[count - 3]['id']}")
        assert [frame["id"] for frame in rest] == [got[count - 2]["id"], got[count - 1]["id"]]


async def test_text_on_its_way_has_no_id(tmp_path: Path) -> None:
    async with served(tmp_path) as it:
        session = await it.api.session()
        session_id = SessionId(session["session_id"])

        async def show() -> None:
            while not it.api.control.followers:  # noqa: ASYNC110 - the fake has no bell
                await trio.sleep(0.01)
            await trio.testing.wait_all_tasks_blocked(0.05)
            it.api.control.show(Delta(session_id, "m", "message", 0, "half a"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(show)
            got = await frames(it, f"/api/sessions/{session_id}/events", 2)
        assert "id" in got[0]
        assert (got[1]["event"], json.loads(got[1]["data"])["text"], "id" in got[1]) == ("delta", "half a", False)


async def test_a_cursor_of_another_log_is_gone(tmp_path: Path) -> None:
    api = Api()
    answer = await api.call("GET", "/api/events?after=other.3")
    assert (answer.status, answer.json["code"]) == (410, "cursor_gone")


async def test_streams_are_limited_and_say_so(tmp_path: Path) -> None:
    api = Api(stream_limit=0)
    answer = await api.call("GET", "/api/events")
    assert (answer.status, answer.json["limit"]) == (429, 0)
    assert answer.headers["Retry-After"]


async def test_the_transcript_comes_in_pages_the_newest_first() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}"
    for number in range(7):
        await api.call("POST", f"{path}/events", {"type": "output", "data": {"text": f"line {number}"}})
    pages, before = [], ""
    while True:
        page = (await api.call("GET", f"{path}/items?limit=5{before}")).json
        pages.append([item["seq"] for item in page["items"]])
        if page["next_before"] is None:
            break
        before = f"&before={page['next_before']}"
    everything = [seq for page in reversed(pages) for seq in page]
    assert len(pages) > 1
    assert everything == [entry.seq for entry in api.control.entries]
    assert all(len(page) == 5 for page in pages[:-1])


async def test_an_items_envelope_is_the_streams() -> None:
    api = Api()
    path = f"/api/sessions/{(await api.session())['session_id']}"
    await api.call("POST", f"{path}/events", {"type": "output", "data": {"text": "hello"}})
    item = (await api.call("GET", f"{path}/items")).json["items"][-1]
    entry = api.control.entries[-1]
    assert (item["seq"], item["type"], item["data"]["text"]) == (entry.seq, "message_written", "hello")


async def test_another_sessions_agent_sees_no_items() -> None:
    api = Api()
    one, other = await api.session(), await api.session()
    path = f"/api/sessions/{one['session_id']}/items"
    assert (await api.call("GET", path, token=one["token"])).status == 200
    assert (await api.call("GET", path, token=other["token"])).status == 404
