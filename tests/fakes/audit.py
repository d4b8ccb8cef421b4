"""An audit in memory."""

from __future__ import annotations

from typing import Any

from tetherd.domain.audit import START, AuditRecord, Check, Verdict, canonical, hash_of

AT = "2026-11-24T12:00:00Z"


class FakeAudit:
    """A chain that `note` makes longer."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    def note(self, kind: str, **body: Any) -> AuditRecord:
        number, previous = len(self.records) + 1, self.records[-1].hash if self.records else START
        digest = hash_of(previous, number, AT, kind, canonical(body))
        self.records.append(AuditRecord(number=number, at=AT, kind=kind, body=body, previous=previous, hash=digest))
        return self.records[-1]

    async def read(self, after: int, limit: int = 1000) -> tuple[AuditRecord, ...]:
        return tuple([one for one in self.records if one.number > after][:limit])

    async def verify(self, anchor: str | None = None) -> Verdict:
        check = Check(anchor)
        check.take(self.records)
        return check.verdict()
