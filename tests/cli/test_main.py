"""What holds for every command: its help, its errors, its exit codes, and output that nobody reads."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.shapes import APPROVAL, SESSION, session, sessions
from tests.fakes.stub_daemon import problem
from tetherd.cli import main as module
from tetherd.cli.main import build_parser
from tetherd.errors import Misconfigured, Unavailable

EVERY_CALL = [
    ("list",),
    ("status",),
    ("status", SESSION),
    ("new", "."),
    ("input", SESSION, "x"),
    ("interrupt", SESSION),
    ("freeze", SESSION),
    ("thaw", SESSION),
    ("stop", SESSION),
    ("resume", SESSION),
    ("rename", SESSION, "n"),
    ("delete", SESSION, "--yes"),
    ("watch",),
    ("watch", SESSION),
    ("logs", SESSION),
    ("approvals",),
    ("approve", APPROVAL),
    ("reject", APPROVAL),
    ("agents",),
    ("bridges",),
    ("bridges", "check", "telegram"),
    ("bridges", "pair", "telegram"),
    ("audit", "list"),
    ("audit", "export"),
    ("audit", "verify"),
    ("rules", "list"),
    ("rules", "add", "allow", "Bash(make *)"),
    ("rules", "remove", "g-1"),
    ("rules", "test"),
    ("rules", "explain", "make"),
    ("pair",),
    ("devices", "list"),
    ("devices", "revoke", "d-0123abcd"),
    ("token", "create", "n"),
    ("token", "list"),
    ("token", "revoke", "t-1"),
    ("start",),
    ("shutdown", "--yes"),
]


def commands(parser: argparse.ArgumentParser, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command there is, as the words that name it."""
    found = [words] if words else []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                found += commands(below, (*words, name))
    return found


COMMANDS = commands(build_parser())


def test_every_command_is_called_in_these_tests() -> None:
    grouped = ("token", "bridges", "rules", "audit", "devices")
    called = {call[:2] if call[0] in grouped else call[:1] for call in EVERY_CALL}
    asked_of_systemd = {words for words in COMMANDS if words[0] == "service"}
    nothing = {("attach",), ("token",), ("audit",), ("rules",), ("devices",), ("version",)}
    assert {*COMMANDS} - called - asked_of_systemd == nothing


# -- help --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), *COMMANDS], ids=" ".join)
@pytest.mark.parametrize("columns", ["40", "200"])
def test_help_fits_and_shows_how(run, monkeypatch, words: tuple[str, ...], columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    ran = run(*words, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) < 80
    assert "--json" in ran.out
    assert len(words) > 1 or "examples:\n  tether" in ran.out


def test_the_help_names_every_command_and_exit_code(run) -> None:
    out = run("--help").out
    assert all(f"    {words[0]} " in out for words in COMMANDS)
    for code in ("0 done", "1 failed", "2 usage", "3 daemon", "4 not found", "already resolved", "75", "78"):
        assert code in out


def test_both_names_are_the_same_program(run, monkeypatch) -> None:
    for name, shown in (("tether", "tether"), ("tetherctl", "tetherctl"), ("__main__.py", "tetherctl")):
        monkeypatch.setattr(sys, "argv", [f"/bin/{name}"])
        assert run("--help").out.startswith(f"usage: {shown} ")


# -- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("nonsense",),
        ("list", "more"),
        ("new", "--mode", "yolo"),
        ("stop", SESSION, "--grace", "x"),
        ("rename", SESSION),
        ("token",),
        ("token", "create", "n", "--role", "root"),
        ("approve", "\x1b[2J", "\u202e"),
    ],
)
def test_usage_errors_take_two_lines(run, argv: tuple[str, ...]) -> None:
    ran = run(*argv)
    assert (ran.code, ran.out) == (2, "")
    first, second = ran.err.splitlines()
    assert first.startswith("tetherctl") and second.startswith("see: tetherctl") and second.endswith("--help")
    assert "\x1b" not in ran.err and "\u202e" not in ran.err


PROBLEMS = [
    (problem(422, "invalid", "not so", hint="rather so", errors=[{"where": "a", "problem": "b"}] * 9), 2),
    (problem(404, "not_found", "no session", hint="see: tetherctl list"), 4),
    (problem(409, "already_resolved", "was already approved"), 5),
    (problem(409, "wrong_state", "it has ended", hint="resume it first"), 1),
    (problem(401, "unauthorised", "who are you"), 1),
    (problem(403, "forbidden", "an agent may not"), 1),
    (problem(429, "too_many", "too much"), 75),
    (problem(503, "recovering", "not yet"), 75),
    (problem(507, "disk_full", "no room"), 75),
    ((500, b"<html>oops"), 75),
    ((404, b"<html>oops"), 4),
]


@pytest.mark.parametrize("call", EVERY_CALL, ids=" ".join)
def test_every_problem_has_its_exit_code_and_at_most_three_lines(daemon, run, monkeypatch, call: Any) -> None:
    for answer, code in PROBLEMS:
        monkeypatch.setattr(daemon, "take", lambda *_, answer=answer: answer)
        for flags in ((), ("--json",)):
            ran = run(*call, *flags)
            assert (ran.code, ran.out) == (code, ""), ran
            assert 1 <= len(ran.err.splitlines()) <= 3


def test_a_fault_names_its_place(daemon, run) -> None:
    daemon.answer("POST /api/sessions", PROBLEMS[0][0])
    assert run("new", ".").err == "tetherctl: not so\na: b\nrather so\n"


def test_what_the_daemon_says_cannot_act_on_the_terminal(daemon, run) -> None:
    nasty = "a\x1b[2J\r\u202e\x9b"
    answer = problem(422, "x", nasty, hint=nasty, errors=[{"where": nasty, "problem": nasty}])
    daemon.answer("GET /api/sessions", answer)
    err = run("list").err
    assert err.isascii() and all(char.isprintable() or char == "\n" for char in err)


@pytest.mark.parametrize(("error", "code"), [(Misconfigured("config.env, line 3: no"), 78), (Unavailable("later"), 1)])
def test_errors_of_ours_have_their_codes(daemon, run, monkeypatch, error: Exception, code: int) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(module.Client, "request", fail)
    ran = run("list")
    assert (ran.code, ran.err) == (code, f"tetherctl: {error}\n")


def test_ctrl_c_leaves_quietly(daemon, run, monkeypatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module.Client, "request", interrupt)
    assert run("list").code == 130
    assert run("list").err == ""


# -- as a process ------------------------------------------------------------------------------------------------


def tetherctl(environ: dict[str, str], *argv: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tetherd.cli.main", *argv]
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env={**kept, **environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_a_reader_that_has_enough_is_no_error(daemon, environ) -> None:
    daemon.answer("GET /api/sessions", sessions(*[session(f"s-00000000{n:04}", seq=n) for n in range(2000)]))
    with tetherctl(environ, "list", "--json") as process:
        assert process.stdout is not None and process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert json.loads(first)["session_id"] == "s-000000001999"
    assert (process.returncode, said) == (0, b"")


def test_a_locale_without_umlauts_is_no_error(daemon, environ) -> None:
    daemon.answer("GET /api/sessions", sessions(session(name="schön \udcff")))
    plain = {**environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    with tetherctl(plain, "list") as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"sch" in out
