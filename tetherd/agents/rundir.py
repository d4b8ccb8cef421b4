"""The directory of one run: what its shim was told, and what it left.

Core rules, 3: the layout is the ABI between a daemon and the shims that older daemons started.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tetherd.errors import Unavailable
from tetherd.shim import ABI


@dataclass(frozen=True, slots=True)
class RunDir:
    """The files of one run; asking creates nothing."""

    path: Path

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def journal(self) -> Path:
        return self.path / "out.journal"

    @property
    def err_log(self) -> Path:
        return self.path / "err.log"

    @property
    def revoked(self) -> Path:
        """Where it exists, a shim that comes late starts nothing."""
        return self.path / "revoked"

    def run(self) -> dict[str, Any] | None:
        """What the shim wrote about itself; None when it never came so far. Raises Unavailable for an unknown ABI."""
        run = _read_json(self.path / "run.json")
        if run is not None and run.get("abi") != ABI:
            raise Unavailable(f"run {self.path.name} was started by another tetherd (shim ABI {run.get('abi')})")
        return run

    def status(self) -> dict[str, Any] | None:
        """How the agent ended; there only when nothing of it is left and the journal is whole."""
        return _read_json(self.path / "status.json")

    def leave_lost(self) -> None:
        """Write the status that the shim could not: it is over, and nobody saw how. Raises Unavailable (disk full)."""
        try:
            size = self.journal.stat().st_size
        except FileNotFoundError:
            size = 0
        draft = self.path / "status.json.lost"
        try:
            draft.write_text(json.dumps({"code": None, "signal": None, "error": None, "lost": True, "size": size}))
            draft.replace(self.path / "status.json")
        except OSError as error:
            raise Unavailable(f"cannot note that run {self.path.name} is lost: {error.strerror}") from error

    def is_held(self) -> bool:
        """Does a shim live, or is one on its way?"""
        with self.try_lock() as lock:
            return lock is None and self.path.is_dir()

    @contextmanager
    def try_lock(self) -> Iterator[int | None]:
        """The lock's descriptor while we hold it; None when a shim does, or when there is no directory."""
        try:
            lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            lock = -1
        try:
            try:
                if lock < 0:
                    raise BlockingIOError
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield lock
        finally:
            if lock >= 0:
                os.close(lock)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return value if isinstance(value, dict) else None
