"""Limits of agents as a setting has them: `memory_max=4G, demo.tasks_max=200`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from tetherd.domain.limits import Limits
from tetherd.sizes import read_size

ACCEPTED = "memory_max=4G, memory_high=3G, cpu_weight=50, tasks_max=500 or sandbox=yes, each also as ADAPTER.NAME=VALUE"


def _yes_or_no(text: str) -> bool:
    return {"yes": True, "no": False}[text.lower()]


_NAMES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "memory_max": ("memory_max_bytes", read_size),
    "memory_high": ("memory_high_bytes", read_size),
    "cpu_weight": ("cpu_weight", int),
    "tasks_max": ("tasks_max", int),
    "sandbox": ("sandbox", _yes_or_no),
}


def read_limits(text: str) -> dict[str, Limits]:
    """Limits by adapter, those of "" for all. Raises ValueError, whose text says what is accepted."""
    found: dict[str, dict[str, Any]] = {}
    for part in filter(None, re.split(r"[,\s]+", text)):
        matched = re.fullmatch(r"(?:([a-z][a-z0-9_]*)\.)?([a-z_]+)=(\S+)", part)
        if matched is None or matched[2] not in _NAMES:
            raise ValueError(ACCEPTED)
        field, read = _NAMES[matched[2]]
        try:
            found.setdefault(matched[1] or "", {})[field] = read(matched[3])
        except (ValueError, KeyError):
            raise ValueError(ACCEPTED) from None
    try:
        return {adapter: Limits(**values) for adapter, values in found.items()}
    except ValidationError as error:
        fault = error.errors()[0]
        raise ValueError(f"{fault['loc'][0]}: {fault['msg']}".lower()) from None
