"""The ACP codec beyond the recordings: refusals, withdrawals, odd questions, broken lines."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agents.acp_replay import NAMES, launch_spec, read_frame, records_of
from tetherd.agents.acp.codec import AcpCodec
from tetherd.agents.acp.terms import Terms
from tetherd.agents.adapters.acp import AcpAdapter
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, ApprovalKind
from tetherd.domain.effects import InterruptTurn, Prompt, Verdict
from tetherd.domain.ids import InputId, RunId, approval_id_for
from tetherd.errors import Misconfigured
from tetherd.plugin import Fed, LaunchSpec

OPTIONS = [
    {"optionId": "yes", "name": "Allow", "kind": "allow_once"},
    {"optionId": "ever", "name": "Always", "kind": "allow_always"},
    {"optionId": "no", "name": "Reject", "kind": "reject_once"},
]


class Talk:
    """A codec that is spoken to. Everything that it says must be a client's frame by the schema."""

    def __init__(self, vendor_session_id: str | None = None, terms: Terms = Terms()) -> None:  # noqa: B008
        self.codec = AcpCodec(launch_spec(vendor_session_id), None, terms)
        self.frames = [read_frame(frame) for frame in self.codec.open()]

    def hear(self, **message: Any) -> Fed:
        fed = self.codec.feed(json.dumps({"jsonrpc": "2.0", **message}).encode())
        fed.frames = [read_frame(frame) for frame in fed.frames]
        return fed

    def say(self, command: Any, seq: int = 1) -> dict[str, Any]:
        return read_frame(self.codec.encode(command, seq))

    def ready(self) -> Talk:
        self.hear(id=1, result={"protocolVersion": 1})
        (event,) = self.hear(id=2, result={"sessionId": "v"}).events
        assert isinstance(event, ev.AgentReady)
        return self

    def asks(self, call: dict[str, Any], options: Any = OPTIONS, request_id: Any = 0) -> Any:
        params = {"sessionId": "v", "toolCall": {"toolCallId": "c", **call}, "options": options}
        found = self.hear(id=request_id, method="session/request_permission", params=params).events
        assert isinstance(found[-1], ev.ApprovalRequested)
        return found[-1].approval


@pytest.fixture
def talk() -> Talk:
    return Talk().ready()


# -- the handshake -----------------------------------------------------------------------------------------------


def test_an_agent_that_cannot_begin_says_why() -> None:
    for answer, why in (
        ({"error": {"code": -32000, "message": "Authentication required"}}, "Authentication required"),
        ({"error": {"code": -32603, "message": "Internal", "data": {"details": "no key"}}}, "Internal: no key"),
        ({"error": None}, "it gave no reason"),
        ({"result": {"protocolVersion": 2}}, "it speaks version 2"),
    ):
        fed = Talk().hear(id=1, **answer)
        (event,) = fed.events
        assert isinstance(event, ev.NoticeRaised) and event.code == "agent_refused"
        assert why in event.text
        assert fed.frames == []
    for answer, why in (({"error": {"message": "x" * 9000}}, "cut here"), ({"result": {}}, "its session has no id")):
        talk = Talk()
        talk.hear(id=1, result={})
        (event,) = talk.hear(id=2, **answer).events
        assert isinstance(event, ev.NoticeRaised) and why in event.text


def test_a_session_is_loaded_and_its_repeated_words_are_not_written_again() -> None:
    talk = Talk("v-old")
    fed = talk.hear(id=1, result={"protocolVersion": 1, "agentCapabilities": {"loadSession": True}})
    assert [(frame["method"], frame["params"]["sessionId"]) for frame in fed.frames] == [("session/load", "v-old")]
    assert chunk(talk, "old words").events == []
    (event,) = talk.hear(id=3, result={}).events
    assert event == ev.AgentReady(vendor_session_id="v-old")
    assert chunk(talk, "new words").deltas[0].offset == 0


