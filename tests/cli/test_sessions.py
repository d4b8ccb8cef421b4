"""list, new, input, interrupt, stop, resume, rename, delete, status ID, and how an ID is cut short."""

from __future__ import annotations

import base64
import sys

import pytest

from tests.cli.shapes import OTHER, SESSION, outcome, session, sessions
from tests.fakes.stub_daemon import problem

PATH = f"/api/sessions/{SESSION}"


# -- list --------------------------------------------------------------------------------------------------------


def test_what_needs_you_stands_first_and_what_ended_last(daemon, run) -> None:
    daemon.answer(
        "GET /api/sessions",
        sessions(
            session("s-000000000004", "ended", 4),
            session("s-000000000003", "running", 3),
            session("s-000000000002", "awaiting_approval", 2),
            session("s-000000000001", "created", 1, name="x" * 60),
        ),
    )
    ran = run("list")
    rows = [line.split()[0] for line in ran.out.splitlines()]
    assert rows == ["ID", "s-000000000002", "s-000000000003", "s-000000000001", "s-000000000004"]
    assert (ran.code, ran.err) == (0, "")
    assert "needs you" in ran.out and "not started" in ran.out and "finished" in ran.out
    assert max(map(len, ran.out.splitlines())) < 100


def test_all_pages_are_read(daemon, run) -> None:
    daemon.answer("GET /api/sessions?limit=500", sessions(session("s-000000000002", seq=2), next_before=2))
    daemon.answer("GET /api/sessions?limit=500&before=2", sessions(session("s-000000000001")))
    assert [one["session_id"] for one in run("list", "--json").records] == ["s-000000000002", "s-000000000001"]


def test_of_many_that_ended_the_newest_are_shown(daemon, run) -> None:
    daemon.answer("GET /api/sessions", sessions(*[session(f"s-0000000000{n:02}", "ended", n) for n in range(25)]))
    short = run("list")
    assert len(short.out.splitlines()) == 21
    assert short.err == "and 5 that ended earlier: tetherctl list --all\n"
    assert len(run("list", "--all").out.splitlines()) == 26


def test_no_sessions_says_how_to_begin(daemon, run) -> None:
    daemon.answer("GET /api/sessions", sessions())
    assert run("list").out == "No sessions yet. Start one: tetherctl new [DIRECTORY] --prompt TEXT\n"
    assert run("list", "--json").out == ""


@pytest.mark.parametrize("argv", [("--json", "list"), ("list", "--json")])
def test_json_may_stand_before_or_behind_the_command(daemon, run, argv: tuple[str, ...]) -> None:
    daemon.answer("GET /api/sessions", sessions(session()))
    assert run(*argv).records == [session()]


# -- status ID ---------------------------------------------------------------------------------------------------


def test_one_session_says_what_it_waits_for(daemon, run) -> None:
    body = session(state="awaiting_approval")
    daemon.answer(f"GET {PATH}", (200, body))
    ran = run("status", SESSION)
    assert f"needs you  {body['open_approvals'][0]['approval_id']}  run make" in ran.out
    assert "agent      demo, mode ask\ndirectory  /w\n" in ran.out
    assert run("status", SESSION, "--json").records == [body]
    daemon.answer(f"GET {PATH}", (200, session(state="ended")))
    assert "ended      finished (exit code 0)" in run("status", SESSION).out


# -- new ---------------------------------------------------------------------------------------------------------


def test_new_starts_in_a_directory_and_asks_by_default(daemon, run, tmp_path) -> None:
    daemon.answer("POST /api/sessions", (201, session(name="fix it")))
    ran = run("new", str(tmp_path), "-p", "fix it\nnow")
    assert daemon.last("POST").body == {
        "name": "fix it",
        "directory": str(tmp_path),
        "approval_mode": "ask",
        "start": True,
        "prompt": "fix it\nnow",
    }
    assert (ran.code, ran.out, ran.err) == (0, f"{SESSION}  fix it\n", f"follow it: tetherctl watch {SESSION}\n")


