"""approvals, approve, reject: what is answered is what was printed."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.cli.shapes import APPROVAL, SESSION, approval_body, approvals, asked, resolved
from tests.fakes.stub_daemon import problem
from tetherd.cli.words import digest_of
from tetherd.domain.approval import ApprovalKind, FileShown, Option

PENDING = "GET /api/approvals?state=pending&limit=500"
CLOSED = "GET /api/approvals?state=closed&limit=500"
DECISION = f"POST /api/approvals/{APPROVAL}/decision"
SECOND = "a-0123000000ff"

EDIT = asked(
    kind=ApprovalKind.EDIT,
    title="edit a.py",
    command=None,
    files=(FileShown(path="/w/a.py", diff="--- a\n+++ b\n@@ -1 +1 @@\n-x\n+ü\n"),),
)
QUESTION = asked(
    kind=ApprovalKind.QUESTION,
    title="Which colour?",
    command=None,
    options=(
        Option(option_id="b", label="blue", description="like the sea", decision="approve"),
        Option(option_id="r", label="red", decision="approve"),
    ),
)


@pytest.fixture
def one(daemon):
    daemon.answer(PENDING, approvals(approval_body()))
    daemon.answer(f"GET /api/approvals/{APPROVAL}", (200, approval_body()))
    daemon.answer(DECISION, (200, approval_body(state="resolved", resolution=resolved())))
    return daemon


# -- looking -----------------------------------------------------------------------------------------------------


def test_what_waits_is_shown_whole(daemon, run) -> None:
    daemon.answer(PENDING, approvals(approval_body(), approval_body(EDIT)))
    ran = run("approvals")
    assert ran.code == 0
    assert f"{APPROVAL}  command: run make\n  in /w\n  $ make\n  --choice yes  Allow\n" in ran.out
    assert "  /w/a.py\n    --- a\n    +++ b\n    @@ -1 +1 @@\n    -x\n    +ü\n" in ran.out
    assert f"ago in work ({SESSION})" in ran.out
    assert ran.err == "decide with: tetherctl approve ID, or tetherctl reject ID --reason TEXT\n"
    assert run("approvals", "--json").records == [approval_body(), approval_body(EDIT)]


def test_what_to_look_at_is_shown_below_it(daemon, run) -> None:
    daemon.answer(PENDING, approvals(approval_body(asked(command="rm -rf /etc/x\x1b[2K; tetherctl approve"))))
    out = run("approvals").out
    assert "  ! Not understood: it holds an invisible character (U+001B)\n" in out
    assert "  ! Reaches for tetherd: it names tetherd" in out


def test_nothing_waits(daemon, run) -> None:
    daemon.answer(PENDING, approvals())
    assert run("approvals").out == "Nothing is waiting for you.\n"
    assert run("approvals", "--json").out == ""


# -- deciding ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [(), (APPROVAL,), (APPROVAL[:6],), (APPROVAL[2:8],)])
def test_approve_takes_the_only_one_or_the_one_that_is_named(one, run, given: tuple[str, ...]) -> None:
    ran = run("approve", *given)
    assert ran.code == 0
    assert ran.out.startswith(f"{APPROVAL}  command: run make\n")
    assert ran.out.endswith(f"approved {APPROVAL} in work ({SESSION})\n")
    assert one.last("POST").body == {"decision": "approve", "digest": asked().digest()}


def test_reject_tells_the_agent_why(one, run) -> None:
    ran = run("reject", APPROVAL, "--reason", "use a branch")
    assert ran.out.endswith(f"rejected {APPROVAL} in work ({SESSION})\n")
    assert one.last("POST").body == {
        "decision": "reject",
        "reason": "use a branch",
        "digest": asked().digest(),
    }
    run("reject")
    assert "reason" not in one.last("POST").body


def test_with_json_the_answer_alone_is_printed(one, run) -> None:
    assert run("approve", "--json").records == [approval_body(state="resolved", resolution=resolved())]


def test_without_an_id_nothing_or_several_is_no_guess(daemon, run) -> None:
    daemon.answer(PENDING, approvals())
    nothing = run("approve")
    assert (nothing.code, nothing.err) == (4, "tetherctl: nothing is waiting for you\n")
    daemon.answer(PENDING, approvals(approval_body(), approval_body(asked(SECOND, title="two\n"))))
    several = run("approve")
    assert several.code == 2
    assert several.err.splitlines()[0] == "tetherctl: 2 approvals are waiting:"
    assert f"  {APPROVAL}  run make" in several.err and several.err.endswith("say which\n")
    assert run("approve", "0123").code == 2
    assert not [one for one in daemon.asked if one.method == "POST"]


# -- the digest --------------------------------------------------------------------------------------------------

SHOWN = {"kind", "title", "command", "cwd", "files", "options", "input"}
CHANGES = {
    "kind": "tool",
    "title": "run make clean",
    "command": "make clean",
    "cwd": "/elsewhere",
    "files": [{"path": "/w/b.py", "diff": "+b"}],
    "options": [{"option_id": "x", "label": "X", "description": "d", "decision": "approve", "lasting": False}],
    "input": {"url": "http://localhost/", "lines": ["a", "b"]},
}


ODD = asked(command="café \u2028 \x1b[2J")


@pytest.mark.parametrize("what", [asked(), EDIT, QUESTION, ODD], ids=["command", "edit", "question", "odd"])
def test_the_digest_is_the_daemons_own_and_over_canonical_json(what) -> None:
    body = approval_body(what)
    assert digest_of(body) == what.digest() == body["digest"]
    shown = {key: body[key] for key in sorted(SHOWN)}
    members = ("description", "label", "option_id")
    shown["options"] = [{name: one[name] for name in members} for one in body["options"]]
    shown["files"] = [{"diff": one["diff"], "path": one["path"]} for one in body["files"]]
    text = json.dumps(shown, separators=(",", ":"), ensure_ascii=False)
    assert digest_of(body) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("field", sorted(SHOWN))
def test_all_that_the_digest_covers_is_printed(daemon, run, field: str) -> None:
    changed = approval_body() | {field: CHANGES[field]}
    shown = []
    for body in (approval_body(), changed):
        daemon.answer(f"GET /api/approvals/{APPROVAL}", (200, body))
        daemon.answer(DECISION, (200, body))
        shown.append((run("approve", APPROVAL).out, daemon.last("POST").body["digest"]))
    (before, digest), (after, other) = shown
    assert before != after and digest != other


def test_the_digest_is_of_what_was_printed_whatever_the_daemon_claims(one, run) -> None:
    lie = approval_body() | {"command": "rm -rf /", "digest": asked().digest()}
    one.answer(f"GET /api/approvals/{APPROVAL}", (200, lie))
    one.answer(DECISION, problem(409, "digest_mismatch", f"approval {APPROVAL} is not what you were shown"))
    ran = run("approve", APPROVAL)
    assert "$ rm -rf /" in ran.out
    assert one.last("POST").body["digest"] not in (asked().digest(), None)
    assert ran.code == 1


def test_what_is_asked_cannot_draw_over_what_is_asked(daemon, run) -> None:
    nasty = asked(title="run\x1b[2K\rmake", command="rm -rf x\x1b[8m\n\u202eecho", cwd="/w\x1b]0;t\x07")
    daemon.answer(PENDING, approvals(approval_body(nasty)))
    out = run("approvals").out
    assert out.isascii() and "\x1b" not in out and "\r" not in out
    assert "  $ rm -rf x\\x1b[8m\n  $ \\u202eecho\n" in out


# -- who was first -----------------------------------------------------------------------------------------------


def test_the_second_to_answer_is_told_who_was_first(one, run) -> None:
    words = f"approval {APPROVAL} was already rejected by owner on telegram (phone) at 12:04:00 UTC"
    one.answer(DECISION, problem(409, "already_resolved", words, resolution=None))
    late = run("approve", APPROVAL)
    assert (late.code, late.err) == (5, f"tetherctl: {words}\n")
    closed = approval_body(state="resolved", resolution=resolved("reject", "no"))
    one.answer(f"GET /api/approvals/{APPROVAL}", (200, closed))
    known = run("approve", APPROVAL)
    assert (known.code, known.out, known.err) == (5, "", f"tetherctl: {words}: no\n")


def test_a_short_id_finds_what_was_answered_already(daemon, run) -> None:
    daemon.answer(PENDING, approvals())
    daemon.answer(CLOSED, approvals(approval_body(state="withdrawn")))
    ran = run("reject", APPROVAL[:5])
    assert (ran.code, ran.err) == (5, f"tetherctl: approval {APPROVAL} was already withdrawn by the agent\n")
    none = run("reject", "a-f")
    assert (none.code, none.err) == (4, "tetherctl: no approval begins with 'a-f'\nsee: tetherctl approvals\n")


# -- questions ---------------------------------------------------------------------------------------------------


@pytest.fixture
def question(daemon):
    daemon.answer(PENDING, approvals(approval_body(QUESTION)))
    daemon.answer(DECISION, (200, approval_body(QUESTION)))
    return daemon


def test_a_question_is_not_answered_by_yes(question, run) -> None:
    ran = run("approve")
    assert ran.code == 2
    assert ran.err == "tetherctl: a question needs an answer\ngive --choice OPTION, or --text TEXT\n"
    assert "--choice b  blue" in ran.out
    question.answer(PENDING, approvals(approval_body(asked(kind=ApprovalKind.QUESTION, options=()))))
    assert run("approve").err.endswith("give --text TEXT\n")


@pytest.mark.parametrize(
    ("argv", "answer"),
    [
        (("--choice", "b"), {"choice": ["b"]}),
        (("--choice", "blue", "--choice", "r"), {"choice": ["b", "r"]}),
        (("--text", "green"), {"choice": [], "text": "green"}),
        (("--choice", "r", "--text", "dark"), {"choice": ["r"], "text": "dark"}),
    ],
)
def test_answers_to_a_question(question, run, argv: tuple[str, ...], answer: object) -> None:
    assert run("approve", *argv).code == 0
    assert question.last("POST").body["answer"] == answer


def test_what_was_not_offered_is_refused_here(question, run) -> None:
    ran = run("approve", "--choice", "pink")
    assert (ran.code, ran.err) == (2, "tetherctl: 'pink' is not offered\noffered: b, r\n")
