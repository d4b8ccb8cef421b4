"""Pairing: a code that an owner makes and a new device gives back, once, within minutes."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tetherd.domain.ids import Role
from tetherd.errors import Rejected

CODE_LIFE = timedelta(minutes=5)
OPEN_LIMIT = 20
WRONG_LIMIT = 10
"""Guesses of a typed code, 40 bits, before it is worthless; the long one of a link needs no such limit."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32; `_plain` reads what is mistaken for something else as what was meant."""
_MEANT = str.maketrans("ILO", "110")
_TYPED_LENGTH = 8


class WrongCode(Rejected):
    """Nobody asked for this pairing, or it was used, or it took too long: one answer for all."""

    code = "wrong_code"
    status = 403
    hint = "codes are good once and for five minutes: tetherctl pair makes a new one"


class TooManyPairings(Rejected):
    code = "too_many_pairings"
    status = 429
    hint = "wait five minutes, or use one of the codes that were made"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a new device will be. The codes are told once and kept as hashes."""

    role: Role
    expires_at: datetime


@dataclass(slots=True)
class _Open:
    offer: Offer
    hashes: set[bytes]
    typed: bytes
    wrong: int = field(default=0)


class Pairings:
    """Those that are open now. In memory: a restart of the daemon closes them, and a code is quickly made anew."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._open: list[_Open] = []

    def offer(self, role: Role) -> tuple[Offer, str, str]:
        """A new one: its long code for links, its short one for people. Raises TooManyPairings."""
        self._forget_old()
        if len(self._open) >= OPEN_LIMIT:
            raise TooManyPairings(f"{OPEN_LIMIT} pairings are open already")
        long = secrets.token_urlsafe(16)
        short = "".join(secrets.choice(_ALPHABET) for _ in range(_TYPED_LENGTH))
        offer = Offer(role, self._now() + CODE_LIFE)
        self._open.append(_Open(offer, {_hash(long), _hash(short)}, _hash(short)))
        return offer, long, f"{short[:4]}-{short[4:]}"

    def take(self, code: str) -> Offer:
        """What this code was made for; it is good no more. Raises WrongCode."""
        self._forget_old()
        given = {_hash(code), _hash(_plain(code))}
        for one in self._open:
            if given & one.hashes:
                self._open.remove(one)
                return one.offer
        for one in self._open:
            one.wrong += 1
            if one.wrong >= WRONG_LIMIT:
                one.hashes.discard(one.typed)
        raise WrongCode("this code is not good, or no longer")

    def _forget_old(self) -> None:
        now = self._now()
        self._open = [one for one in self._open if one.offer.expires_at > now]


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").upper().translate(_MEANT)


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode(errors="replace")).digest()
