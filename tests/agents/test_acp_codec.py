"""The ACP codec on recorded conversations, and on nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.acp_replay import (
    NAMES,
    TRANSCRIPTS,
    Replay,
    joined,
    launch_spec,
    read_frame,
    records_of,
    units,
    written,
)
from tetherd.agents.acp.codec import AcpCodec
from tetherd.domain.effects import Prompt
from tetherd.domain.events import OutputUnrecognised
from tetherd.domain.ids import InputId


@pytest.mark.parametrize("name", NAMES)
def test_a_recording_means_what_was_read_by_a_person(name: str) -> None:
    assert written(Replay(records_of(name)).run().events) == (TRANSCRIPTS / f"{name}.events").read_text()


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
    assert max(every.snapshot_sizes) < 64 * 1024


@pytest.mark.parametrize("name", NAMES)
def test_we_answer_as_the_recorded_client_did(name: str) -> None:
    for ours, theirs in Replay(records_of(name)).run().answers:
        assert (ours["id"], ours["result"]) == (theirs["id"], theirs["result"])


@pytest.mark.parametrize("name", NAMES)
def test_what_we_say_fits_the_schema(name: str) -> None:
    for frame in Replay(records_of(name)).run().frames:
        read_frame(frame)


@pytest.mark.parametrize("name", NAMES)
def test_deltas_add_up_to_what_is_written(name: str) -> None:
    replay = Replay(records_of(name)).run()
    texts: dict[str, str] = {}
    for delta in replay.deltas:
        assert delta.offset == units(texts.get(delta.message_id, ""))
        texts[delta.message_id] = texts.get(delta.message_id, "") + delta.text
    spoken = {e.message_id: e.text for e in joined(replay.events) if e.type in ("message_written", "thinking_written")}
    for message_id, text in texts.items():
        assert spoken[message_id] == text


def codec() -> AcpCodec:
    made = AcpCodec(launch_spec(), None)
    made.open()
    return made


HOSTILE = [
    b"",
    b" ",
    b"{",
    b"[]",
    b"null",
    b'"x"',
    b'{"jsonrpc":"2.0"}',
    b'{"method":1,"params":2,"id":3}',
    b'{"method":"session/update"}',
    b'{"method":"session/update","params":{"update":{"sessionUpdate":"agent_message_chunk","content":null}}}',
    b'{"method":"session/request_permission","id":{"a":1},"params":{}}',
    b'{"id":1,"result":[]}',
    b'{"id":1,"error":"no"}',
    b"\xff\xfe\x00",
    b'{"method":"session/update","params":{"update":{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"\\ud800"}}}}',
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"id":' + b"9" * 4000 + b"}",
]


@pytest.mark.parametrize("line", HOSTILE)
def test_nonsense_never_raises_and_the_state_can_be_stored(line: bytes) -> None:
    made = codec()
    for event in made.feed(line).events:
        event.model_dump_json()
    made.flush()
    AcpCodec(launch_spec(), json.loads(json.dumps(made.snapshot())))


@given(st.binary(max_size=300))
def test_no_bytes_raise(line: bytes) -> None:
    codec().feed(line.replace(b"\n", b" "))


JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "method", "params", "update", "sessionUpdate", "content", "text", "toolCallId", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["id", "method", "params", "result", "error"]), JSON))
def test_no_message_raises(message: dict[str, Any]) -> None:
    codec().feed(json.dumps(message).encode())


def test_requests_that_we_do_not_know_are_answered() -> None:
    (frame,) = codec().feed(b'{"jsonrpc":"2.0","id":7,"method":"fs/write_text_file","params":{}}').frames
    assert (json.loads(frame)["id"], json.loads(frame)["error"]["code"]) == (7, -32601)


def test_a_line_over_the_limit_is_kept_by_its_head() -> None:
    (event,) = codec().skipped(b"x" * 4096, 17_000_000).events
    assert isinstance(event, OutputUnrecognised)
    assert (event.size, len(event.head)) == (17_000_000, 4096)


def test_ids_follow_the_outbox() -> None:
    ids = [json.loads(codec().encode(Prompt(InputId("i"), "go"), seq))["id"] for seq in (5, 6)]
    assert ids[1] == ids[0] + 1
