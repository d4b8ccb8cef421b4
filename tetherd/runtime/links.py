"""Where files really are: paths without links."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping

import trio

from tetherd.domain.approval import Approval
from tetherd.domain.calls import files_of

PATIENCE_SECONDS = 2.0
NOBODY_KNOWS = "/"
"""Stands for where a file is on a disk that does not answer: outside of everything."""


async def resolved_files(approvals: Iterable[Approval], directory: str | None) -> Mapping[str, str]:
    """The files that these are about, by the path that rules compare, where links make it another one.

    A session's directory may itself be a link: what lies below it counts as lying there.
    """
    root = directory or "/"
    paths = {os.path.join(root, path) for approval in approvals for path in files_of(approval)}
    if not paths:
        return {}
    found: dict[str, str] = dict.fromkeys(paths, NOBODY_KNOWS)
    with trio.move_on_after(PATIENCE_SECONDS):
        found = await trio.to_thread.run_sync(_resolve, paths, root, abandon_on_cancel=True)
    return {path: real for path, real in found.items() if real != posixpath.normpath(path)}


def _resolve(paths: Iterable[str], root: str) -> dict[str, str]:
    real_root = os.path.realpath(root)
    found = {}
    for path in paths:
        real = os.path.realpath(path)
        is_below = real == real_root or real.startswith(real_root.rstrip("/") + "/")
        found[path] = os.path.normpath(os.path.join(root, os.path.relpath(real, real_root))) if is_below else real
    return found
