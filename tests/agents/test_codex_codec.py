"""The Codex codec on recorded conversations, and on nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agents.acp_replay import joined, units, written
from tests.agents.codex_replay import NAMES, TRANSCRIPTS, Replay, read_frames, records_of
from tests.agents.codex_talk import launch_spec
from tetherd.agents.codex.codec import CodexCodec
from tetherd.domain import events as ev
from tetherd.domain.effects import Prompt
from tetherd.domain.ids import InputId

OWN = [name for name in NAMES if "plain" not in name]
"""Recorded with our codec; the others were answered by another client."""


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_means_what_was_read_by_a_person(name: str) -> None:
    events = Replay(records_of(name)).run().events
    assert written(events) == (TRANSCRIPTS / f"{name}.events").read_text()
    assert not [event for event in events if isinstance(event, ev.OutputUnrecognised)]


@pytest.mark.parametrize("name", NAMES)
def test_a_new_life_after_every_line_comes_to_the_same_end(name: str) -> None:
    records = records_of(name)
    whole = Replay(records).run()
    for cut in range(len(records)):
        again = Replay(records, cuts=[cut]).run()
        assert joined(again.events) == joined(whole.events), cut
        assert again.lines == whole.lines, cut
    every = Replay(records, cuts=range(len(records))).run()
    assert joined(every.events) == joined(whole.events)
    assert max(every.snapshot_sizes) < 16 * 1024


@pytest.mark.parametrize("name", OWN)
def test_we_say_what_was_recorded(name: str) -> None:
    replay = Replay(records_of(name)).run()
    for line in (*replay.lines, *replay.recorded):
        line.get("params", {}).pop("clientInfo", None)  # it has our version
    assert replay.lines == replay.recorded


@pytest.mark.parametrize("name", NAMES)
def test_deltas_add_up_to_what_is_written(name: str) -> None:
    replay = Replay(records_of(name)).run()
    texts: dict[str, str] = {}
    for delta in replay.deltas:
        assert delta.offset == units(texts.get(delta.message_id, ""))
        texts[delta.message_id] = texts.get(delta.message_id, "") + delta.text
    spoken = {e.message_id: e.text for e in joined(replay.events) if e.type in ("message_written", "thinking_written")}
    assert texts == {message_id: text for message_id, text in spoken.items() if text}


# -- what no recording has -----------------------------------------------------------------------------------------


def codec() -> CodexCodec:
    made = CodexCodec(launch_spec("/project"), None)
    made.open()
    return made


HOSTILE = [
    b"",
    b" ",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b"{}",
    b'{"method":1,"params":2,"id":3}',
    b'{"method":"item/started"}',
    b'{"method":"item/completed","params":{"item":{"type":"fileChange","id":"x","changes":[{"path":1},3,{}]}}}',
    b'{"method":"item/agentMessage/delta","params":{"itemId":"m","delta":"\\ud800"}}',
    b'{"method":"item/commandExecution/requestApproval","id":{"a":1},"params":{}}',
    b'{"method":"item/fileChange/requestApproval","id":0,"params":[]}',
    b'{"method":"serverRequest/resolved","params":{"requestId":[{}]}}',
    b'{"method":"turn/completed","params":{"turn":{"status":7,"error":{"message":"{"}}}}',
    b'{"method":"thread/tokenUsage/updated","params":{"tokenUsage":{"total":{"inputTokens":true}}}}',
    b'{"id":"initialize","result":[]}',
    b'{"id":"initialize","error":"no"}',
    b"\xff\xfe\x00",
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"id":' + b"9" * 4000 + b"}",
]


@pytest.mark.parametrize("line", HOSTILE)
def test_nonsense_never_raises_and_the_state_can_be_stored(line: bytes) -> None:
    made = codec()
    for event in made.feed(line).events:
        event.model_dump_json()
    made.flush()
    CodexCodec(launch_spec("/project"), json.loads(json.dumps(made.snapshot())))


@given(st.binary(max_size=300))
def test_no_bytes_raise(line: bytes) -> None:
    codec().feed(line.replace(b"\n", b" "))


LINES = [json.dumps(record["msg"]).encode() for name in NAMES for record in records_of(name) if record["dir"] == "out"]
BROKEN: Any = st.lists(st.tuples(st.sampled_from(LINES), st.integers(0, 400), st.binary(max_size=3)), max_size=4)


@settings(max_examples=300)
@given(BROKEN)
def test_half_lines_and_flipped_bytes_never_raise(broken: list[tuple[bytes, int, bytes]]) -> None:
    made = codec()
    for line, place, noise in broken:
        for bad in (line[:place], line[:place] + noise + line[place + len(noise) :]):
            fed = made.feed(bad.replace(b"\n", b" "))
            for event in fed.events:
                assert ev.EVENT.validate_json(event.model_dump_json()) == event
            for frame in fed.frames:
                read_frames(frame)
    CodexCodec(launch_spec("/project"), json.loads(json.dumps(made.snapshot())))
    made.finish()


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "item", "turn", "type", "changes", "kind", "path", "diff", "itemId", "delta", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
METHODS = sorted({json.loads(line).get("method", "other") for line in LINES})


@given(st.sampled_from(METHODS), JSON, st.none() | st.integers() | st.text(max_size=4))
def test_no_parameters_raise(method: str, params: Any, request_id: Any) -> None:
    made = codec()
    for message in ({"method": method, "params": params}, {"method": method, "params": params, "id": request_id}):
        for event in made.feed(json.dumps(message).encode()).events:
            assert ev.EVENT.validate_json(event.model_dump_json()) == event


def test_gathered_text_is_counted_in_bytes() -> None:
    made = codec()
    made.feed(json.dumps({"method": "item/agentMessage/delta", "params": {"itemId": "m", "delta": "Grüße"}}).encode())
    assert made.pending_bytes() == len("Grüße".encode())
    made.flush()
    assert made.pending_bytes() == 0


@pytest.mark.parametrize("request_id", ["0", '"q-1"'])
def test_a_request_over_the_limit_is_refused(request_id: str) -> None:
    method = "item/commandExecution/requestApproval"
    fed = codec().skipped(f'{{"method":"{method}","id":{request_id},"params":{{"command":"xxx'.encode(), 17_000_000)
    (answer,) = (line for frame in fed.frames for line in read_frames(frame))
    assert (answer["id"], answer["error"]["code"]) == (json.loads(request_id), -32601)


def test_a_turn_ends_also_by_a_line_over_the_limit() -> None:
    made = codec()
    made.encode(Prompt(InputId("i"), "go"), 1)
    fed = made.skipped(b'{"method":"turn/completed","params":{"threadId":"t","turn":{"items":[{"text":"xx', 17_000_000)
    assert [event.type for event in fed.events] == ["output_unrecognised", "turn_completed"]


def test_a_line_over_the_limit_is_kept_by_its_head() -> None:
    (event,) = codec().skipped(b"x" * 4096, 17_000_000).events
    assert isinstance(event, ev.OutputUnrecognised)
    assert (event.size, len(event.head)) == (17_000_000, 4096)
