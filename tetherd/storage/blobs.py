"""Texts too long for the log: whole beside it, head and tail in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from sqlite3 import Connection
from typing import Any

from tetherd.control import Entry, NotFound
from tetherd.domain.events import BlobRef, Event
from tetherd.domain.ids import SessionId

LIMIT_BYTES = 64 * 1024
KEPT_BYTES = 16 * 1024


def cut(event: Event) -> tuple[Event, dict[str, bytes]]:
    """The event as the log holds it, and the whole texts by their hash."""
    blobs: dict[str, bytes] = {}
    changes: dict[str, Any] = {}
    refs: dict[str, BlobRef] = {}
    for name in event.BULKY:
        text: str = getattr(event, name)
        if len(text) * 4 <= LIMIT_BYTES:  # no character takes more than four bytes
            continue
        data = text.encode()
        if len(data) <= LIMIT_BYTES:
            continue
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        refs[name] = BlobRef(sha256=digest, size=len(data))
        left_out = len(data) - 2 * KEPT_BYTES
        head, tail = (part.decode(errors="ignore") for part in (data[:KEPT_BYTES], data[-KEPT_BYTES:]))
        changes[name] = f"{head}\n[... {left_out} bytes ...]\n{tail}"
    return (event.model_copy(update={**changes, "blobs": refs}), blobs) if refs else (event, blobs)


def write_blobs(db: Connection, session_id: SessionId, blobs: dict[str, bytes]) -> None:
    for digest, data in blobs.items():
        db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?, ?)", (session_id, digest, data))


def read_blob(db: Connection, session_id: SessionId, ref: BlobRef) -> str:
    return read_bytes(db, session_id, ref.sha256).decode()


def read_bytes(db: Connection, session_id: SessionId, sha256: str) -> bytes:
    """Raises NotFound."""
    row = db.execute("SELECT data FROM blobs WHERE session_id = ? AND sha256 = ?", (session_id, sha256)).fetchone()
    if row is None:
        raise NotFound("what was stored beside the log is gone")
    return bytes(row[0])


def made_whole(db: Connection, entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The entries with their long texts put back."""
    whole: list[Entry] = []
    for entry in entries:
        if b'"blobs":{}' in entry.body:
            whole.append(entry)
            continue
        event = entry.event()
        texts = {name: read_blob(db, entry.session_id, ref) for name, ref in event.blobs.items()}
        body = event.model_copy(update={**texts, "blobs": {}}).model_dump_json(exclude={"type"}).encode()
        whole.append(Entry(entry.seq, entry.at, entry.session_id, entry.kind, entry.version, body))
    return tuple(whole)
