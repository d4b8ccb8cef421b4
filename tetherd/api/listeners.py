"""Listening sockets: both loopbacks, and the control socket."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import trio

from tetherd.errors import Misconfigured

BACKLOG = 128
PORT_TRIES = 20  # for port 0: the port that the first host was given may be taken on the second
MAX_SOCKET_PATH_BYTES = 107  # sun_path of unix(7) without its final NUL


class AddressTaken(Misconfigured):
    """Another process listens where we should; `address` is HOST:PORT or a path."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} is taken by another process")
        self.address = address


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket. `path` is the file that goes with it; None where systemd owns the file."""

    stream: trio.SocketListener
    kind: Literal["tcp", "socket"]
    path: Path | None = None

    def close(self) -> None:
        # In this order: a daemon that starts between the two would take our file for stale, make its own,
        # and lose that one to our unlink.
        if self.path is not None:
            self.path.unlink(missing_ok=True)
        self.stream.socket.close()


def adopt(sock: socket.socket) -> Listener:
    """A listening socket that the service manager opened and goes on to own: its file is not ours to remove."""
    sock.setblocking(False)
    return Listener(_trio_listener(sock), "socket" if sock.family == socket.AF_UNIX else "tcp")


async def open_tcp(hosts: Sequence[str], port: int) -> list[Listener]:
    """Listen on every host, numeric addresses all, or on none; ::1 is left out where the machine lacks it.

    Port 0 picks one free port for all hosts. Raises AddressTaken, or Misconfigured for any other refusal.
    """
    for tries_left in reversed(range(PORT_TRIES if port == 0 else 1)):
        try:
            return _listen_everywhere(hosts, port)
        except AddressTaken:
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


async def open_socket(path: Path) -> Listener:
    """Listen at `path`, mode 0600, in a directory that is made 0700 where it is missing.

    A socket file that nobody answers is replaced. Two daemons that start at the same moment could each take
    the other's for stale: the caller holds the daemon's lock. Raises AddressTaken if somebody answers,
    Misconfigured if the path is too long or not a socket, or if others may write to its directory.
    """
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise Misconfigured(f"socket path is longer than {MAX_SOCKET_PATH_BYTES} bytes: {path}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = path.parent.stat()
        if directory.st_uid != os.geteuid() or directory.st_mode & 0o022:
            raise Misconfigured(f"others may write to the socket's directory: {path.parent}")
        _remove_stale(path)
        with ExitStack() as opened:
            sock = opened.enter_context(socket.socket(socket.AF_UNIX))
            previous_umask = os.umask(0o177)  # chmod after bind would leave a moment for others to connect
            try:
                sock.bind(os.fspath(path))
            finally:
                os.umask(previous_umask)
            sock.listen(BACKLOG)
            opened.pop_all()
    except OSError as exc:
        raise Misconfigured(f"cannot listen at {path}: {exc.strerror}") from exc
    return Listener(_trio_listener(sock), "socket", path)


def _listen_everywhere(hosts: Sequence[str], port: int) -> list[Listener]:
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for host in hosts:
            sock = _listen_tcp(host, port)
            if sock is not None:
                sockets.append(opened.enter_context(sock))
                port = sock.getsockname()[1]
        if not sockets:
            raise Misconfigured(f"no address to listen on: {', '.join(hosts) or 'no host given'}")
        opened.pop_all()
    return [Listener(_trio_listener(sock), "tcp") for sock in sockets]


def _listen_tcp(host: str, port: int) -> socket.socket | None:
    """Bind and listen; SO_REUSEADDR, but never SO_REUSEPORT: another listener must show as an error."""
    try:
        is_v6 = ipaddress.ip_address(host).version == 6
    except ValueError:
        raise Misconfigured(f"not an IP address: {host}") from None
    address = f"[{host}]:{port}" if is_v6 else f"{host}:{port}"
    try:
        with ExitStack() as opened:
            sock = opened.enter_context(socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if is_v6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((host, port))
            sock.listen(BACKLOG)
            opened.pop_all()
            return sock
    except OSError as exc:
        if host == "::1" and exc.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            return None
        if exc.errno == errno.EADDRINUSE:
            raise AddressTaken(address) from exc
        raise Misconfigured(f"cannot listen on {address}: {exc.strerror}") from exc


def _remove_stale(path: Path) -> None:
    """Unlink a socket file that refuses connections; AddressTaken if it does not."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise Misconfigured(f"not a socket, and not removed: {path}")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.setblocking(False)
            probe.connect(os.fspath(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
    except BlockingIOError:
        raise AddressTaken(str(path)) from None  # its backlog is full: alive, and busy
    else:
        raise AddressTaken(str(path))


def _trio_listener(sock: socket.socket) -> trio.SocketListener:
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))
