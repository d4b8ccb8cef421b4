"""start, shutdown, status, agents, token, version."""

from __future__ import annotations

import socket
import sys

import pytest

from tests.cli.shapes import APPROVAL, AT, SESSION, status, token
from tests.fakes.stub_daemon import problem, stub_daemon
from tetherd.cli.commands import system
from tetherd.control import BridgeView
from tetherd.schema_daemon import BridgeList
from tetherd.version import own_version

NOBODY = "tetherctl: cannot reach tetherd (no socket at {0})\nstart it:  tether start\n"


# -- without a daemon --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ("status",),
        ("list",),
        ("new", "."),
        ("input", SESSION, "x"),
        ("interrupt", SESSION),
        ("stop", SESSION),
        ("resume", SESSION),
        ("rename", SESSION, "n"),
        ("delete", SESSION, "--yes"),
        ("watch", SESSION),
        ("attach", "s-1"),
        ("logs", SESSION),
        ("approvals",),
        ("approve",),
        ("reject", APPROVAL),
        ("agents",),
        ("bridges",),
        ("bridges", "check"),
        ("bridges", "pair", "telegram"),
        ("token", "list"),
        ("pair",),
        ("devices", "list"),
        ("shutdown", "--yes"),
    ],
)
def test_without_a_daemon_every_command_says_how_to_start_one(run, socket_path, argv: tuple[str, ...]) -> None:
    for json in ((), ("--json",)):
        ran = run(*json, *argv)
        assert (ran.code, ran.out, ran.err) == (3, "", NOBODY.format(socket_path))


def test_a_socket_nobody_listens_at(run, socket_path) -> None:
    socket_path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path))
    assert run("status").err.startswith(f"tetherctl: cannot reach tetherd (nobody listens at {socket_path})")


# -- start -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "flags"),
    [
        ((), []),
        (("--dev", "--keep-agents", "--demo"), ["--dev", "--keep-agents", "--demo"]),
        (("--port", "9000", "--host", "::1"), ["--port", "9000", "--host", "::1"]),
    ],
)
def test_start_becomes_the_daemon(run, argv: tuple[str, ...], flags: list[str]) -> None:
    became: list[object] = []
    assert run("start", *argv, execute=lambda *words: became.extend(words)).code == 0
    assert became == [sys.executable, [sys.executable, "-m", "tetherd", *flags]]


def test_a_daemon_that_runs_is_as_good(daemon, run) -> None:
    daemon.answer("GET /api/status", status(), status(url=None))
    ran = run("start")
    assert (ran.code, ran.out) == (0, "tetherd is running already at http://localhost:8787\n")
    assert run("start").out == "tetherd is running already at its control socket\n"
    assert run("start", "--json").records == [status(url=None)[1]]


# -- shutdown ----------------------------------------------------------------------------------------------------


def test_shutdown_waits_until_it_is_gone(run, socket_path) -> None:
    with stub_daemon(socket_path) as stub:
        stub.answer("GET /api/status", status(), problem(503, "stopping", "on its way out"), (200, []))
        stub.answer("POST /api/shutdown", (202, {"status": "stopping"}))
        real = stub.take

        def take(method: str, path: str):
            if len(stub.asked) > 4:
                socket_path.rename(socket_path.with_suffix(".gone"))
            return real(method, path)

        stub.take = take
        ran = run("shutdown", "--yes")
        socket_path.with_suffix(".gone").rename(socket_path)
    assert (ran.code, ran.out) == (0, "tetherd has stopped\n")


def test_a_daemon_that_does_not_go_is_something_for_later(daemon, run, monkeypatch) -> None:
    monkeypatch.setattr(system, "_SHUTDOWN_SECONDS", 0.0)
    daemon.answer("GET /api/status", status())
    daemon.answer("POST /api/shutdown", (202, {"status": "stopping"}))
    ran = run("shutdown", "--yes")
    assert (ran.code, ran.out) == (75, "")
    assert ran.err == "tetherctl: tetherd is still stopping\nlook again with: tetherctl status\n"


def test_shutdown_says_what_runs_before_it_asks(daemon, run, monkeypatch) -> None:
    daemon.answer("GET /api/status", status())
    assert run("shutdown").code == 2
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    ran = run("shutdown", stdin="n\n", keyboard=True)
    assert ran.err == "Stop tetherd? 3 sessions run. [y/N] tetherctl: nothing was done\n"
    daemon.answer("GET /api/status", status(sessions={"running": 1, "ended": 4, "created": 1}))
    assert run("shutdown", stdin="n\n", keyboard=True).err.startswith("Stop tetherd? 1 session runs. [y/N]")


# -- status ------------------------------------------------------------------------------------------------------


