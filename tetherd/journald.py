"""systemd's journal, spoken natively: a datagram of fields.

Source: systemd.io/JOURNAL_NATIVE_PROTOCOL. A value with a newline in it is sent with its size, all others as KEY=VALUE.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
from collections.abc import Mapping
from typing import TextIO

ADDRESS = "/run/systemd/journal/socket"
VALUE_LIMIT = 16 * 1024
"""Characters of each value, when a line does not fit into a datagram."""


def goes_to(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Is what is written to `stream` read by the journal? The service manager names it in JOURNAL_STREAM."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


def field_name(word: str) -> str:
    """A name that the journal takes: capitals, digits and underscores, not beginning with one, at most 64."""
    return re.sub(r"[^A-Z0-9]", "_", word.upper()).lstrip("_")[:56] or "FIELD"


def encode(fields: Mapping[str, str]) -> bytes:
    """The datagram. Names are as field_name() gives them."""
    parts = []
    for name, value in fields.items():
        data = value.encode(errors="replace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


def send(fields: Mapping[str, str], address: str = ADDRESS) -> None:
    """Write one line; what is too long is cut. Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        try:
            sending.sendto(encode(fields), address)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            sending.sendto(encode({name: value[:VALUE_LIMIT] for name, value in fields.items()}), address)
