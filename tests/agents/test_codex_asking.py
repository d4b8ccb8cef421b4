"""What Codex asks through us, what makes it ask at all, and the answers that it gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.agents.codex_replay import words_of
from tests.agents.codex_spoken import THREAD, TURN, Spoken, of
from tetherd.agents.codex.approvals import OPTIONS_LIMIT
from tetherd.agents.codex.calls import CHANGES_LIMIT
from tetherd.agents.codex.changes import FILES_LIMIT
from tetherd.agents.codex.codec import ASKED_LIMIT
from tetherd.agents.codex.commandline import unwrapped
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, Approval, ApprovalKind
from tetherd.domain.effects import Verdict
from tetherd.domain.ids import DAEMON, RunId, SessionId, approval_id_for
from tetherd.domain.modes import Mode
from tetherd.domain.policy import AskPerson, judge
from tetherd.domain.session import Session

FILE_CHANGE = "item/fileChange/requestApproval"
IN_EDITS = Session(
    session_id=SessionId("s-1"),
    name="Test",
    adapter="codex_sdk_sidecar",
    external=False,
    directory="/project",
    mode=Mode.EDITS,
    by=DAEMON,
)
YES, NO = Answer(decision="approve"), Answer(decision="reject")


@pytest.fixture
def spoken() -> Spoken:
    return Spoken().running()


# -- commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrapped", "inside"),
    [
        ("/bin/bash -lc ls", "ls"),
        ("/bin/bash -lc 'echo hi > a.txt'", "echo hi > a.txt"),
        ("/bin/bash -lc \"touch s; python3 -c 'x'\"", "touch s; python3 -c 'x'"),
        ("/usr/bin/sh -c 'echo hi'", "echo hi"),
        ("/bin/zsh -lc ''", ""),
        ("/bin/bash -lc ls extra", "/bin/bash -lc ls extra"),
        ("/bin/bash -x ls", "/bin/bash -x ls"),
        ("python3 -c 'ls'", "python3 -c 'ls'"),
        ("/bin/bash -lc 'half", "/bin/bash -lc 'half"),
        ("", ""),
    ],
)
def test_the_shell_around_a_command_is_taken_off(wrapped: str, inside: str) -> None:
    assert unwrapped(wrapped) == inside


def test_a_command_is_asked_about_as_it_is(spoken: Spoken) -> None:
    approval = spoken.asks_for_command("/bin/bash -lc 'rm -r x'")
    assert (approval.kind, approval.tool, approval.command) == (ApprovalKind.COMMAND, "Bash", "rm -r x")
    assert (approval.title, approval.cwd, approval.tool_call_id) == ("rm -r x", "/project", "c-1")
    assert approval.approval_id == approval_id_for(RunId("r-1"), "0")
    assert [option.option_id for option in approval.options if option.lasting] == ["acceptForSession"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"reason": "it needs the network"}, ["it needs the network"]),
        ({"networkApprovalContext": {"host": "example.org", "protocol": "https"}}, ["example.org", "https"]),
        ({"additionalPermissions": {"network": {"enabled": True}}}, ["more rights", '"enabled":true']),
        ({"kind": "writeStdin"}, ["Type into"]),
        ({"command": None}, ["Run a command"]),
        ({"command": None, "reason": 5, "cwd": [], "networkApprovalContext": "x"}, ["Run a command"]),
    ],
)
def test_whatever_comes_with_a_command_is_shown(spoken: Spoken, params: dict[str, Any], words: list[str]) -> None:
    title = spoken.asks("item/commandExecution/requestApproval", **{"command": "/bin/sh -c ls", **params}).title
    assert all(word in title for word in words)


# -- files -------------------------------------------------------------------------------------------------------


def change(path: str, kind: str, diff: str, move_path: str | None = None) -> dict[str, Any]:
    return {"path": path, "kind": {"type": kind, "move_path": move_path}, "diff": diff}


def begins_change(spoken: Spoken, *changes: Any, **more: Any) -> None:
    spoken.told("item/started", item={"type": "fileChange", "id": "c-1", "changes": list(changes)}, **more)


def test_the_diff_of_a_change_comes_from_its_beginning(spoken: Spoken) -> None:
    begins_change(
        spoken,
        change("/project/new", "add", "one\ntwo\n"),
        change("/project/old", "delete", "gone\n"),
        change("/project/a", "update", "@@ -1 +1 @@\n-x\n+y\n\n\nMoved to: /project/b", "/project/b"),
        change("/project/c", "update", "@@ -1 +1 @@\n-x\n+y"),
    )
    approval = spoken.asks(FILE_CHANGE)
    assert (approval.kind, approval.tool) == (ApprovalKind.EDIT, "Edit")
    assert {file.path: file.diff for file in approval.files} == {
        "/project/new": "--- /dev/null\n+++ /project/new\n@@ -0,0 +1,2 @@\n+one\n+two\n",
        "/project/old": "--- /project/old\n+++ /project/old\n@@ -1 +0,0 @@\n-gone\n",
        "/project/a": "--- /project/a\n+++ /project/b\n@@ -1 +1 @@\n-x\n+y\n",
        "/project/b": "",
        "/project/c": "--- /project/c\n+++ /project/c\n@@ -1 +1 @@\n-x\n+y\n",
    }


@pytest.mark.parametrize(
    ("changes", "tool", "title"),
    [
        ([change("/p/a", "add", "x")], "Write", "Write /p/a"),
        ([change("/p/a", "delete", "x")], "Edit", "Delete /p/a"),
        ([change("/p/a", "update", "x")], "Edit", "Edit /p/a"),
        ([change("/p/a", "update", "x", "/p/b")], "Edit", "Move /p/a to /p/b"),
        ([change("/p/a", "add", "x"), change("/p/b", "add", "x")], "Write", "2 files: /p/a, /p/b"),
    ],
)
def test_a_change_has_a_name(spoken: Spoken, changes: list[Any], tool: str, title: str) -> None:
    begins_change(spoken, *changes)
    approval = spoken.asks(FILE_CHANGE, reason="for you", grantRoot="/home")
    assert approval.tool == tool
    assert approval.title == f"{title}: for you: and write everywhere below /home until the session ends"


def test_a_change_that_nobody_told_of_is_a_persons_to_decide(spoken: Spoken) -> None:
    approval = spoken.asks(FILE_CHANGE)
    assert approval.files == () and "does not say" in approval.title
    assert isinstance(judge(approval, IN_EDITS), AskPerson)


def test_a_change_of_more_files_than_can_be_shown_is_a_persons_to_decide(spoken: Spoken) -> None:
    begins_change(spoken, *(change(f"/project/{n}", "add", "x") for n in range(FILES_LIMIT + 1)))
    approval = spoken.asks(FILE_CHANGE)
    assert "1 more files" in approval.files[-1].diff
    assert isinstance(judge(approval, IN_EDITS), AskPerson)


def test_the_newest_form_of_a_change_is_asked_about(spoken: Spoken) -> None:
    begins_change(spoken, change("/project/a", "add", "x\n"))
    spoken.told("item/fileChange/patchUpdated", itemId="c-1", changes=[change("/project/b", "add", "x\n")])
    assert [file.path for file in spoken.asks(FILE_CHANGE).files] == ["/project/b"]


def test_only_the_newest_changes_are_remembered(spoken: Spoken) -> None:
    for number in range(CHANGES_LIMIT + 1):
        item = {"type": "fileChange", "id": f"c-{number}", "changes": [change("/project/a", "add", "x")]}
        spoken.told("item/started", item=item)
    assert spoken.asks(FILE_CHANGE, 0, itemId="c-0").files == ()
    assert spoken.asks(FILE_CHANGE, 1, itemId="c-1").files != ()


def test_a_change_of_another_thread_is_shown_too(spoken: Spoken) -> None:
    begins_change(spoken, change("/project/a", "add", "x\n"), threadId="t-2")
    approval = spoken.asks(FILE_CHANGE, threadId="t-2", turnId="u-2")
    assert [file.path for file in approval.files] == ["/project/a"]
    (steer, _) = spoken.say(Verdict(approval, Answer(decision="reject", reason="no")))
    assert (steer["params"]["threadId"], steer["params"]["expectedTurnId"]) == ("t-2", "u-2")


# -- answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        (YES, "accept"),
        (NO, "decline"),
        (None, "cancel"),
        (Answer(decision="approve", choice=("acceptForSession",)), "acceptForSession"),
        (Answer(decision="reject", choice=("cancel",)), "cancel"),
        (Answer(decision="reject", choice=("accept",)), "decline"),
        (Answer(decision="approve", choice=("cancel", "nonsense")), "accept"),
    ],
)
def test_a_verdict_takes_the_narrowest_decision_that_says_so(
    spoken: Spoken, answer: Answer | None, decision: str
) -> None:
    assert spoken.say(Verdict(spoken.asks_for_command(), answer)) == [{"id": 0, "result": {"decision": decision}}]


def test_a_reason_goes_ahead_of_the_refusal(spoken: Spoken) -> None:
    approval = spoken.asks_for_command(request_id="q")
    steer, verdict = spoken.say(Verdict(approval, Answer(decision="reject", reason="not in this folder")), 9)
    assert (steer["id"], steer["method"]) == ("steer-9", "turn/steer")
    assert (steer["params"]["threadId"], steer["params"]["expectedTurnId"]) == (THREAD, TURN)
    assert "not in this folder" in steer["params"]["input"][0]["text"]
    assert verdict == {"id": "q", "result": {"decision": "decline"}}
    assert spoken.hear(id="steer-9", result={"turnId": TURN}).events == []
    (notice,) = spoken.hear(id="steer-9", error={"message": "no active turn to steer"}).events
    assert isinstance(notice, ev.NoticeRaised) and notice.code == "reason_undelivered"
    assert "no active turn" in notice.text


def test_another_input_is_a_rejection_that_says_which(spoken: Spoken) -> None:
    approval = spoken.asks_for_command("/bin/sh -c 'rm -r x'")
    steer, verdict = spoken.say(Verdict(approval, Answer(decision="approve", updated_input={"command": "rm y"})))
    assert '{"command":"rm y"}' in steer["params"]["input"][0]["text"]
    assert verdict["result"] == {"decision": "decline"}


def test_a_verdict_of_another_run_or_of_nothing_says_nothing(spoken: Spoken) -> None:
    approval = spoken.asks_for_command()
    stale = approval.model_copy(update={"run_id": RunId("r-0")})
    assert spoken.say(Verdict(stale, YES)) == []
    fresh = Spoken().running()
    assert fresh.say(Verdict(approval, YES)) == []


def test_a_stale_verdict_leaves_the_question_open(spoken: Spoken) -> None:
    approval = spoken.asks_for_command()
    spoken.say(Verdict(approval.model_copy(update={"run_id": RunId("r-0")}), YES))
    assert spoken.say(Verdict(approval, NO)) == [{"id": 0, "result": {"decision": "decline"}}]


def test_0_and_the_text_0_are_two_questions(spoken: Spoken) -> None:
    one, other = spoken.asks_for_command(request_id=0), spoken.asks_for_command(request_id="0")
    assert one.approval_id != other.approval_id
    assert spoken.say(Verdict(other, YES))[0]["id"] == "0"


def test_a_question_that_goes_away_is_withdrawn_and_an_answered_one_is_not(spoken: Spoken) -> None:
    approval = spoken.asks_for_command()
    assert spoken.told("serverRequest/resolved", requestId=0).events == [
        ev.ApprovalWithdrawn(approval_id=approval.approval_id)
    ]
    assert spoken.say(Verdict(approval, YES)) == []
    answered = spoken.asks_for_command(request_id=1)
    spoken.say(Verdict(answered, YES))
    assert spoken.told("serverRequest/resolved", requestId=1).events == []


def test_a_question_ends_with_its_turn(spoken: Spoken) -> None:
    approval = spoken.asks_for_command()
    spoken.ends_turn("interrupted")
    assert spoken.told("serverRequest/resolved", requestId=0).events == []
    assert spoken.say(Verdict(approval, YES)) == []


def test_a_flood_of_questions_is_refused_at_some_point(spoken: Spoken) -> None:
    for number in range(ASKED_LIMIT):
        spoken.asks_for_command(request_id=number)
    fed = spoken.hear(id=ASKED_LIMIT, method="item/commandExecution/requestApproval", params={"itemId": "x"})
    assert fed.events == []
    assert spoken.lines[-1]["error"]["code"] == -32601


# -- other questions ---------------------------------------------------------------------------------------------


def elicitation(spoken: Spoken, **params: Any) -> ev.AgentEvent:
    whole = {"threadId": THREAD, "serverName": "notes", "mode": "form", "message": "May I?", **params}
    (event,) = spoken.hear(id=3, method="mcpServer/elicitation/request", params=whole).events
    return event


def test_an_mcp_tool_is_asked_about_with_what_it_gets(spoken: Spoken) -> None:
    meta = {"codex_approval_kind": "mcp_tool_call", "tool_name": "change", "tool_params": {"name": "x"}}
    event = elicitation(spoken, _meta=meta, requestedSchema={"type": "object", "properties": {}})
    assert isinstance(event, ev.ApprovalRequested)
    approval = event.approval
    assert (approval.kind, approval.tool) == (ApprovalKind.TOOL, "mcp__notes__change")
    assert (approval.title, approval.input) == ("mcp__notes__change", {"name": "x"})
    assert spoken.say(Verdict(approval, YES)) == [{"id": 3, "result": {"action": "accept", "content": {}}}]


@pytest.mark.parametrize(("answer", "action"), [(NO, "decline"), (None, "cancel")])
def test_an_mcp_server_is_told_no(spoken: Spoken, answer: Answer | None, action: str) -> None:
    event = elicitation(spoken, requestedSchema={"type": "object", "properties": {}})
    assert isinstance(event, ev.ApprovalRequested)
    assert event.approval.title == "notes: May I?"
    assert spoken.say(Verdict(event.approval, answer)) == [{"id": 3, "result": {"action": action}}]


@pytest.mark.parametrize(
    "params",
    [
        {"requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}},
        {"mode": "url", "url": "https://example.org"},
        {"mode": None},
    ],
)
def test_a_form_that_cannot_be_shown_is_refused_and_told(spoken: Spoken, params: dict[str, Any]) -> None:
    notice = elicitation(spoken, **params)
    assert isinstance(notice, ev.NoticeRaised) and notice.code == "question_refused"
    assert "notes" in notice.text and "May I?" in notice.text
    assert spoken.lines[-1]["error"]["code"] == -32601


QUESTION = {
    "id": "colour",
    "header": "Colour",
    "question": "Which colour?",
    "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}],
}


def asks_questions(spoken: Spoken, *questions: dict[str, Any]) -> Approval:
    return spoken.asks("item/tool/requestUserInput", questions=list(questions), isBlocking=False)


@pytest.mark.parametrize(
    ("answer", "given"),
    [
        (Answer(decision="approve", choice=("colour/Blue",)), {"colour": ["Blue"], "name": []}),
        (Answer(decision="approve", choice=("colour/Blue",), text="Fred"), {"colour": ["Blue"], "name": ["Fred"]}),
        (Answer(decision="approve", text="Fred"), {"colour": ["Fred"], "name": ["Fred"]}),
        (Answer(decision="approve", choice=("name/Red", "x/y")), {"colour": [], "name": ["Red"]}),
    ],
)
def test_questions_are_answered_by_name(spoken: Spoken, answer: Answer, given: dict[str, list[str]]) -> None:
    approval = asks_questions(spoken, QUESTION, {**QUESTION, "id": "name", "header": "Name"})
    assert approval.kind is ApprovalKind.QUESTION
    assert [option.label for option in approval.options] == ["Colour: Red", "Colour: Blue", "Name: Red", "Name: Blue"]
    (said,) = spoken.say(Verdict(approval, answer))
    assert said["result"] == {"answers": {name: {"answers": words} for name, words in given.items()}}


@pytest.mark.parametrize("answer", [NO, None])
def test_a_question_that_nobody_answers_gets_no_answers(spoken: Spoken, answer: Answer | None) -> None:
    approval = asks_questions(spoken, QUESTION)
    assert [option.label for option in approval.options] == ["Red", "Blue"]
    assert spoken.say(Verdict(approval, answer))[0]["result"] == {"answers": {}}


def test_a_question_without_options_is_answered_in_words(spoken: Spoken) -> None:
    approval = asks_questions(spoken, {"id": "why", "question": "Why?"})
    (said,) = spoken.say(Verdict(approval, Answer(decision="approve", text="because")))
    assert said["result"]["answers"] == {"why": {"answers": ["because"]}}


def test_options_are_bounded(spoken: Spoken) -> None:
    many = [{"label": "x" * 1000}, {}, 3, *({"label": f"l{n}"} for n in range(100))]
    approval = asks_questions(spoken, {"id": "q", "question": "?", "options": many})
    assert len(approval.options) == OPTIONS_LIMIT
    assert approval.options[0].label == "l0"


def test_ids_without_end_are_not_remembered(spoken: Spoken) -> None:
    endless = "x" * 100_000
    spoken.asks_for_command(itemId=endless, turnId=endless, threadId=endless)
    spoken.told("item/started", item={"type": "fileChange", "id": endless, "changes": []})
    spoken.told("turn/started", turn={"id": endless})
    asks_questions(spoken, {**QUESTION, "id": endless})
    assert len(json.dumps(spoken.codec.snapshot())) < 4000


def test_nobody_is_asked_for_a_secret(spoken: Spoken) -> None:
    params = {"threadId": THREAD, "questions": [{**QUESTION, "isSecret": True}], "itemId": "c"}
    (notice,) = spoken.hear(id=8, method="item/tool/requestUserInput", params=params).events
    assert isinstance(notice, ev.NoticeRaised) and "secret" in notice.text
    assert spoken.lines[-1]["error"]["code"] == -32601


ASKABLE = ("item/commandExecution/requestApproval", FILE_CHANGE)
SERVER_REQUESTS = words_of("ServerRequestMethod")


@pytest.mark.parametrize("request_id", [7, "7", -1])
@pytest.mark.parametrize("method", [*SERVER_REQUESTS, "nonsense/x"])
def test_everything_that_is_asked_is_asked_about_or_refused(spoken: Spoken, method: str, request_id: Any) -> None:
    fed = spoken.hear(id=request_id, method=method, params={})
    if method in ASKABLE:
        assert of(fed.events, "approval_requested")
    else:
        assert (spoken.lines[-1]["id"], spoken.lines[-1]["error"]["code"]) == (request_id, -32601)
    assert not of(fed.events, "output_unrecognised")


@pytest.mark.parametrize("request_id", [1.5, [], {}, None, True, "x" * 1000])
def test_a_request_without_a_proper_id_cannot_be_answered(spoken: Spoken, request_id: Any) -> None:
    fed = spoken.hear(id=request_id, method="item/commandExecution/requestApproval", params={})
    assert of(fed.events, "output_unrecognised") and not fed.frames
