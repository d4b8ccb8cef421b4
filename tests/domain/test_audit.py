"""The chain: what a check finds, and what it cannot."""

from __future__ import annotations

import json

import pytest

from tests.fakes.audit import FakeAudit
from tetherd.domain.audit import START, AuditRecord, Check, Verdict


def chain(count: int = 4) -> list[AuditRecord]:
    audit = FakeAudit()
    for number in range(count):
        audit.note("decided", approval_id=f"a-{number}", answer={"decision": "approve"}, cost=0.1, text="ü\ud800")
    return audit.records


def checked(records: list[AuditRecord], anchor: str | None = None, highest: int = 0) -> Verdict:
    check = Check(anchor)
    check.take(records)
    check.ends_early(highest)
    return check.verdict()


def test_a_whole_chain_holds() -> None:
    records = chain()
    found = checked(records, highest=4)
    assert (found.holds, found.records, found.head.hash, found.anchored) == (True, 4, records[-1].hash, None)
    assert checked([]).head.hash == START


@pytest.mark.parametrize("field", ["at", "kind", "body", "previous", "hash", "number"])
@pytest.mark.parametrize("place", range(4))
def test_whatever_is_changed_is_found_where_it_is(place: int, field: str) -> None:
    records = chain()
    other = {"body": {"approval_id": "a-9"}, "number": 7}.get(field, "f" * 64)
    records[place] = records[place].model_copy(update={field: other})
    found = checked(records)
    assert found.broken is not None and not found.holds
    assert (found.records, found.broken.number) == (place, 7 if field == "number" else place + 1)


def test_what_is_left_out_put_in_or_moved_is_found() -> None:
    records = chain()
    for damaged, why in (
        (records[1:], "record 1 is missing"),
        ([records[0], *records[2:]], "record 2 is missing"),
        ([records[0], records[0]], "it stands there twice"),
        ([records[1], records[0]], "record 1 is missing"),
    ):
        broken = checked(damaged).broken
        assert broken is not None and broken.why == why
    forged = chain(1)[0].model_copy(update={"number": 5, "previous": START})
    assert checked([*records, forged]).broken is not None


def test_a_cut_off_end_is_found_by_the_count_or_by_a_head_from_elsewhere() -> None:
    records = chain()
    assert checked(records[:2]).holds  # the chain alone cannot tell
    broken = checked(records[:2], highest=4).broken
    assert broken is not None and broken.number == 3
    assert checked(records, records[2].hash).anchored is True
    assert checked(records[:2], records[2].hash).holds is False
    assert checked([], START).anchored is True


def test_a_chain_made_anew_holds_but_for_a_head_from_elsewhere() -> None:
    head = chain()[-1].hash
    other = FakeAudit()
    other.note("decided", approval_id="a-evil")
    assert checked(other.records).holds
    assert not checked(other.records, head).holds


def test_a_flipped_byte_anywhere_in_an_export_is_found() -> None:
    text = "\n".join(json.dumps(record.model_dump(mode="json")) for record in chain(2)).encode()
    unnoticed = []
    for place in range(len(text)):
        damaged = bytearray(text)
        damaged[place] ^= 0x01
        check = Check()
        for number, line in enumerate(bytes(damaged).split(b"\n"), 1):
            try:
                record = AuditRecord.model_validate(json.loads(line))
            except ValueError:
                check.unreadable(number)
                break
            if not check.take([record]):
                break
        if check.verdict().holds and check.verdict().records == 2:
            unnoticed.append(place)
    assert unnoticed == []
