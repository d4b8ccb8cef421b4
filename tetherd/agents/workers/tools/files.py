"""Reading and replacing files that may be swapped for links at any moment.

Whatever is opened is asked where it is, by its descriptor: only what is where it was judged to be gets used.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tetherd.agents.workers.tools.place import CannotDo, Place

TEXT_LIMIT_BYTES = 8 * 1024 * 1024
_MOVED = "it was moved or replaced meanwhile"
_READ_BYTES = 1 << 20


def read_file(place: Place, limit_bytes: int = TEXT_LIMIT_BYTES) -> bytes | None:
    """All of a regular file; None when there is no such file. Raises CannotDo."""
    try:
        with _directory(place.real.parent) as directory:
            return _read(directory, place.real, limit_bytes)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CannotDo(_words(place, error)) from None


def text_of(place: Place, data: bytes) -> str:
    """The text in a file's bytes. Raises CannotDo."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise CannotDo(f"{place.shown} is no text in UTF-8") from None
    if "\0" in text:
        raise CannotDo(f"{place.shown} is a binary file")
    return text


def replace_file(place: Place, data: bytes, expected: bytes | None) -> None:
    """Write the file in one step, and its directory where there is none; its mode stays.

    expected: what it holds, None for no file: if that is no longer so, nothing is written. Raises CannotDo.
    """
    try:
        with _made_directory(place.real.parent) as directory:
            try:
                current = _read(directory, place.real, max(TEXT_LIMIT_BYTES, len(expected or b"")))
            except FileNotFoundError:
                current = None
            if current != expected:
                raise CannotDo(f"{place.shown} was changed meanwhile; read it again")
            _write(directory, place.real.name, data)
    except OSError as error:
        raise CannotDo(_words(place, error)) from None


def _read(directory: int, path: Path, limit_bytes: int) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path.name or ".", flags, dir_fd=directory)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise CannotDo(f"{path} is a directory")
        if not stat.S_ISREG(status.st_mode):
            raise CannotDo(f"{path} is no regular file")
        data = bytearray()
        while piece := os.read(descriptor, _READ_BYTES):
            data += piece
            if len(data) > limit_bytes:
                raise CannotDo(f"{path} is larger than {limit_bytes} bytes")
        return bytes(data)
    finally:
        os.close(descriptor)


def _write(directory: int, name: str, data: bytes) -> None:
    draft = f".{name[:100]}.{secrets.token_hex(4)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o666, dir_fd=directory)
    try:
        try:
            with contextlib.suppress(FileNotFoundError):
                mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
                os.fchmod(descriptor, stat.S_IMODE(mode) & 0o777)
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)
        os.rename(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft, dir_fd=directory)
        raise


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    """The directory at a path without links in it. Raises CannotDo when one was put there."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _require_at(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _made_directory(path: Path) -> Iterator[int]:
    """The same, made with its parents where there is none."""
    missing: list[str] = []
    while not path.is_dir() and path != path.parent:
        missing.append(path.name)
        path = path.parent
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _require_at(descriptor, path)
        for name in reversed(missing):
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=descriptor)
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(name, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _require_at(descriptor: int, path: Path) -> None:
    if os.readlink(f"/proc/self/fd/{descriptor}") != str(path):
        raise CannotDo(f"{path}: {_MOVED}")


def _words(place: Place, error: OSError) -> str:
    return f"{place.shown}: {error.strerror or error}"
