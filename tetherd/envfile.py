"""KEY=value files: read them, and tell whether they can be trusted."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from dotenv.parser import parse_stream

from tetherd.errors import Misconfigured

SIZE_LIMIT_BYTES = 1024 * 1024
GIT_SECONDS = 10.0


class Entry(NamedTuple):
    """A value and where it stands, for people: `the environment`, or a file and its line."""

    value: str
    where: str


def read_env_file(path: Path, prefix: str) -> dict[str, Entry]:
    """All values of a file by key; empty when there is none. The last one of a key counts; empty ones do not.

    Raises Misconfigured when the file cannot be read, or when a line that mentions `prefix` makes no sense; other
    such lines are not ours.
    """
    entries: dict[str, Entry] = {}
    for binding in parse_stream(io.StringIO(read_text(path), newline="")):
        blank = len(binding.original.string) - len(binding.original.string.lstrip())
        where = f"{path}, line {binding.original.line + binding.original.string[:blank].count(chr(10))}"
        if binding.error and prefix in binding.original.string:
            raise Misconfigured(f"{where}: not understood; accepted: KEY=value, with quotes closed on the same line")
        if binding.key and binding.value:
            entries[binding.key] = Entry(binding.value, where)
        elif binding.key:
            entries.pop(binding.key, None)
    return entries


def read_text(path: Path) -> str:
    """The file as text; empty when it is not there, or is no file. Raises Misconfigured."""
    try:
        # O_NONBLOCK: a named pipe would wait for a writer
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)  # open() takes no directory
        return ""  # .env is also a usual name of a virtual environment's directory
    with open(descriptor, "rb") as file:
        data = file.read(SIZE_LIMIT_BYTES + 1)
    if len(data) > SIZE_LIMIT_BYTES:
        raise Misconfigured(f"{path} is larger than {SIZE_LIMIT_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Misconfigured(f"{path}, line {line}: not UTF-8") from error


def append_privately(path: Path, line: str) -> None:
    """Add a line to the file, keeping what it holds; 0600 from the first byte, whole or not at all.

    Raises Misconfigured when that cannot be done.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = Path(os.path.realpath(path))  # a link stays one: people keep their settings in other places
        before = target.read_bytes() if target.exists() else b""
        if before and not before.endswith(b"\n"):
            before += b"\n"
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")  # 0600
        try:
            with open(descriptor, "wb") as file:
                file.write(before + line.encode())
                file.flush()
                os.fsync(descriptor)
            os.replace(draft, target)
        except OSError:
            os.unlink(draft)
            raise
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}") from error


def require_own(path: Path) -> None:
    """Raise Misconfigured when another user than us (and root) owns the file or may write it."""
    for found in (path.lstat(), path.stat()):
        if found.st_uid not in (os.geteuid(), 0):
            raise Misconfigured(f"{path} belongs to another user (uid {found.st_uid}); settings in it are refused")
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise Misconfigured(
            f"{path} can be written by other users; settings in it are refused until: chmod go-w {path}"
        )


def is_shown_to_others(path: Path) -> bool:
    """May anybody but its owner read the file?"""
    return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def is_in_work_tree(directory: Path) -> bool:
    """Is this directory, or one above it, a git work tree? Looks at names only and runs nothing."""
    here = directory.resolve()
    return any((above / ".git").exists() for above in (here, *here.parents))


def require_untracked(path: Path) -> None:
    """Raise Misconfigured when git tracks the file, or when that cannot be told: whoever wrote it is not known."""
    if not is_in_work_tree(path.parent):
        return
    # a repository may name programs that git runs even to list files: none of them may start here
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    command += ["ls-files", "--error-unmatch", "--", path.name]
    keep = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        asked = subprocess.run(
            command, cwd=path.parent, env=keep, stdin=subprocess.DEVNULL, capture_output=True, timeout=GIT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Misconfigured(
            f"{path} is in a git work tree, and git cannot say whether it tracks it: {error}"
        ) from error
    if asked.returncode == 0:
        raise Misconfigured(f"{path} is tracked by git; settings in it are refused: move them to config.env")
    if asked.returncode != 1:
        said = asked.stderr.decode(errors="replace").strip().splitlines()
        raise Misconfigured(
            f"{path} is in a git work tree, and git cannot say whether it tracks it: {' '.join(said[:1])}"
        )
