"""The unit files as they are installed: absolute paths, and the addresses of the settings."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from tetherd.cli.output import FAILED, Refusal
from tetherd.cli.user_manager import NAMES, SERVICE, SOCKETS

_UNQUOTABLE = frozenset("\"'\\$")
"""What systemd.syntax(7) gives a meaning of its own inside quotes."""


def unit_texts(program: Path, search_path: str, hosts: Sequence[str], port: int) -> Mapping[str, str]:
    """The text of each unit by its name.

    `program` is tetherd's absolute path, `search_path` the PATH that agents are found on: the manager's own is short.
    Raises Refusal for a path that a unit file cannot hold.
    """
    texts = {name: (files("tetherd") / "units" / name).read_text() for name in NAMES}
    start = f"ExecStart={_quoted(str(program))}\nEnvironment={_quoted(f'PATH={_plain_path(search_path)}')}\n"
    texts[SERVICE] = _replaced(texts[SERVICE], "ExecStart=", start)
    listen = "".join(f"ListenStream={_address(host, port)}\n" for host in hosts)
    # FreeBind: an address that comes up later, such as a VPN's, is no reason to fail at the start
    beyond = not all(ipaddress.ip_address(host).is_loopback for host in hosts)
    texts[SOCKETS[1]] = _replaced(texts[SOCKETS[1]], "ListenStream=", listen + ("FreeBind=yes\n" if beyond else ""))
    return texts


def _replaced(text: str, key: str, lines: str) -> str:
    """`lines` in the place of the first line of that key; the others go."""
    before, found, after = text.partition(f"\n{key}")
    assert found
    rest = after.partition("\n")[2].splitlines(keepends=True)
    return f"{before}\n{lines}" + "".join(line for line in rest if not line.startswith(key))


def _plain_path(search_path: str) -> str:
    """Directories that mean the same everywhere, and that a unit file can name."""
    found = [entry for entry in search_path.split(os.pathsep) if os.path.isabs(entry) and _is_quotable(entry)]
    return os.pathsep.join(dict.fromkeys(found))


def _is_quotable(text: str) -> bool:
    return text.isprintable() and not _UNQUOTABLE & set(text)


def _quoted(text: str) -> str:
    if not _is_quotable(text):
        raise Refusal(f"a unit file cannot hold {text!r}", "install tetherd at a plainer path", FAILED)
    return '"' + text.replace("%", "%%") + '"'


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
