"""tetherctl against a daemon with canned answers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.builders import approval as domain_approval
from tests.fakes.stub_daemon import StubDaemon, problem, stub_daemon
from tetherd.cli.main import main
from tetherd.cli.printable import original, printable
from tetherd.cli.words import digest_of

SID = "s-4kpd0fdrq9t3"
AID = "a-57baa9e37d3a"
OWNER = {"principal": {"role": "owner", "name": "local owner", "session_id": None}, "surface": "web", "device": None}
SESSION: dict[str, Any] = {
    "session_id": SID,
    "name": "mine",
    "adapter": "demo",
    "external": False,
    "directory": "/srv",
    "mode": "ask",
    "by": OWNER,
    "state": "awaiting_input",
    "open_approvals": [],
    "queued": [],
    "sent": [],
    "verdicts": [],
    "turns": 1,
    "turn_open": False,
    "ending": None,
    "run_id": None,
    "usage": {"input_tokens": None, "output_tokens": None, "cost_usd": None},
    "vendor_session_id": None,
    "parent": None,
    "agent_type": None,
    "created_at": "2026-11-24T12:00:00Z",
    "updated_at": "2026-11-24T12:00:00Z",
    "first_seq": 1,
    "last_seq": 9,
}
APPROVAL: dict[str, Any] = {
    "approval_id": AID,
    "kind": "command",
    "title": "run make",
    "command": "make \x1b[2Jdeploy",
    "cwd": "/srv",
    "files": [],
    "options": [{"option_id": "yes", "label": "Allow", "decision": "approve", "lasting": False}],
    "session_id": SID,
    "session_name": "mine",
    "requested_at": "2026-11-24T12:00:00Z",
    "state": "pending",
    "resolution": None,
    "digest": "f" * 64,
}
STATUS = {
    "version": "1.0",
    "url": "http://localhost:8787",
    "started_at": "2026-11-24T12:00:00Z",
    "data_dir": "/data",
    "epoch": "e1",
    "seq": 9,
    "sessions": {"awaiting_input": 1},
    "pending_approvals": 1,
    "warnings": ["a warning"],
}


@dataclass
class Cli:
    """Runs tetherctl against `stub`; `run` gives exit code, stdout and stderr."""

    stub: StubDaemon
    environ: dict[str, str]
    capture: pytest.CaptureFixture[str]

    def run(self, *words: str, stdin: str = "") -> tuple[int, str, str]:
        try:
            code = main(list(words), self.environ, stdin=io.StringIO(stdin))
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = self.capture.readouterr()
        assert len(err.splitlines()) <= 4, err
        return code, out, err


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    with stub_daemon(tmp_path / "tetherd" / "control.sock") as stub:
        stub.answer("GET /api/status", (200, STATUS))
        stub.answer("GET /api/sessions", (200, {"sessions": [SESSION], "next_before": None}))
        stub.answer(f"GET /api/sessions/{SID}", (200, SESSION))
        stub.answer("GET /api/approvals", (200, {"approvals": [APPROVAL]}))
        stub.answer(f"GET /api/approvals/{AID}", (200, APPROVAL))
        yield Cli(stub, {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)}, capsys)


def test_words_for_people_and_objects_for_programs(cli: Cli) -> None:
    code, out, _ = cli.run("list")
    assert code == 0 and "mine" in out and not out.startswith("{")
    for words in (("--json", "list"), ("list", "--json")):
        code, out, _ = cli.run(*words)
        assert [json.loads(line)["session_id"] for line in out.splitlines()] == [SID]


def test_status_shows_what_waits_and_what_is_wrong(cli: Cli) -> None:
    code, out, _ = cli.run("status")
    assert code == 0
    assert "1 waits for you" in out and "a warning" in out and "http://localhost:8787" in out
    assert SID in cli.run("status", "4kp")[1]


def test_without_a_daemon_it_says_how_to_start_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["list"], {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)})
    err = capsys.readouterr().err
    assert code == 3
    assert "cannot reach tetherd" in err and "start it:" in err


def test_start_becomes_the_daemon_unless_one_runs(cli: Cli, tmp_path: Path) -> None:
    ran: list[list[str]] = []
    assert cli.run("start")[0] == 0
    environ = {"XDG_RUNTIME_DIR": str(tmp_path / "other"), "HOME": str(tmp_path)}
    main(["start", "--dev", "--port", "9"], environ, execute=lambda program, words: ran.append(words))
    assert ran[0][1:] == ["-m", "tetherd", "--dev", "--port", "9"]


@pytest.mark.parametrize("given_id", [SID, "s-4k", "4k", SID[:9]])
def test_ids_may_be_cut_short(cli: Cli, given_id: str) -> None:
    cli.stub.answer(f"POST /api/sessions/{SID}/interrupt", (200, {"session": SESSION, "seqs": [1], "repeated": False}))
    assert cli.run("interrupt", given_id)[0] == 0


def test_an_id_that_fits_nothing_or_several_is_refused(cli: Cli) -> None:
    assert cli.run("status", "zz")[0] == 4
    twin = {**SESSION, "session_id": "s-4kpd00000000", "name": "twin"}
    cli.stub.answer("GET /api/sessions", (200, {"sessions": [SESSION, twin], "next_before": None}))
    code, _, err = cli.run("status", "4k")
    assert code == 2 and "twin" in err


def test_approve_takes_the_only_one_and_answers_what_it_showed(cli: Cli) -> None:
    cli.stub.answer(f"POST /api/approvals/{AID}/decision", (200, {**APPROVAL, "state": "resolved"}))
    code, out, _ = cli.run("approve")
    assert code == 0
    assert "\x1b" not in out and "\\x1b[2J" in out
    sent = cli.stub.last("POST").body
    assert sent == {"decision": "approve", "digest": digest_of(APPROVAL)}
    assert sent["digest"] != APPROVAL["digest"], "it is computed from what was printed, not taken from the daemon"


def test_reject_gives_the_reason(cli: Cli) -> None:
    cli.stub.answer(f"POST /api/approvals/{AID}/decision", (200, {**APPROVAL, "state": "resolved"}))
    assert cli.run("reject", "--reason", "not on main")[0] == 0
    sent = cli.stub.last("POST").body
    assert sent is not None and (sent["decision"], sent["reason"]) == ("reject", "not on main")


def test_approve_with_several_or_none_waiting_does_nothing(cli: Cli) -> None:
    cli.stub.answer(
        "GET /api/approvals", (200, {"approvals": [APPROVAL, {**APPROVAL, "approval_id": "a-000000000000"}]})
    )
    code, _, err = cli.run("approve")
    assert code == 2 and AID in err
    cli.stub.answer("GET /api/approvals", (200, {"approvals": []}))
    assert cli.run("approve")[0] == 4
    assert not any(asked.method == "POST" for asked in cli.stub.asked)


def test_who_was_first_is_told(cli: Cli) -> None:
    fate = {
        "answer": {"decision": "reject", "reason": None},
        "by": {"kind": "actor", "actor": OWNER},
        "at": "2026-11-24T12:04:00Z",
    }
    refusal = problem(409, "already_resolved", "approval was already rejected by local owner on web", resolution=fate)
    cli.stub.answer(f"POST /api/approvals/{AID}/decision", refusal)
    code, _, err = cli.run("approve", AID)
    assert code == 5 and "local owner on web" in err
    cli.stub.answer(f"GET /api/approvals/{AID}", (200, {**APPROVAL, "state": "resolved", "resolution": fate}))
    code, _, err = cli.run("approve", AID)
    assert code == 5 and "rejected by local owner on web at 12:04:00 UTC" in err


@pytest.mark.parametrize(
    ("status", "code"), [(503, 75), (429, 75), (507, 75), (404, 4), (422, 2), (403, 1), (409, 1), (500, 75)]
)
def test_exit_codes_say_who_must_act(cli: Cli, status: int, code: int) -> None:
    cli.stub.answer("GET /api/sessions", problem(status, "x", "no\x1b[2J way"))
    got, _, err = cli.run("list")
    assert got == code
    assert "\x1b" not in err


def test_an_answer_that_is_no_json_is_not_a_traceback(cli: Cli) -> None:
    cli.stub.answer("GET /api/sessions", (502, b"<html>"))
    code, _, err = cli.run("list")
    assert code == 75 and "502" in err


def test_what_destroys_asks_first(cli: Cli) -> None:
    cli.stub.answer(f"DELETE /api/sessions/{SID}", (204, None))
    code, _, err = cli.run("delete", SID)
    assert code == 2 and "--yes" in err
    assert cli.run("delete", SID, "--yes")[0] == 0


def test_new_starts_in_the_directory_with_the_prompt(cli: Cli, tmp_path: Path) -> None:
    cli.stub.answer("POST /api/sessions", (201, {**SESSION, "id": SID, "token": "t"}))
    assert cli.run("new", str(tmp_path), "--name", "n", "--prompt", "go")[0] == 0
    sent = cli.stub.last("POST").body
    assert sent is not None
    assert (sent["directory"], sent["name"], sent["prompt"]) == (str(tmp_path), "n", "go")
    assert "approval_mode" not in sent or sent["approval_mode"] == "ask"


@pytest.mark.parametrize("words", [["nonsense"], ["list", "--colour"], [], ["approve", "a", "b"], ["token"]])
def test_usage_errors_are_two_lines_and_exit_2(cli: Cli, words: list[str]) -> None:
    code, _, err = cli.run(*words)
    assert code == 2 and len(err.splitlines()) == 2


def test_the_digest_is_the_daemons() -> None:
    asked = domain_approval(command="caf\u00e9 \u2028 x")
    assert digest_of(asked.model_dump(mode="json")) == asked.digest()


@given(st.text())
def test_printable_shows_nothing_that_acts_and_can_be_read_back(text: str) -> None:
    shown = printable(text)
    assert original(shown) == text
    assert original(printable(text, multi_line=True)) == text
    assert all(char.isprintable() or char in "\u00a0\u202f\u3000" for char in shown)


@pytest.mark.parametrize(
    "bad", ["\x1b]0;x\x07", "\x1b[2J", "a\rb", "\u202eabc", "a\u200bb", "\ufeff", "\x00", "\x9b2J", "\u2066"]
)
def test_what_acts_on_a_terminal_is_spelled_out(bad: str) -> None:
    shown = printable(bad)
    assert shown != bad and "\\" in shown
    assert original(shown) == bad