def test_new_takes_a_name_an_agent_and_a_mode(daemon, run, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    daemon.answer("POST /api/sessions", (201, session()))
    ran = run("new", "--name", "N", "--agent", "acp", "--mode", "edits", "--json")
    sent = daemon.last("POST").body
    assert (sent["name"], sent["adapter"], sent["approval_mode"]) == ("N", "acp", "edits")
    assert sent["directory"] == str(tmp_path)
    assert (ran.records, ran.err) == ([session()], "")


@pytest.mark.parametrize(
    ("prompt", "name"), [("a\tb\x1b[2J", "a b [2J"), ("ü" * 100, "ü" * 79 + "…"), (" \n x", "x"), ("\x1b\u202e", None)]
)
def test_a_name_made_of_a_prompt_is_one_that_the_api_takes(daemon, run, tmp_path, prompt: str, name: str) -> None:
    daemon.answer("POST /api/sessions", (201, session()))
    run("new", str(tmp_path), "-p", prompt)
    sent = daemon.last("POST").body["name"]
    assert sent == (name or tmp_path.name)
    assert 0 < len(sent) <= 80 and sent.isprintable()


# -- steering ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "request_", "body", "verb"),
    [
        (("input", SESSION, "run", "it"), f"POST {PATH}/input", {"text": "run it"}, "sent to"),
        (("interrupt", SESSION), f"POST {PATH}/interrupt", {}, "interrupting"),
        (("freeze", SESSION), f"POST {PATH}/freeze", {}, "frozen"),
        (("thaw", SESSION), f"POST {PATH}/thaw", {}, "thawed"),
        (("stop", SESSION), f"POST {PATH}/stop", {}, "stopping"),
        (("stop", SESSION, "--grace", "0"), f"POST {PATH}/stop", {"grace_seconds": 0.0}, "stopping"),
        (("resume", SESSION), f"POST {PATH}/resume", {}, "resumed"),
    ],
)
def test_commands_to_a_session(daemon, run, argv, request_: str, body: object, verb: str) -> None:
    daemon.answer(request_, (200, outcome()))
    ran = run(*argv)
    assert (ran.code, ran.out) == (0, f"{verb} {SESSION}  work\n")
    assert daemon.last("POST").body == body
    assert run(*argv, "--json").records == [outcome()]
    daemon.answer(request_, problem(409, "wrong_state", f"session {SESSION} is ended", hint="resume it first"))
    refused = run(*argv)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err == f"tetherctl: session {SESSION} is ended\nresume it first\n"


def test_input_is_read_from_a_pipe_as_it_is(daemon, run) -> None:
    daemon.answer(f"POST {PATH}/input", (200, outcome()))
    run("input", SESSION, "-", stdin="line 1\n\tline 2\n")
    assert daemon.last("POST").body == {"text": "line 1\n\tline 2\n"}
    empty = run("input", SESSION, "-", stdin=" \n")
    assert (empty.code, empty.err) == (2, "tetherctl: there is no text to send\n")


def test_rename(daemon, run) -> None:
    daemon.answer(f"PATCH {PATH}", (200, session(name="Checkout")))
    assert run("rename", SESSION, "Checkout").out == f"renamed {SESSION}  Checkout\n"
    assert daemon.last("PATCH").body == {"name": "Checkout"}


# -- delete ------------------------------------------------------------------------------------------------------


@pytest.fixture
def deletable(daemon):
    daemon.answer(f"GET {PATH}", (200, session(state="ended")))
    daemon.answer(f"DELETE {PATH}", (204, None))
    return daemon


def test_delete_goes_ahead_with_yes(deletable, run) -> None:
    assert run("delete", SESSION, "--yes").out == f"deleted {SESSION}\n"
    assert run("delete", SESSION, "--yes", "--json").records == [{"session_id": SESSION}]


