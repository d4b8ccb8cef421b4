"""The command inside the shell that Codex wraps around it."""

from __future__ import annotations

import posixpath
import shlex

_SHELLS = frozenset({"sh", "bash", "zsh", "dash"})
_FLAGS = frozenset({"-c", "-lc"})


def unwrapped(command: str) -> str:
    """`ls -l` of `/bin/bash -lc 'ls -l'`; anything else as it is.

    The one word behind the flag is the whole program of the shell: nothing is hidden by leaving the rest away.
    """
    try:
        words = shlex.split(command)
    except ValueError:  # quotes that do not close: Codex cuts nothing, but it is no shell's word either
        return command
    is_wrapped = len(words) == 3 and posixpath.basename(words[0]) in _SHELLS and words[1] in _FLAGS
    return words[2] if is_wrapped else command
