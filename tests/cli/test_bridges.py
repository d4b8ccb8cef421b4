"""tetherctl bridges."""

from __future__ import annotations

from tests.cli.shapes import AT, Json
from tests.fakes.stub_daemon import problem
from tetherd.control import BridgeView
from tetherd.schema_daemon import BridgeCheck, BridgeList


def bridges(*views: BridgeView) -> Json:
    return BridgeList(bridges=views).model_dump(mode="json")


RUNNING = BridgeView("telegram", "running", AT, 3, 2, 0, None)
WAITING = BridgeView("slack", "waiting", AT, 0, 0, 4, "Slack cannot be reached")
OFF = BridgeView("discord", "off", None, 0, 0, 0, None)


def test_bridges_are_listed(run, daemon) -> None:
    daemon.answer("GET /api/bridges", (200, bridges(RUNNING, WAITING, OFF)))
    ran = run("bridges")
    head, telegram, slack, discord = ran.out.splitlines()
    assert head.split() == ["BRIDGE", "STATE", "SINCE", "BEHIND", "TO", "SEND", "TROUBLE"]
    assert telegram.split()[:2] == ["telegram", "running"] and telegram.split()[-3:] == ["3", "2", "-"]
    assert slack.endswith("Slack cannot be reached") and discord.split()[:3] == ["discord", "off", "-"]
    assert [one["name"] for one in run("--json", "bridges").records] == ["telegram", "slack", "discord"]


def test_check_asks_all_that_are_set_up_and_fails_when_something_is_missing(run, daemon) -> None:
    findings = BridgeCheck(findings=({"what": "the token is good", "ok": True},)).model_dump(mode="json")  # type: ignore[arg-type]
    daemon.answer("GET /api/bridges", (200, bridges(RUNNING, OFF)))
    daemon.answer("POST /api/bridges/telegram/check", (200, findings))
    ran = run("bridges", "check")
    assert (ran.code, ran.out) == (0, "ok      telegram: the token is good\n")
    findings["findings"].append({"what": "may pin", "ok": False, "advice": "let it"})
    daemon.answer("POST /api/bridges/telegram/check", (200, findings))
    ran = run("bridges", "check", "telegram")
    assert ran.code == 1 and ran.out.endswith("not ok  telegram: may pin\n        let it\n")
    record = run("--json", "bridges", "check").records[-1]
    assert record == {"bridge": "telegram", "what": "may pin", "ok": False, "advice": "let it"}


def test_check_without_any_bridge_says_so(run, daemon) -> None:
    daemon.answer("GET /api/bridges", (200, bridges(OFF)))
    ran = run("bridges", "check")
    assert ran.code == 1 and "no bridge is set up" in ran.err


def test_pair_prints_the_code_alone(run, daemon) -> None:
    made = {"code": "AB12CD34EF", "expires_at": AT.isoformat()}
    daemon.answer("POST /api/bridges/telegram/pairing", (201, made))
    ran = run("bridges", "pair", "telegram")
    assert (ran.code, ran.out) == (0, "AB12CD34EF\n") and "/pair AB12CD34EF" in ran.err


def test_a_bridge_that_is_off_is_explained(run, daemon) -> None:
    off = problem(409, "bridge_off", "telegram is not set up: set TELEGRAM_BOT_TOKEN")
    daemon.answer("POST /api/bridges/telegram/pairing", off)
    ran = run("bridges", "pair", "telegram")
    assert (ran.code, ran.err) == (1, "tetherctl: telegram is not set up: set TELEGRAM_BOT_TOKEN\n")
