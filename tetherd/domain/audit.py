"""The audit's chain: each record holds the hash of the one before.

A broken link shows corruption and careless edits. Whoever may write the database can make the whole chain anew, or
cut off its end: only a head that was noted somewhere else shows that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import JsonValue

from tetherd.domain.ids import Frozen

START = "0" * 64
"""Stands before the first record."""

Kind = Literal[
    "decided",
    "withdrawn",
    "delivered",
    "rule_granted",
    "rule_added",
    "rule_ended",
    "mode_changed",
    "token_created",
    "token_revoked",
]


class AuditRecord(Frozen):
    """One line of the audit. `at` is ISO 8601 in UTC, `hash` is over all else and `previous`."""

    number: int
    at: str
    kind: str
    body: dict[str, JsonValue]
    previous: str
    hash: str


class Head(Frozen):
    """The newest record, as it is noted elsewhere."""

    number: int
    hash: str


class BrokenLink(Frozen):
    """The first record that does not fit: its place, and why."""

    number: int
    why: str


class Verdict(Frozen):
    """What a check has found. `head` is the newest record that fits; `anchored` tells of a head noted elsewhere:
    whether it is part of this chain, None when none was given.
    """

    records: int
    head: Head
    broken: BrokenLink | None
    anchored: bool | None

    @property
    def holds(self) -> bool:
        return self.broken is None and self.anchored is not False


def canonical(body: Any) -> str:
    """The one way in which a body is written down."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def hash_of(previous: str, number: int, at: str, kind: str, body: str) -> str:
    """SHA-256, in hex, over all members in their order; body: as canonical() writes it."""
    text = "\n".join((previous, str(number), at, kind, body))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class Check:
    """Goes along the chain, record by record, from the first one."""

    def __init__(self, anchor: str | None = None) -> None:
        """anchor: the hash of a head that was noted elsewhere."""
        self._anchor = anchor
        self._head = Head(number=0, hash=START)
        self._seen_anchor = anchor == START
        self._broken: BrokenLink | None = None

    def take(self, records: Iterable[AuditRecord]) -> bool:
        """False once a link is broken: what comes after it proves nothing."""
        for record in records:
            if self._broken is None:
                self._take(record)
        return self._broken is None

    def _take(self, record: AuditRecord) -> None:
        expected = self._head.number + 1
        why: str | None = None
        if record.number != expected:
            why = f"record {expected} is missing" if record.number > expected else "it stands there twice"
        elif record.previous != self._head.hash:
            why = "it does not follow the record before it"
        elif record.hash != hash_of(record.previous, record.number, record.at, record.kind, canonical(record.body)):
            why = "it was changed"
        if why is not None:
            self._broken = BrokenLink(number=record.number, why=why)
            return
        self._head = Head(number=record.number, hash=record.hash)
        self._seen_anchor = self._seen_anchor or record.hash == self._anchor

    def unreadable(self, number: int) -> None:
        """What should be this record is none."""
        self._broken = self._broken or BrokenLink(number=number, why="it is no record")

    def ends_early(self, number: int) -> None:
        """There were records up to this number once."""
        if self._broken is None and number > self._head.number:
            self._broken = BrokenLink(number=self._head.number + 1, why="it is missing, and all after it")

    def verdict(self) -> Verdict:
        anchored = None if self._anchor is None else self._seen_anchor
        return Verdict(records=self._head.number, head=self._head, broken=self._broken, anchored=anchored)
