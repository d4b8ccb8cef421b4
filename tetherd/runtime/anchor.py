"""The audit's head, noted where the database does not reach: in the daemon's own log, so in the journal."""

from __future__ import annotations

import trio

from tetherd.domain.audit import Head
from tetherd.errors import Unavailable
from tetherd.logconfig import get_logger
from tetherd.storage.audit import AuditStore

NOTE_SECONDS = 600.0

log = get_logger(__name__)


async def note_head(audit: AuditStore) -> None:
    """Log the newest record at once, and again whenever it is another one some time later. Until cancelled."""
    noted: Head | None = None
    while True:
        try:
            head = await audit.head()
        except Unavailable as error:
            log.warning("the audit cannot be read", why=str(error))
        else:
            if head != noted and head.number:
                log.info("audit head", number=head.number, hash=head.hash)
            noted = head
        await trio.sleep(NOTE_SECONDS)
