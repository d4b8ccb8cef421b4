"""tetherctl audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.shapes import PHONE
from tests.domain.test_rules import rule
from tests.fakes.audit import FakeAudit
from tetherd.domain.approval import Answer, ByActor
from tetherd.domain.audit import Check
from tetherd.domain.rule import Effect

BY = ByActor(actor=PHONE).model_dump(mode="json")
ABOUT = {"approval_id": "a-1", "command": "make", "title": "run make"}


@pytest.fixture
def audit(daemon) -> FakeAudit:
    audit = FakeAudit()
    answer = Answer(decision="reject", reason="no").model_dump(mode="json")
    audit.note("decided", approval=ABOUT, answer=answer, by=BY)
    audit.note("withdrawn", approval={**ABOUT, "command": None})
    audit.note("delivered", approval_id="a-1", outcome="moot")
    audit.note("rule_granted", rule=rule(Effect.ALLOW, "Bash", exact="make").model_dump(mode="json"))
    audit.note("rule_added", rule=rule(Effect.DENY, "Edit").model_dump(mode="json"))
    audit.note("rule_ended", rule_id="g-1", by="owner on cli")
    audit.note("mode_changed", mode="auto", by=PHONE.model_dump(mode="json"), session_id="s-1")
    audit.note("token_created", token_id="t-1", name="laptop", role="observer")
    audit.note("token_revoked", token_id="t-1")
    serve(daemon, audit)
    return audit


def serve(daemon: Any, audit: FakeAudit) -> None:
    check = Check()
    check.take(audit.records)
    records = [record.model_dump(mode="json") for record in audit.records]
    daemon.answer("GET /api/audit", (200, {"records": records, "next_after": len(records)}))
    daemon.answer("GET /api/audit/verify", (200, check.verdict().model_dump(mode="json")))


def test_the_record_is_told_in_words(audit: FakeAudit, daemon, run) -> None:
    told = [line[29:] for line in run("audit", "list").out.splitlines()]
    assert told == [
        "rejected by owner on telegram (phone): no: make (a-1)",
        "withdrawn by the agent: run make (a-1)",
        "verdict moot (a-1)",
        "rule g-allow: allow Bash exactly 'make'",
        "rule g-deny: deny Edit",
        "rule g-1 ended by owner on cli",
        "mode auto by owner on telegram (phone) (s-1)",
        "token t-1 for laptop, role observer",
        "token revoked t-1",
    ]
    assert run("audit", "list", "--json").records == [record.model_dump(mode="json") for record in audit.records]


def test_an_export_is_checked_without_the_daemon(audit: FakeAudit, daemon, run, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_text(run("audit", "export").out)
    daemon.answers.clear()
    head = audit.records[-1].hash
    ran = run("audit", "verify", str(file))
    assert (ran.code, ran.out) == (
        0,
        f"9 records hold; the head is {head}\n"
        "without a head from elsewhere this shows no chain that was made anew, and no cut-off end\n",
    )
    assert "nothing was changed" in run("audit", "verify", str(file), "--head", head).out
    assert run("audit", "verify", str(file), "--head", "0" * 63 + "1").code == 1
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], lines[3].replace("make", "fake"), *lines[4:]]))
    ran = run("audit", "verify", str(file))
    assert (ran.code, ran.out.splitlines()[0]) == (1, "record 4 is broken: it was changed")
    file.write_text("\n".join([*lines[:2], "{", "[" * 100_000]))
    assert run("audit", "verify", str(file), "--json").records[0]["broken"] == {"number": 3, "why": "it is no record"}


def test_the_daemon_is_asked_to_check_its_own(audit: FakeAudit, daemon, run) -> None:
    assert run("audit", "verify").code == 0
    del audit.records[0]
    serve(daemon, audit)
    assert run("audit", "verify").out.startswith("record 2 is broken: record 1 is missing\n")


def test_what_cannot_be_checked_is_refused(daemon, run, tmp_path: Path) -> None:
    assert run("audit", "verify", str(tmp_path / "none")).code == 2
    assert run("audit", "verify", "--head", "xyz").code == 2
