"""What is known of programs that run other programs.

Data alone; `unwrap.py` reads commands with it. Options are those of GNU coreutils, findutils, tar, sed and of bash 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What may stand before the inner command: `flags` alone, `valued` with a value behind or in the same word."""

    flags: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()
    operands: int = 0
    """How many words of its own follow the options (timeout's duration)."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


PREFIXES: Mapping[str, Options] = {
    "time": Options(frozenset({"-p"})),
    "nohup": Options(),
    "nice": Options(valued=frozenset({"-n", "--adjustment"})),
    "timeout": Options(
        frozenset({"--foreground", "--preserve-status", "-v", "--verbose"}),
        frozenset({"-k", "--kill-after", "-s", "--signal"}),
        operands=1,
    ),
    "command": Options(frozenset({"-p"})),
    "exec": Options(),
    "stdbuf": Options(valued=frozenset({"-i", "-o", "-e", "--input", "--output", "--error"})),
}
"""Programs that do nothing but run the rest of their words."""

XARGS = Options(
    frozenset({"-0", "--null", "-r", "--no-run-if-empty", "-t", "--verbose", "-x", "--exit"}),
    frozenset(
        {"-n", "--max-args", "-P", "--max-procs", "-L", "--max-lines", "-d", "--delimiter", "-a", "--arg-file"}
        | {"-I", "-s", "--max-chars"}
    ),
)

FIND_RUNS = frozenset({"-exec", "-execdir", "-ok", "-okdir"})
FIND_ACTS = frozenset({"-delete", "-fprint", "-fprint0", "-fprintf", "-fls"})

SHELLS = frozenset({"sh", "bash", "dash"})
"""Shells whose language we read."""

HIDING = _set(
    "sudo doas su runuser ssh parallel watch script flock systemd-run chroot unshare nsenter setpriv setsid ionice"
    " chrt taskset numactl strace ltrace gdb busybox toybox expect unbuffer socat batch at crontab entr direnv firejail"
    " bwrap proot fakeroot torsocks proxychains runcon dbus-run-session xvfb-run zsh ksh mksh fish csh tcsh rbash pwsh"
    " alias trap enable hash shopt bind complete compopt compgen mapfile readarray let builtin history fc"
)
"""What these run is not looked for: it stands in a language of their own, or they change what later words mean."""

SUBSCRIPTING = frozenset({"read", "printf", "test", "[", "getopts", "wait", "unset", "typeset", "local", "declare"})
"""Builtins that evaluate a variable's name, and with it what stands in its subscript: printf -v 'a[$(id)]' x."""

CHANGING = frozenset({"source", ".", "set", "ulimit", "umask", "pushd", "popd", "export", "readonly"})
"""Builtins that change what the commands after them work on."""

CARRYING: Mapping[str, frozenset[str]] = {
    "tar": frozenset(
        {"-I", "--use-compress-program", "--to-command", "--checkpoint-action", "-F", "--info-script"}
        | {"--new-volume-script", "--rsh-command", "--rmt-command"}
    ),
    "rsync": frozenset({"-e", "--rsh", "--rsync-path"}),
    "sort": frozenset({"--compress-program", "-o", "--output"}),
    "rg": frozenset({"--pre", "--hostname-bin"}),
    "fd": frozenset({"-x", "-X", "--exec", "--exec-batch"}),
    "fdfind": frozenset({"-x", "-X", "--exec", "--exec-batch"}),
    "man": frozenset({"-P", "--pager", "-H", "--html", "-p", "--preprocessor"}),
    "split": frozenset({"--filter"}),
    "zip": frozenset({"-T", "--unzip-command"}),
    "scp": frozenset({"-S", "-o", "-F"}),
    "sftp": frozenset({"-S", "-o", "-F", "-D"}),
}
"""Options with which an otherwise harmless program runs another one, or writes: who allows any arguments of
`sort` means neither."""