@pytest.mark.parametrize("can_load", [False, True])
def test_where_loading_fails_a_new_session_begins_and_is_told(can_load: bool) -> None:
    talk = Talk("v-old")
    fed = talk.hear(id=1, result={"agentCapabilities": {"loadSession": can_load}})
    if can_load:
        fed = talk.hear(id=3, error={"code": -32002, "message": "not found"})
    assert [frame["method"] for frame in fed.frames] == ["session/new"]
    (notice,) = fed.events
    assert isinstance(notice, ev.NoticeRaised) and notice.code == "resume_failed"


def test_an_answer_to_nothing_is_kept_as_unrecognised(talk: Talk) -> None:
    for message in ({"id": 1, "result": {}}, {"id": 77, "result": {}}, {"id": None, "error": {}}, {"result": {}}):
        (event,) = talk.hear(**message).events
        assert isinstance(event, ev.OutputUnrecognised)


# -- what agents ask ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", [7, "7", "x", -1, None])
@pytest.mark.parametrize("method", ["fs/read_text_file", "terminal/create", "_vendor/x", "x" * 10_000])
def test_unknown_requests_are_refused_at_once(talk: Talk, request_id: Any, method: str) -> None:
    fed = talk.hear(id=request_id, method=method, params={})
    (frame,) = fed.frames
    assert (frame["id"], frame["error"]["code"]) == (request_id, -32601)
    assert len(str(frame)) < 1000
    assert fed.events == []


@pytest.mark.parametrize("request_id", [1.5, [], {}])
def test_a_request_without_a_proper_id_cannot_be_answered(talk: Talk, request_id: Any) -> None:
    for method in ("fs/read_text_file", "session/request_permission"):
        fed = talk.hear(id=request_id, method=method, params={})
        assert isinstance(fed.events[0], ev.OutputUnrecognised) and not fed.frames


def test_a_question_about_no_call_is_refused(talk: Talk) -> None:
    (frame,) = talk.hear(id=5, method="session/request_permission", params={"options": OPTIONS}).frames
    assert frame["error"]["code"] == -32602


def test_extensions_are_ignored_and_other_notices_are_kept(talk: Talk) -> None:
    assert talk.hear(method="_vendor/news", params={}).events == []
    assert talk.hear(method="$/progress").events == []
    assert isinstance(talk.hear(method="session/other").events[0], ev.OutputUnrecognised)


@pytest.mark.parametrize(
    ("call", "kind", "shown"),
    [
        ({"kind": "execute", "rawInput": {"command": "ls"}}, ApprovalKind.COMMAND, "ls"),
        ({"kind": "execute", "rawInput": {"cmd": ["ls", "a b"]}}, ApprovalKind.COMMAND, "ls 'a b'"),
        ({"kind": "execute", "title": "ls -l"}, ApprovalKind.COMMAND, "ls -l"),
        ({"kind": "execute"}, ApprovalKind.COMMAND, None),
        ({"kind": "fetch", "title": "GET"}, ApprovalKind.TOOL, None),
        ({"kind": "edit"}, ApprovalKind.EDIT, None),
        ({"kind": 7, "title": [], "rawInput": "x", "locations": {}}, ApprovalKind.TOOL, None),
    ],
)
def test_what_is_asked_by_kind(talk: Talk, call: dict[str, Any], kind: ApprovalKind, shown: str | None) -> None:
    approval = talk.asks(call)
    assert (approval.kind, approval.command) == (kind, shown)
    assert approval.title


def test_a_plan_is_shown_before_it_is_asked_for(talk: Talk) -> None:
    params = {"toolCall": {"toolCallId": "p", "kind": "switch_mode", "rawInput": {"plan": "1. do"}}, "options": OPTIONS}
    *_, notice, asked = talk.hear(id=0, method="session/request_permission", params=params).events
    assert isinstance(notice, ev.NoticeRaised) and (notice.code, notice.text) == ("plan", "1. do")
    assert isinstance(asked, ev.ApprovalRequested) and asked.approval.kind is ApprovalKind.PLAN


