"""Sizes as people write them: 512M, 4G; powers of 1024, as systemd reads them."""

from __future__ import annotations

import re

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def read_size(text: str) -> int:
    """Bytes. Raises ValueError, whose text says what is accepted."""
    found = re.fullmatch(r"([0-9]{1,15})([KMGT]?)", text.strip().upper().removesuffix("B"))
    if found is None:
        raise ValueError("a size such as 512M or 4G")
    return int(found[1]) * _UNITS[found[2]]


def show_size(size: int) -> str:
    """Short, for people: 812 K, 1.4 G."""
    amount, unit = float(size), "B"
    for bigger in ("K", "M", "G", "T"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, bigger
    return f"{amount:.1f} {unit}" if amount < 10 and unit != "B" else f"{amount:.0f} {unit}"
