"""What an operator should find in the log of what sessions did: the lifecycle, never the contents."""

from __future__ import annotations

from collections.abc import Iterable

from tetherd.domain import events as ev
from tetherd.domain.ids import SessionId
from tetherd.logconfig import get_logger

log = get_logger("tetherd.sessions")


def log_events(session_id: SessionId, events: Iterable[ev.Event]) -> None:
    """One line for each event that begins or ends something."""
    for event in events:
        match event:
            case ev.SessionStarted(run_id=run_id) | ev.SessionResumed(run_id=run_id):
                log.info("run starts", session=session_id, run=run_id)
            case ev.RunEnded(run_id=run_id, reason=reason, code=code, signal=signal):
                log.info("run ended", session=session_id, run=run_id, reason=reason, code=code, signal=signal)
            case ev.ApprovalRequested(approval=approval):
                log.info("approval asked for", session=session_id, approval=approval.approval_id, kind=approval.kind)
            case ev.ApprovalResolved(approval_id=approval_id, answer=answer, by=by):
                decision = answer.decision if answer else "none"
                log.info("approval closed", session=session_id, approval=approval_id, answer=decision, by=by.kind)
            case _:
                pass
