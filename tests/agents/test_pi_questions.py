"""What Pi asks: tool calls, what is shown of them, what passes, and dialogs of extensions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.agents.acp_replay import launch_spec
from tests.agents.test_pi_turns import Talk, kinds, ready
from tetherd.agents.adapters.pi_rpc import ExtensionsCannotBeAsked, PiAdapter
from tetherd.agents.pi.edits import diff_of, edited
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, Approval, ApprovalKind
from tetherd.domain.effects import Verdict
from tetherd.domain.modes import Mode
from tetherd.plugin import Fed, LaunchSpec


def asks(talk: Talk, tool: str, given: Any, **facts: Any) -> Fed:
    title = {"tetherd": 1, "kind": "tool_call", "toolCallId": "c", "toolName": tool, "input": given, **facts}
    return talk.hear("extension_ui_request", id="u", method="select", title=json.dumps(title), options=[])


def approval_of(fed: Fed) -> Approval:
    (event,) = fed.events
    assert isinstance(event, ev.ApprovalRequested)
    return event.approval


def target(inside: str | None, path: str = "/project/x", **more: Any) -> dict[str, Any]:
    return {"target": {"path": path, "inside": inside, "exists": True, **more}}


@pytest.mark.parametrize("tool", ["read", "grep", "find", "ls"])
def test_reading_inside_the_project_passes(tool: str) -> None:
    for inside in ("", "src/main.py"):
        (frame,) = asks(ready(), tool, {"path": "x"}, **target(inside)).frames
        said = json.loads(frame)
        assert (said["id"], json.loads(said["value"])) == ("u", {"decision": "approve"})


@pytest.mark.parametrize(
    ("tool", "facts"),
    [
        ("read", target(None, "/etc/passwd")),
        ("read", target(".env")),
        ("read", target("sub/.git/config")),
        ("read", {"target": {"path": "/project/x", "inside": "x", "exists": False}}),
        ("read", {}),
        ("write", target("x", before="")),
        ("edit", target("x", before="")),
        ("bash", target("x")),
        ("mine", target("x")),
    ],
)
def test_everything_else_is_asked(tool: str, facts: Any) -> None:
    fed = asks(ready(), tool, {"path": "x"}, **facts)
    assert (kinds(fed), fed.frames) == (["approval_requested"], [])


def test_a_command_is_shown_with_all_that_runs_with_it() -> None:
    approval = approval_of(asks(ready(), "bash", {"command": "ls\nrm x"}, shell={"prefix": None, "program": None}))
    assert (approval.kind, approval.tool, approval.command) == (ApprovalKind.COMMAND, "Bash", "ls\nrm x")
    assert approval.title == "ls"
    shell = {"prefix": "source evil", "program": "/tmp/sh"}
    approval = approval_of(asks(ready(), "bash", {"command": "ls"}, shell=shell))
    assert approval.command == "# run by /tmp/sh\nsource evil\nls"


def test_a_file_is_shown_by_its_real_path() -> None:
    write = {"path": "link", "content": "new\n"}
    outside = approval_of(asks(ready(), "write", write, **target(None, "/etc/cron.d/x", before="old\n")))
    assert [file.path for file in outside.files] == ["/etc/cron.d/x"]
    assert "-old\n+new\n" in outside.files[0].diff
    inside = approval_of(asks(ready(), "write", write, **target("a/b", before=None)))
    assert inside.files[0].path == "/project/a/b"
    assert "is not shown" in inside.files[0].diff
    untold = approval_of(asks(ready(), "write", write))
    assert untold.files[0].path == "link"


def test_the_whole_input_of_a_tool_that_we_do_not_know_is_shown() -> None:
    approval = approval_of(asks(ready(), "deploy", {"to": "production"}))
    assert (approval.kind, approval.tool) == (ApprovalKind.TOOL, "deploy")
    assert (approval.title, approval.input) == ("deploy", {"to": "production"})


@pytest.mark.parametrize(
    ("before", "pieces", "after"),
    [
        ("a\nb\nc\n", [("b", "B")], "a\nB\nc\n"),
        ("a\nb\nc\n", [("c", "C"), ("a", "A")], "A\nb\nC\n"),
        ("a\r\nb\r\n", [("a\nb", "x")], "x\n"),
        ("a a", [("a", "b")], None),
        ("aaa", [("aa", "b")], None),
        ("abc", [("ab", "x"), ("bc", "y")], None),
        ("abc", [("", "x")], None),
        ("abc", [("z", "x")], None),
    ],
)
def test_edits_are_applied_as_pi_applies_them(before: str, pieces: list[tuple[str, str]], after: str | None) -> None:
    assert edited(before, pieces) == after


def test_an_edit_that_does_not_fit_is_shown_in_pieces() -> None:
    given: Any = {"edits": [{"oldText": "z", "newText": "y"}], "oldText": "k", "newText": "l"}
    shown = diff_of("/p", "edit", given, "abc", exists=True)
    assert "-z" in shown and "+y" in shown and "-k" in shown and "+l" in shown
    assert diff_of("/p", "edit", {"edits": "?"}, "abc", exists=True) == ""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(decision="approve"), {"decision": "approve"}),
        (
            Answer(decision="approve", updated_input={"command": "true"}),
            {"decision": "approve", "input": {"command": "true"}},
        ),
        (Answer(decision="reject", reason="no"), {"decision": "reject", "reason": "The user rejected this: no"}),
        (Answer(decision="reject"), {"decision": "reject", "reason": "The user rejected this."}),
    ],
)
def test_verdicts(answer: Answer, said: Any) -> None:
    talk = ready()
    approval = approval_of(asks(talk, "bash", {"command": "ls"}))
    frame = json.loads(talk.codec.encode(Verdict(approval, answer), 1))
    assert (frame["type"], frame["id"], json.loads(frame["value"])) == ("extension_ui_response", "u", said)


def test_a_question_that_pi_drops_is_withdrawn_once() -> None:
    talk = ready()
    talk.hear("tool_execution_start", toolCallId="c", toolName="bash", args={})
    approval = approval_of(asks(talk, "bash", {"command": "ls"}))
    ended = talk.hear("tool_execution_end", toolCallId="c", result={}, isError=True)
    assert ended.events[0] == ev.ApprovalWithdrawn(approval_id=approval.approval_id)
    talk.hear("tool_execution_start", toolCallId="c", toolName="bash", args={})
    approval = approval_of(asks(talk, "bash", {"command": "ls"}))
    talk.codec.encode(Verdict(approval, Answer(decision="approve")), 1)
    assert kinds(talk.hear("tool_execution_end", toolCallId="c", result={}, isError=False)) == ["tool_call_finished"]


# -- dialogs of extensions ---------------------------------------------------------------------------------------------


def dialog(method: str, answer: Answer | None, **members: Any) -> tuple[Approval, dict[str, Any]]:
    talk = ready()
    approval = approval_of(talk.hear("extension_ui_request", id="u", method=method, **members))
    assert approval.kind is ApprovalKind.QUESTION
    said: dict[str, Any] = json.loads(talk.codec.encode(Verdict(approval, answer), 1))
    assert (said.pop("type"), said.pop("id")) == ("extension_ui_response", "u")
    return approval, said


def test_a_choice_is_answered_with_its_words() -> None:
    approval, said = dialog(
        "select", Answer(decision="approve", choice=("1",)), title="Which?", options=["red", "blue"]
    )
    assert [option.label for option in approval.options] == ["red", "blue"]
    assert said == {"value": "blue"}
    for answer in (None, Answer(decision="reject"), Answer(decision="approve")):
        assert dialog("select", answer, title="Which?", options=["red"])[1] == {"cancelled": True}


def test_yes_no_and_free_words() -> None:
    approval, said = dialog("confirm", Answer(decision="approve"), title="Sure?", message="It is final.")
    assert (approval.title, said) == ("Sure?\nIt is final.", {"confirmed": True})
    assert dialog("confirm", Answer(decision="reject"), title="Sure?")[1] == {"confirmed": False}
    assert dialog("input", Answer(decision="approve", text="Ada"), title="Name?")[1] == {"value": "Ada"}
    assert dialog("editor", None, title="Edit")[1] == {"cancelled": True}


def test_a_dialog_that_only_looks_like_ours_is_not_taken_for_it() -> None:
    for title in ('{"tetherd":2}', '{"tetherd":true}', '["tetherd",1]', '{"tetherd":1', "tetherd"):
        approval, _ = dialog("select", None, title=title, options=["allow"])
        assert approval.request_id == "select:u"


def test_what_cannot_be_shown_whole_is_dismissed() -> None:
    fed = ready().hear("extension_ui_request", id="u", method="select", title="?", options=["x" * 5000])
    assert kinds(fed) == ["notice_raised"]
    assert json.loads(fed.frames[0]) == {"type": "extension_ui_response", "id": "u", "cancelled": True}


def test_what_extensions_tell_is_shown() -> None:
    (event,) = ready().hear("extension_ui_request", id="u", method="notify", message="hm", notifyType="warning").events
    assert isinstance(event, ev.NoticeRaised) and (event.level, event.text) == ("warning", "hm")
    assert ready().hear("extension_ui_request", id="u", method="setWidget", widgetKey="k").events == []
    (event,) = ready().hear("extension_error", extensionPath="/x", event="tool_call", error="boom").events
    assert isinstance(event, ev.NoticeRaised) and "boom" in event.text


# -- the adapter -------------------------------------------------------------------------------------------------------


def spec(mode: Mode = Mode.ASK, *, trusted: bool = False, more: Any = {}, **settings: str) -> LaunchSpec:  # noqa: B006
    own = {setting.field: setting.default for setting in PiAdapter.settings}
    environment = {"PATH": "/bin"}
    plain = launch_spec()
    return replace(plain, mode=mode, is_trusted=trusted, settings=own | settings, environment=environment, **more)


def test_it_is_started_with_our_extension_alone() -> None:
    launch = PiAdapter().launch(spec(command="/opt/pi --offline", model="openai/gpt", thinking="high"))
    words = " ".join(launch.argv)
    assert words.startswith("/opt/pi --offline --mode rpc --no-extensions --extension /")
    assert words.endswith("gate.js --model openai/gpt --thinking high")
    assert launch.environment == {"PATH": "/bin", "PI_OFFLINE": "1", "PI_SKIP_VERSION_CHECK": "1", "PI_TELEMETRY": "0"}


def test_it_goes_on_or_begins_a_copy() -> None:
    resumed = PiAdapter().launch(spec(more={"vendor_session_id": "/home/dev/s.jsonl"}))
    assert resumed.argv[-2:] == ("--session", "/home/dev/s.jsonl")
    assert resumed.conversation == "/home/dev/s.jsonl"
    assert PiAdapter().launch(spec(more={"fork_of": "/home/dev/s.jsonl"})).argv[-2:] == ("--fork", "/home/dev/s.jsonl")


@pytest.mark.parametrize("mode", [Mode.ASK, Mode.EDITS])
def test_with_extensions_of_ones_own_only_auto_or_a_trusted_directory_starts(mode: Mode) -> None:
    with pytest.raises(ExtensionsCannotBeAsked) as refused:
        PiAdapter().launch(spec(mode, extensions="on"))
    assert "TETHER_PI_EXTENSIONS=off" in str(refused.value.hint)
    assert "--no-extensions" not in PiAdapter().launch(spec(Mode.AUTO, extensions="on")).argv
    assert "--no-extensions" not in PiAdapter().launch(spec(mode, trusted=True, extensions="on")).argv
    assert "--no-extensions" in PiAdapter().launch(spec(mode, trusted=True)).argv
