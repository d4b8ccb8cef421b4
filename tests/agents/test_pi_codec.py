"""The Pi codec on recorded conversations, and on nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agents.acp_replay import TRANSCRIPTS, joined, launch_spec, records_of, units, written
from tests.agents.pi_replay import NAMES, Replay
from tetherd.agents.pi.codec import PiCodec
from tetherd.domain import events as ev


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_means_what_was_read_by_a_person(name: str) -> None:
    assert written(Replay(records_of(name)).run().events) == (TRANSCRIPTS / f"{name}.events").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_we_say_what_was_said_to_the_real_program(name: str) -> None:
    replay = Replay(records_of(name)).run()
    assert [json.loads(frame) for frame in replay.frames] == replay.said


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
    assert max(every.snapshot_sizes) < 4 * 1024


@pytest.mark.parametrize("name", NAMES)
def test_deltas_add_up_to_what_is_written(name: str) -> None:
    replay = Replay(records_of(name)).run()
    texts: dict[str, str] = {}
    for delta in replay.deltas:
        assert delta.offset == units(texts.get(delta.message_id, ""))
        texts[delta.message_id] = texts.get(delta.message_id, "") + delta.text
    spoken = {e.message_id: e.text for e in joined(replay.events) if e.type in ("message_written", "thinking_written")}
    assert texts == spoken


def test_what_others_recorded_has_nothing_unknown() -> None:
    """Another client's talk with another extension: its commands are not ours, so its answers are passed over."""
    codec = PiCodec(launch_spec(), None)
    events: list[ev.AgentEvent] = []
    for record in records_of("pi-foreign"):
        if record["msg"]["type"] != "response":
            events += codec.feed(json.dumps(record["msg"]).encode()).events
    assert not [event for event in events if event.type == "output_unrecognised"]
    assert len([event for event in events if event.type == "approval_requested"]) == 8


HOSTILE = [
    b"",
    b" ",
    b"{",
    b"[]",
    b"null",
    b'{"type":1}',
    b'{"type":"response"}',
    b'{"type":"response","id":"probe-","success":true}',
    b'{"type":"response","id":"probe-99999999999999999999999999","success":true}',
    b'{"type":"response","id":["open"],"success":true}',
    b'{"type":"message_update"}',
    b'{"type":"message_update","assistantMessageEvent":{"type":"text_delta","delta":"\\ud800","contentIndex":"x"}}',
    b'{"type":"message_end","message":{"role":"assistant","usage":{"input":"1","output":1e400,"cost":{"total":"x"}}}}',
    b'{"type":"message_end","message":{"role":"assistant","usage":{"input":1,"cost":{"total":true}}}}',
    b'{"type":"tool_execution_start","toolCallId":"","toolName":7,"args":[]}',
    b'{"type":"tool_execution_end","toolCallId":"never begun"}',
    b'{"type":"extension_ui_request","method":"select","id":"u","title":"{\\"tetherd\\":1}"}',
    b'{"type":"extension_ui_request","method":"select","id":"u","title":"{\\"tetherd\\":1,\\"input\\":3,\\"target\\":[]}"}',
    b'{"type":"extension_ui_request","method":"select","id":"u","title":"{broken"}',
    b'{"type":"extension_ui_request","method":"select","id":"u","options":[1,null,{}]}',
    b'{"type":"extension_ui_request","method":"confirm","id":"u"}',
    b'{"type":"extension_ui_request","method":"select"}',
    b"\xff\xfe\x00",
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
]


@pytest.mark.parametrize("line", HOSTILE)
def test_nonsense_never_raises_and_the_state_can_be_stored(line: bytes) -> None:
    codec = PiCodec(launch_spec(), None)
    fed = codec.feed(line)
    for event in (*fed.events, *codec.flush(), *codec.finish()):
        assert ev.EVENT.validate_json(event.model_dump_json()) == event
    PiCodec(launch_spec(), json.loads(json.dumps(codec.snapshot())))


@given(st.binary(max_size=300))
def test_no_bytes_raise(line: bytes) -> None:
    PiCodec(launch_spec(), None).feed(line.replace(b"\n", b" "))


KINDS = sorted({record["msg"]["type"] for record in records_of("pi")} | {"agent_settled", "compaction_end"})
MEMBERS = [
    "id",
    "method",
    "title",
    "options",
    "toolCallId",
    "toolName",
    "message",
    "role",
    "usage",
    "result",
    "content",
]
JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just('{"tetherd":1,"target":{"inside":""}}'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(MEMBERS), JSON)), max_size=3))
def test_no_messages_raise(messages: list[tuple[str, dict[str, Any]]]) -> None:
    codec = PiCodec(launch_spec(), None)
    for kind, members in messages:
        fed = codec.feed(json.dumps({**members, "type": kind}).encode())
        for event in fed.events:
            event.model_dump_json()
        for frame in fed.frames:
            assert frame.endswith(b"\n") and frame.count(b"\n") == 1
    PiCodec(launch_spec(), json.loads(json.dumps(codec.snapshot())))
