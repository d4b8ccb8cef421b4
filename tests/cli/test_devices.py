"""pair and devices."""

from __future__ import annotations

import sys

import pytest

from tests.cli.shapes import AT
from tests.fakes.stub_daemon import problem
from tetherd.api.device_bodies import DeviceBody, PairingBody
from tetherd.cli.commands.devices import _qr
from tetherd.domain.ids import Role

LINK = "https://laptop.example.net/#pair=0123456789abcdefABCDEF"
OFFER = PairingBody(link=LINK, code="ABCD-1234", role=Role.OWNER, expires_at=AT).model_dump(mode="json")


def device(name: str = "Pixel 8", revoked: bool = False) -> dict[str, object]:
    body = DeviceBody(
        device_id="d-0123abcd",
        name=name,
        role=Role.APPROVER,
        created_at=AT,
        seen_at=AT,
        revoked_at=AT if revoked else None,
        current=False,
    )
    return body.model_dump(mode="json")


def test_pair_shows_the_link_and_the_code(run, daemon) -> None:
    daemon.answer("POST /api/pairings", (201, OFFER))
    ran = run("pair", "--role", "approver")
    assert ran.code == 0
    assert ran.out == f"open     {LINK}\nor type  ABCD-1234  on the page of the web app\n"
    assert daemon.last("POST").body == {"role": "approver"}
    assert run("--json", "pair").records == [OFFER]


def test_on_a_terminal_it_is_drawn(run, daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    daemon.answer("POST /api/pairings", (201, OFFER))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    drawn = run("pair").out
    assert all(line in drawn for line in _qr(LINK))


def test_the_drawing_is_the_code_itself() -> None:
    lines = _qr(LINK)
    assert {len(line) for line in lines} == {len(lines[0])}
    rows = [row for line in lines for row in zip(*(HALVES[block] for block in line), strict=True)]
    assert not any(rows[0]) and not any(rows[1])
    # the finder at the upper left, within a quiet zone of two
    finder = ["".join("#" if dark else "." for dark in row[2:9]) for row in rows[2:9]]
    assert finder == ["#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"]


HALVES = {"█": (False, False), "▀": (False, True), "▄": (True, False), " ": (True, True)}


def test_devices_are_listed_with_what_cannot_be_seen_made_visible(run, daemon) -> None:
    daemon.answer("GET /api/devices", (200, {"devices": [device("ev\u202eil"), device(revoked=True)]}))
    lines = run("devices", "list").out.splitlines()
    assert lines[0].split() == ["ID", "ROLE", "WHEN", "NAME"]
    assert "d-0123abcd  approver  seen" in lines[1]
    assert "\u202e" not in lines[1]
    assert "revoked" in lines[2]
    assert len(run("--json", "devices", "list").records) == 2


def test_none_yet(run, daemon) -> None:
    daemon.answer("GET /api/devices", (200, {"devices": []}))
    assert run("devices", "list").out == "No device was paired yet. Let one in: tetherctl pair\n"


def test_a_device_is_shut_out(run, daemon) -> None:
    daemon.answer("DELETE /api/devices/d-0123abcd", (200, device(revoked=True)))
    assert run("devices", "revoke", "d-0123abcd").out == "revoked d-0123abcd\n"
    daemon.answer("DELETE /api/devices/d-00000000", problem(404, "not_found", "no device d-00000000"))
    assert run("devices", "revoke", "d-00000000").code == 4