def test_status_names_what_counts(daemon, run) -> None:
    daemon.answer("GET /api/status", status(warnings=["the token is short", "x\x1b[2J"]))
    parked = BridgeView("telegram", "parked", AT, 0, 0, 1, "the token was revoked")
    running, off = BridgeView("slack", "running", AT, 0, 0, 0, None), BridgeView("discord", "off", None, 0, 0, 0, None)
    bridges = BridgeList(bridges=(parked, running, off)).model_dump(mode="json")
    daemon.answer("GET /api/bridges", (200, bridges))
    out = run("status").out.splitlines()
    assert out[0].startswith("tetherd 0.1 at http://localhost:8787, up ")
    assert out[1:] == [
        "sessions   2 running, 1 needs you",
        "approvals  1 waits for you: tetherctl approvals",
        "bridges    telegram parked (the token was revoked), slack running",
        "data       /data",
        "warning    the token is short",
        "warning    x\\x1b[2J",
    ]
    quiet = status(sessions={"running": 0}, pending_approvals=0, url=None)
    daemon.answer("GET /api/status", quiet)
    daemon.answer("GET /api/bridges", (200, {"bridges": []}))
    out = run("status").out
    assert "bridges" not in out
    assert "at its control socket" in out and "approvals  none waits\n" in out
    assert "sessions   none: tetherctl new [DIRECTORY] starts one\n" in out
    assert run("status", "--json").records == [quiet[1]]


# -- agents, tokens, version -------------------------------------------------------------------------------------


def test_agents_are_found_or_not(daemon, run) -> None:
    view = {"adapter": "demo", "description": "d", "found": True, "program": "x", "version": "1.0", "default": True}
    view |= {"tested_with": "1.0, 2.0", "login": None, "abilities": []}
    agents = [
        view,
        view | {"adapter": "claude", "version": "3.0", "default": False, "login": "API key"},
        view | {"adapter": "acp", "found": False, "version": None, "default": False},
        view | {"adapter": "external", "found": None, "version": None, "default": False},
    ]
    daemon.answer("GET /api/agents", (200, {"agents": agents}))
    rows = [line.split("  ") for line in run("agents").out.splitlines()]
    assert [row[0] for row in rows] == ["AGENT", "demo (default)", "claude", "acp", "external"]
    out = run("agents").out
    assert "3.0 (tested: 1.0, 2.0)  API key" in out and "1.0 (tested" not in out
    assert "not found" in out and "joins by itself" in out
    assert run("agents", "--json").records == agents


def test_a_tokens_secret_is_shown_once_and_alone(daemon, run) -> None:
    made = token(token="tether_secret")
    daemon.answer("POST /api/tokens", (201, made))
    ran = run("token", "create", "laptop")
    assert (ran.out, ran.err) == (
        "tether_secret\n",
        "token t-1 for laptop, role observer; it is not shown again\n",
    )
    assert daemon.last("POST").body == {"name": "laptop", "role": "observer"}
    assert run("token", "create", "laptop", "--json").records == [made]


def test_an_agents_token_needs_a_session_and_no_other_has_one(daemon, run) -> None:
    daemon.answer("POST /api/tokens", (201, token(token="t")))
    assert run("token", "create", "a", "--role", "agent", "--session", SESSION).code == 0
    assert daemon.last("POST").body == {"name": "a", "role": "agent", "session_id": SESSION}
    for wrong in (("--role", "agent"), ("--role", "owner", "--session", SESSION)):
        ran = run("token", "create", "a", *wrong)
        assert (ran.code, ran.err) == (2, "tetherctl: --session goes with --role agent, and only with it\n")


def test_tokens_are_listed_and_revoked(daemon, run) -> None:
    daemon.answer("GET /api/tokens", (200, {"tokens": []}))
    assert run("token", "list").out.startswith("No tokens yet.")
    gone = token(token_id="t-2", revoked_at="2026-01-01T12:00:00Z")
    daemon.answer("GET /api/tokens", (200, {"tokens": [token(), gone]}))
    assert [line.split()[0] for line in run("token", "list").out.splitlines()] == ["ID", "t-1", "t-2"]
    assert "revoked" in run("token", "list").out
    assert run("token", "list", "--json").records == [token(), gone]
    daemon.answer("DELETE /api/tokens/t-1", (200, token()))
    assert run("token", "revoke", "t-1").out == "revoked t-1\n"
    assert run("token", "revoke", "t-9").code == 4


def test_the_version_needs_no_daemon(run) -> None:
    assert run("version").out == f"tetherctl {own_version()}\n"
    assert run("version", "--json").records == [{"version": own_version()}]
    shown = run("--version")
    assert (shown.code, shown.out) == (0, f"tetherctl {own_version()}\n")
