"""Runs a program that does not see some directories.

    python -I -S sandbox.py SPEC PROGRAM [ARGUMENT...]    SPEC as JSON: {"hidden": [..], "private": [..], "kept": [..]}

Namespaces of an ordinary user (user, mount and process ids), by the standard library alone: user_namespaces(7),
mount_namespaces(7). `hidden` directories are empty and read-only, `private` ones empty and the program's own; what is
`kept` is seen all the same, also below one of them. Other processes are not seen either: through /proc/PID/root every
directory would be open again. The program has no capabilities, and what it starts in namespaces of its own cannot
take the mounts away. Ends as the program does; everything that it left running ends with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x20000, 0x10000000, 0x20000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 0x20
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CAPABILITIES = 64
CANNOT = 126
"""The exit code, as a shell's, when the namespaces or the program cannot be had."""

_libc = ctypes.CDLL(None, use_errno=True)


def main(spec_text: str, argv: list[str]) -> int:
    spec = json.loads(spec_text)
    directory = os.getcwd()
    uid, gid = os.getuid(), os.getgid()
    _check(_libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID), "namespaces of a user's own")
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _hide(spec)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they are the program's; we end when it does
    first = os.fork()
    if first == 0:
        os._exit(_be_first(directory, argv))
    _, status = os.waitpid(first, 0)
    return os.waitstatus_to_exitcode(status)


def _hide(spec: dict[str, list[str]]) -> None:
    kept = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in spec["kept"] if os.path.exists(path)]
    hidden = [path for path in spec["hidden"] if os.path.isdir(path)]
    for path in [path for path in spec["private"] if os.path.isdir(path)]:
        _mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700")
    for path in hidden:
        if os.path.isdir(path):  # else one of those above has hidden it already
            _mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m")
    for path, handle in kept:
        if _is_below(path, [*hidden, *spec["private"]]):
            _make_place(path, is_directory=os.path.isdir(f"/proc/self/fd/{handle}"))
            _mount(f"/proc/self/fd/{handle}", path, None, MS_BIND | MS_REC)
        os.close(handle)
    for path in hidden:
        if os.path.isdir(path):
            _mount(None, path, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _is_below(path: str, directories: list[str]) -> bool:
    real = os.path.realpath(path)
    return any(os.path.commonpath((real, os.path.realpath(one))) == os.path.realpath(one) for one in directories)


def _make_place(path: str, *, is_directory: bool) -> None:
    os.makedirs(path if is_directory else os.path.dirname(path), exist_ok=True)
    if not is_directory:
        os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))


def _be_first(directory: str, argv: list[str]) -> int:
    """Process 1 of the new world: reaps what is orphaned, and ends with the program."""
    try:
        _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        program = os.fork()
        if program == 0:
            _become(directory, argv)
        while True:
            pid, status = os.wait()
            if pid == program:
                code = os.waitstatus_to_exitcode(status)
                # the first process is deaf to signals of its own world: the one above is told by the exit code
                return code if code >= 0 else 128 - code
    except OSError as error:
        return _give_up(error)


def _become(directory: str, argv: list[str]) -> None:
    try:
        for capability in range(CAPABILITIES):  # else root would have them back after exec
            _libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        _libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.chdir(directory)  # by its name: what the name meant before may be hidden now
        os.execvp(argv[0], argv)
    except OSError as error:
        os._exit(_give_up(error, argv[0]))


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    given = [None if word is None else os.fsencode(word) for word in (source, target, kind, data)]
    _check(_libc.mount(given[0], given[1], given[2], ctypes.c_ulong(flags), given[3]), f"mounting {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _give_up(error: OSError, what: str = "the sandbox") -> int:
    sys.stderr.write(f"{what} cannot be had: {error.strerror} ({error.filename})\n")
    sys.stderr.flush()
    return CANNOT


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1], sys.argv[2:]))
    except OSError as error:
        sys.exit(_give_up(error))
