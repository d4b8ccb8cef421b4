"""Digests, ids, and how a resolution reads."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.domain.builders import APPROVE, OWNER, REJECT, approval, edit
from tetherd.domain.approval import ByActor, ByCircumstance, ByPolicy, Resolution
from tetherd.domain.events import InputAccepted, read_event
from tetherd.domain.ids import Actor, RunId, approval_id_for

AT = datetime(2026, 1, 1, 12, 4, tzinfo=UTC)
PHONE = Actor(principal=OWNER.principal, surface="web", device="phone")


@pytest.mark.parametrize("change", [{"title": "x"}, {"command": "make all"}, {"cwd": "/x"}, {"options": ()}])
def test_the_digest_covers_all_that_is_shown(change: dict[str, object]) -> None:
    assert approval(**change).digest() != approval().digest()
    assert edit("/w/b.py").digest() != edit("/w/a.py").digest()


def test_the_digest_leaves_out_what_nobody_sees() -> None:
    assert approval("7", tool_call_id="c").digest() == approval("0").digest()


def test_the_same_request_id_of_another_run_is_another_approval() -> None:
    assert approval_id_for(RunId("r-1"), "0") != approval_id_for(RunId("r-2"), "0")


@pytest.mark.parametrize(
    ("resolution", "text"),
    [
        (Resolution(answer=APPROVE, by=ByActor(actor=OWNER), at=AT), "approved by owner on cli at 12:04:00 UTC"),
        (Resolution(answer=REJECT, by=ByActor(actor=PHONE), at=AT), "rejected by owner on web (phone) at 12:04:00 UTC"),
        (Resolution(answer=APPROVE, by=ByPolicy(rule="r1"), at=AT), "approved by rule r1 at 12:04:00 UTC"),
        (Resolution(answer=None, by=ByCircumstance(cause="run_end"), at=AT), "closed by run end at 12:04:00 UTC"),
    ],
)
def test_how_a_resolution_reads(resolution: Resolution, text: str) -> None:
    assert str(resolution) == text


def test_an_event_is_read_back_as_it_was_written() -> None:
    event = InputAccepted(input_id="i-1", text="go", by=OWNER)
    assert read_event("input_accepted", 1, event.model_dump_json(exclude={"type"}).encode()) == event