def test_delete_without_a_terminal_needs_yes(deletable, run) -> None:
    ran = run("delete", SESSION, stdin="y\n")
    assert (ran.code, ran.err) == (2, "tetherctl: delete needs a confirmation\nsay so with --yes\n")
    assert all(asked.method == "GET" for asked in deletable.asked)


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), (" YES \n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_delete_asks_a_person(deletable, run, monkeypatch, typed: str, code: int) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    ran = run("delete", SESSION, stdin=typed, keyboard=True)
    assert ran.code == code
    assert ran.err.startswith(f"Delete work ({SESSION}) and its transcript for good? [y/N] ")
    assert (deletable.asked[-1].method == "DELETE") == (code == 0)


def test_a_confirmation_cannot_be_forged_by_a_name(daemon, run, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    daemon.answer(f"GET {PATH}", (200, session(state="ended", name="x\x1b[2K\rDelete nothing")))
    assert "\x1b" not in run("delete", SESSION, keyboard=True).err


# -- ids ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def two(daemon):
    daemon.answer("GET /api/sessions", sessions(session(SESSION, name="one"), session(OTHER, name="two")))
    daemon.answer(f"POST {PATH}/interrupt", (200, outcome()))
    return daemon


@pytest.mark.parametrize("given", [SESSION, SESSION[:-1], SESSION[2:-1]])
def test_an_id_may_be_cut_short(two, run, given: str) -> None:
    assert run("interrupt", given).code == 0


def test_a_short_id_that_fits_two_lists_them(two, run) -> None:
    ran = run("interrupt", "s-000000000a")
    assert ran.code == 2
    assert ran.err.splitlines() == [
        "tetherctl: 2 sessions begin with 's-000000000a':",
        f"  {SESSION}  one",
        f"  {OTHER}  two",
        "give more of the id",
    ]


@pytest.mark.parametrize("given", ["s-9", "", "../status", "000000000aaaa"])
def test_an_id_that_fits_nothing_is_not_found(two, run, given: str) -> None:
    ran = run("interrupt", given)
    assert (ran.code, ran.err) == (4, f"tetherctl: no session begins with {given!r}\nsee: tetherctl list\n")
    assert all(asked.method == "GET" for asked in two.asked)


def test_a_whole_id_that_is_unknown_is_not_found(daemon, run) -> None:
    ran = run("stop", SESSION)
    assert (ran.code, ran.out) == (4, "")


# -- images and forks --------------------------------------------------------------------------------------------


def test_images_are_told_by_what_they_hold(daemon, run, tmp_path) -> None:
    daemon.answer(f"POST {PATH}/input", (200, outcome()))
    kinds = {"a.txt": b"\x89PNG\r\n\x1a\n", "b": b"\xff\xd8\xff", "c": b"GIF89a", "d": b"RIFF....WEBP"}
    for name, content in kinds.items():
        (tmp_path / name).write_bytes(content)
    ran = run("input", SESSION, "look", *(word for name in kinds for word in ("--image", str(tmp_path / name))))
    assert ran.code == 0
    sent = daemon.last("POST").body["images"]
    assert [image["media_type"] for image in sent] == ["image/png", "image/jpeg", "image/gif", "image/webp"]
    assert [base64.b64decode(image["data"]) for image in sent] == list(kinds.values())


def test_what_is_no_image_is_not_sent(daemon, run, tmp_path) -> None:
    (tmp_path / "text").write_text("hello")
    (tmp_path / "large").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(10 * 1024 * 1024))
    for name, said in (("text", "is no PNG"), ("large", "larger than 10 MiB"), ("none", "cannot read")):
        ran = run("input", SESSION, "look", "--image", str(tmp_path / name))
        assert (ran.code, said in ran.err) == (2, True)
    assert not [one for one in daemon.asked if one.method == "POST"]


def test_a_fork_works_where_the_other_one_does(daemon, run, tmp_path) -> None:
    daemon.answer("POST /api/sessions", (201, session()))
    daemon.answer("GET /api/sessions?limit=500", (200, {"sessions": [session()], "next_before": None}))
    run("new", "--fork", SESSION)
    sent = daemon.last("POST").body
    assert (sent["fork_of"], "directory" in sent) == (SESSION, False)
    run("new", str(tmp_path), "--fork", SESSION, "--continue", "v-1")
    sent = daemon.last("POST").body
    assert (sent["directory"], sent["vendor_session_id"]) == (str(tmp_path), "v-1")