def test_every_file_that_is_touched_is_named(talk: Talk) -> None:
    call = {
        "kind": "edit",
        "content": [{"type": "diff", "path": "/w/a", "oldText": "x\n", "newText": "y\n"}],
        "locations": [{"path": "/w/b"}, {"path": 5}],
        "rawInput": {"file_path": "c", "changes": {"/w/d": {"move_path": "/w/e"}}},
    }
    approval = talk.asks(call)
    assert [file.path for file in approval.files] == ["/w/a", "/w/b", "/project/c", "/w/d", "/w/e"]
    assert approval.files[0].diff == "--- /w/a\n+++ /w/a\n@@ -1 +1 @@\n-x\n+y\n"


def test_options_of_an_unknown_kind_are_not_offered(talk: Talk) -> None:
    options = [*OPTIONS, {"optionId": "x", "kind": "maybe"}, {"kind": "allow_once"}, 5, {"optionId": "z"}]
    approval = talk.asks({"kind": "execute"}, options)
    assert [option.option_id for option in approval.options] == ["yes", "ever", "no"]
    assert [option.lasting for option in approval.options] == [False, True, False]
    assert talk.asks({"kind": "execute"}, "none", 1).options == ()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(decision="approve"), {"outcome": "selected", "optionId": "yes"}),
        (Answer(decision="reject"), {"outcome": "selected", "optionId": "no"}),
        (Answer(decision="approve", choice=("yes",)), {"outcome": "selected", "optionId": "yes"}),
        (Answer(decision="approve", choice=("ever",)), {"outcome": "cancelled"}),
        (None, {"outcome": "cancelled"}),
    ],
)
def test_an_answer_never_takes_what_the_agent_would_remember(
    talk: Talk, answer: Answer | None, outcome: object
) -> None:
    frame = talk.say(Verdict(talk.asks({"kind": "execute"}), answer))
    assert (frame["id"], frame["result"]["outcome"]) == (0, outcome)


def test_a_reason_travels_along(talk: Talk) -> None:
    frame = talk.say(Verdict(talk.asks({}, request_id="r-1"), Answer(decision="reject", reason="not so")))
    assert (frame["id"], frame["result"]["_meta"]) == ("r-1", {"reason": "not so"})


def test_0_and_the_text_0_are_two_questions(talk: Talk) -> None:
    one, other = talk.asks({}, request_id=0), talk.asks({}, request_id="0")
    assert one.approval_id != other.approval_id
    assert talk.say(Verdict(other, None))["id"] == "0"


def test_a_withdrawn_question_is_closed_and_acknowledged_once(talk: Talk) -> None:
    approval = talk.asks({}, request_id=4)
    for acknowledged in (1, 0):
        fed = talk.hear(method="$/cancel_request", params={"requestId": 4})
        assert fed.events == [ev.ApprovalWithdrawn(approval_id=approval.approval_id)]
        assert [frame["error"]["code"] for frame in fed.frames] == [-32800] * acknowledged
    assert approval.approval_id == approval_id_for(RunId("r-1"), "4")
    assert isinstance(talk.hear(method="$/cancel_request", params={"requestId": []}).events[0], ev.OutputUnrecognised)


# -- turns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"result": {"stopReason": "end_turn"}}, "completed"),
        ({"result": {"stopReason": "cancelled"}}, "completed"),
        ({"error": {"code": -32603, "message": "overloaded"}}, "failed"),
    ],
)
def test_how_a_turn_ends(talk: Talk, answer: dict[str, Any], outcome: str) -> None:
    prompt = talk.say(Prompt(InputId("i"), "go"), 5)
    chunk(talk, "half")
    *_, last = talk.hear(id=prompt["id"], **answer).events
    assert isinstance(last, ev.TurnCompleted) and last.outcome == outcome
    assert isinstance(talk.hear(id=prompt["id"], **answer).events[0], ev.OutputUnrecognised)


