"""The systemd seam: readiness, watchdog, sockets opened for us.

sd_notify(3), sd_listen_fds(3) and sd_watchdog_enabled(3), seen from the service. Without a service manager all of it
is silent and empty.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from tetherd.logconfig import get_logger

FIRST_DESCRIPTOR = 3
BEATS_IN_A_PERIOD = 3
START_EXTENSION_SECONDS = 600
"""A migration of a large log may take so long before the first sign of life."""
TURNED_AWAY_SECONDS = 1.0
_OURS = ("NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """What a service manager gave this process, and how it is told.

    `unit` is the name under which the user's own manager runs us; None in a terminal, or below another manager.
    """

    notify: Callable[[str], None]
    is_managed: bool = False
    unit: str | None = None
    watchdog_seconds: float | None = None
    sockets: tuple[socket.socket, ...] = ()

    def extend_start(self) -> None:
        self.notify(f"EXTEND_TIMEOUT_USEC={START_EXTENSION_SECONDS * 1_000_000}")

    def ready(self) -> None:
        self.notify("READY=1")

    def reloading(self) -> None:
        """Before ready(), which ends it. Type=notify-reload (253) also wants the moment."""
        self.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        self.notify("STOPPING=1\nSTATUS=Stopping")

    def status(self, text: str) -> None:
        """The line that `systemctl status` shows."""
        self.notify("STATUS=" + text.replace("\n", " "))

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """The watchdog is fed from a task like any other: it starves when the loop is stuck, and only then."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beat_forever)
            yield
            nursery.cancel_scope.cancel()

    async def _beat_forever(self) -> None:
        while self.watchdog_seconds is not None:
            self.notify("WATCHDOG=1")
            await trio.sleep(self.watchdog_seconds / BEATS_IN_A_PERIOD)

    async def stop_unit(self) -> bool:
        """Have the manager stop us, as it would start us again otherwise. False when it will not."""
        if self.unit is None:
            return False
        try:
            done = await trio.run_process(
                ("systemctl", "--user", "stop", "--no-block", self.unit), check=False, capture_stderr=True
            )
        except OSError:
            return False
        return done.returncode == 0

    def turn_away(self, why: str) -> None:
        """Answer whoever waits at the sockets: a connection that stays in them would have us started again at once.

        On the control socket they learn why; strangers on TCP do not.
        """
        for listener in self.sockets:
            is_own = listener.family == socket.AF_UNIX
            answer = _refusal(why if is_own else "tetherd cannot start")
            with suppress(OSError):
                listener.setblocking(False)
                while True:
                    connection, _ = listener.accept()
                    with connection, suppress(OSError):
                        connection.settimeout(TURNED_AWAY_SECONDS)
                        connection.recv(65536)  # closed with it unread, the answer would be lost
                        connection.sendall(answer)


def take_service() -> Service:
    """What the environment says of a service manager, taken out of it: our children have their own."""
    given = {key: os.environ.pop(key) for key in _OURS if key in os.environ}
    is_managed = "NOTIFY_SOCKET" in given
    return Service(
        notify=partial(_send, given["NOTIFY_SOCKET"]) if is_managed else _say_nothing,
        is_managed=is_managed,
        unit=_own_unit() if is_managed else None,
        watchdog_seconds=_watchdog_seconds(given),
        sockets=tuple(_inherited_sockets(given)),
    )


def unmanaged() -> Service:
    """Of a process that nobody manages."""
    return Service(notify=_say_nothing)


def _say_nothing(_state: str) -> None:
    pass


def _send(address: str, state: str) -> None:
    """One datagram, lost rather than waited for: a manager that does not listen must not hold the loop."""
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        to = "\0" + address[1:] if address.startswith("@") else address
        sending.sendto(state.encode(errors="replace"), socket.MSG_DONTWAIT, to)


def _watchdog_seconds(given: dict[str, str]) -> float | None:
    usec = given.get("WATCHDOG_USEC", "")
    if not usec.isdigit() or given.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(usec) / 1_000_000 or None


def _inherited_sockets(given: dict[str, str]) -> Sequence[socket.socket]:
    """Listening stream sockets; whatever else was passed is closed and said."""
    count = given.get("LISTEN_FDS", "")
    if given.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit():
        return ()
    found = []
    for descriptor in range(FIRST_DESCRIPTOR, FIRST_DESCRIPTOR + int(count)):
        os.set_inheritable(descriptor, False)
        try:
            passed = socket.socket(fileno=descriptor)
        except OSError:
            passed = None
        if passed is not None and _listens(passed):
            found.append(passed)
            continue
        log.warning("a descriptor that is no listening socket was passed to us", descriptor=descriptor)
        with suppress(OSError):
            passed.close() if passed is not None else os.close(descriptor)
    return found


def _listens(passed: socket.socket) -> bool:
    return (
        passed.family in (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6)
        and passed.type == socket.SOCK_STREAM
        and bool(passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    )


def _own_unit() -> str | None:
    """Our unit in the user's manager. SYSTEMD_EXEC_PID tells its main process from what that may have started."""
    if os.environ.get("SYSTEMD_EXEC_PID") != str(os.getpid()):
        return None
    found = re.search(r"^0::.*/user@\d+\.service/.*?([^/\n]+\.service)$", _own_cgroup(), re.MULTILINE)
    return found[1] if found else None


def _own_cgroup() -> str:
    try:
        return Path("/proc/self/cgroup").read_text()
    except OSError:
        return ""


def _refusal(why: str) -> bytes:
    body = json.dumps(
        {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "code": "misconfigured",
            "detail": why,
            "hint": "mend it, then: systemctl --user start tetherd",
        }
    ).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
