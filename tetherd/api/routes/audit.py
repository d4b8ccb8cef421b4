"""The audit: who decided what, and whether the record of it is whole."""

from __future__ import annotations

from tetherd.api.route import Call, Route, Who
from tetherd.domain.audit import Verdict
from tetherd.ruleschema import AuditPage, AuditQuery, VerifyQuery


async def read_audit(call: Call, query: AuditQuery) -> AuditPage:
    """Records, oldest first."""
    records = await call.audit.read(query.after, query.limit)
    return AuditPage(records=records, next_after=records[-1].number if records else query.after)


async def verify_audit(call: Call, query: VerifyQuery) -> Verdict:
    """Check the whole chain. `head` is the hash of a record that was noted elsewhere."""
    return await call.audit.verify(query.head)


ROUTES = (
    Route(method="GET", path="/audit", handler=read_audit, who=Who.PERSON),
    Route(method="GET", path="/audit/verify", handler=verify_audit, who=Who.PERSON),
)