def test_an_interrupt_is_a_notice(talk: Talk) -> None:
    assert talk.say(InterruptTurn()) == {"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": "v"}}


def test_a_plan_and_unknown_blocks_leave_a_mark(talk: Talk) -> None:
    entries = [{"content": "a", "status": "completed"}, {"content": "b"}, {}]
    (notice,) = update(talk, "plan", entries=entries).events
    assert isinstance(notice, ev.NoticeRaised) and notice.text.splitlines()[1] == "[ ] b"
    for block, shown in (
        ({"type": "image", "data": "…"}, "[image]"),
        ({"type": "resource_link", "name": "n", "uri": "u"}, "[n](u)"),
        ({"type": "resource", "resource": {"uri": "u"}}, "[u]"),
        ({"type": "resource", "resource": {"text": "t", "uri": "u"}}, "t"),
    ):
        (delta,) = update(talk, "agent_message_chunk", content=block).deltas
        assert delta.text == shown


def test_half_a_surrogate_pair_becomes_a_mark(talk: Talk) -> None:
    line = b'{"method":"session/update","params":{"update":{"sessionUpdate":"agent_message_chunk","content":'
    fed = talk.codec.feed(line + rb'{"type":"text","text":"a\ud83d\\ud83d \ud83d\ude42"}}}}')
    assert [delta.text for delta in fed.deltas] == ["a\ufffd\\ud83d \U0001f642"]


def chunk(talk: Talk, text: str) -> Fed:
    return update(talk, "agent_message_chunk", content={"type": "text", "text": text})


def update(talk: Talk, kind: str, **members: Any) -> Fed:
    return talk.hear(method="session/update", params={"sessionId": "v", "update": {"sessionUpdate": kind, **members}})


# -- broken lines ------------------------------------------------------------------------------------------------

LINES = [json.dumps(record["msg"]).encode() for name in NAMES for record in records_of(name) if record["dir"] == "out"]


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(LINES), st.integers(0, 400), st.binary(max_size=3)), max_size=4))
def test_half_lines_and_flipped_bytes_never_raise(broken: list[tuple[bytes, int, bytes]]) -> None:
    talk = Talk().ready()
    for line, place, noise in broken:
        for bad in (line[:place], line[:place] + noise + line[place + len(noise) :]):
            fed = talk.codec.feed(bad.replace(b"\n", b" "))
            for event in fed.events:
                assert ev.EVENT.validate_json(event.model_dump_json()) == event
            for frame in fed.frames:
                read_frame(frame)
    AcpCodec(launch_spec(), json.loads(json.dumps(talk.codec.snapshot())))
    talk.codec.finish()


# -- the adapter -------------------------------------------------------------------------------------------------


def test_the_command_line_is_split_and_not_run_by_a_shell() -> None:
    adapter = AcpAdapter()
    spec = spec_with("agent --acp 'a b' $HOME")
    launch = adapter.launch(spec)
    assert (launch.argv, launch.directory) == (("agent", "--acp", "a b", "$HOME"), "/project")
    assert adapter.program(spec.settings) == "agent"
    assert isinstance(adapter.codec(spec, None), AcpCodec)
    assert adapter.program({"command": ""}) is None
    with pytest.raises(Misconfigured, match="TETHER_ACP_COMMAND"):
        adapter.launch(spec_with(""))
    (setting,) = adapter.settings
    with pytest.raises(ValueError, match="as a shell would read it"):
        setting.parse("'x")


def spec_with(command: str) -> LaunchSpec:
    bare = launch_spec()
    return LaunchSpec(
        session_id=bare.session_id,
        run_id=bare.run_id,
        directory=bare.directory,
        mode=bare.mode,
        settings={"command": command},
    )
