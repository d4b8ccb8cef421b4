"""Looks for files by name, or for lines in files: a program of its own.

Run by its path with `python -I -S`; standard library only. A regular expression that never ends, or a tree without
end, is then ended by a kill like any command. Input: one JSON object on stdin (see Wanted). Output: one JSON object
a line, {"path", "line"?, "text"?}, then {"left_out": true} when there was more than asked for.

Links are not followed, whatever is swapped while it looks: directories are walked by descriptor.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Iterator
from typing import NamedTuple

SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__", ".venv", ".mypy_cache", ".ruff_cache"})
FILE_LIMIT_BYTES = 4 * 1024 * 1024
LINE_LIMIT = 500


class Wanted(NamedTuple):
    """`root` has no links in it. `glob` None is every file; `pattern` None asks for names alone."""

    root: str
    glob: str | None
    pattern: str | None
    ignore_case: bool
    limit: int


class Found(NamedTuple):
    """A regular file, open below the descriptor of its directory; `path` relative to the root."""

    path: str
    name: str
    directory: int


def glob_expression(glob: str) -> str:
    """The regular expression for a glob over whole relative paths.

    `*` and `?` stay within a name, `**/` is any number of directories, `{a,b}` is a choice. A glob without a slash
    is looked for at every depth.
    """
    if "/" not in glob:
        glob = f"**/{glob}"
    out, at, depth = [], 0, 0
    while at < len(glob):
        if glob.startswith("**/", at):
            out.append("(?:[^/]+/)*")
            at += 3
            continue
        character = glob[at]
        if character == "*":
            out.append(".*" if glob.startswith("**", at) else "[^/]*")
            while glob.startswith("*", at + 1):
                at += 1
        elif character == "?":
            out.append("[^/]")
        elif character == "{":
            depth += 1
            out.append("(?:")
        elif character == "}" and depth:
            depth -= 1
            out.append(")")
        elif character == "," and depth:
            out.append("|")
        elif character == "[" and (end := glob.find("]", at + 2)) > 0:
            inside = glob[at + 1 : end].replace("\\", "\\\\")
            out.append(f"[{'^' + inside[1:] if inside[0] in '!^' else inside}]")
            at = end
        else:
            out.append(re.escape(character))
        at += 1
    return "".join(out) + ")" * depth


def files(root: str, wanted: re.Pattern[str] | None) -> Iterator[Found]:
    """Every file below the root, or the root itself where it is one; those of a directory in order."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(root, flags)
    try:
        _require_at(descriptor, root)
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            parent, name = os.path.split(root)
            above = os.open(parent, flags | os.O_DIRECTORY)
            _require_at(above, parent)
            yield Found(name, name, above)
            return
        for below, directories, names, directory in os.fwalk(".", dir_fd=descriptor, follow_symlinks=False):
            directories[:] = sorted(name for name in directories if name not in SKIPPED)
            for name in sorted(names):
                path = os.path.normpath(os.path.join(below, name))
                if wanted is None or wanted.fullmatch(path):
                    yield Found(path, name, directory)
    finally:
        os.close(descriptor)


def _require_at(descriptor: int, path: str) -> None:
    if os.readlink(f"/proc/self/fd/{descriptor}") != path:
        raise OSError(f"{path} was moved or replaced meanwhile")


def lines(found: Found, pattern: re.Pattern[str]) -> Iterator[tuple[int, str]]:
    """The lines of a text file in which the pattern is found; none of a file that is no text, or too large."""
    try:
        descriptor = os.open(found.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=found.directory)
    except OSError:
        return
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_LIMIT_BYTES:
            return
        data = file.read(FILE_LIMIT_BYTES)
    if b"\0" in data:
        return
    for number, line in enumerate(data.decode(errors="replace").split("\n"), 1):
        if pattern.search(line):
            yield number, line.rstrip("\r")[:LINE_LIMIT]


def search(wanted: Wanted) -> Iterator[dict[str, object]]:
    """Rows of the output. Raises re.error for a pattern that is none, OSError for a root that cannot be read."""
    left = wanted.limit
    glob = None if wanted.glob is None else re.compile(glob_expression(wanted.glob), re.DOTALL)
    pattern = None if wanted.pattern is None else re.compile(wanted.pattern, re.IGNORECASE * wanted.ignore_case)
    for found in files(wanted.root, glob):
        rows = [{}] if pattern is None else ({"line": line, "text": text} for line, text in lines(found, pattern))
        for row in rows:
            if left == 0:
                yield {"left_out": True}
                return
            left -= 1
            yield {"path": found.path, **row}


def main() -> int:
    try:
        for row in search(Wanted(**json.loads(sys.stdin.buffer.read()))):
            sys.stdout.write(json.dumps(row) + "\n")
    except (re.error, OverflowError, RecursionError) as error:
        sys.stdout.write(json.dumps({"error": f"that is no pattern: {error}"}) + "\n")
    except OSError as error:
        sys.stdout.write(json.dumps({"error": error.strerror or str(error)}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
