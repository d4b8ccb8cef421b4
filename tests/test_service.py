"""What a service manager gives us and is told, without one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tetherd.service import Service, take_service, unmanaged


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that NOTIFY_SOCKET names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def told(manager: socket.socket) -> str:
    return manager.recv(4096).decode()


def test_nobody_manages_us_and_all_is_silent() -> None:
    for service in (unmanaged(), take_service()):
        assert (service.is_managed, service.unit, service.watchdog_seconds, service.sockets) == (False, None, None, ())
        service.ready()
        service.turn_away("nobody waits")


def test_the_manager_is_told(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    service = take_service()
    assert (service.is_managed, service.watchdog_seconds) == (True, 3.0)
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC"} & set(os.environ), "children would speak for us"
    service.ready()
    assert told(manager) == "READY=1"
    service.reloading()
    assert told(manager).startswith("RELOADING=1\nMONOTONIC_USEC=")
    service.stopping()
    assert told(manager).startswith("STOPPING=1")
    service.extend_start()
    assert told(manager) == "EXTEND_TIMEOUT_USEC=600000000"


def test_a_status_is_one_line_whatever_it_says(manager: socket.socket) -> None:
    take_service().status("a\nREADY=1 ü \ud800")
    assert told(manager) == "STATUS=a READY=1 ü ?"


@pytest.mark.parametrize("usec", ["", "0", "-1", "soon", "1e6"])
def test_no_watchdog_without_a_period(usec: str, manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    assert take_service().watchdog_seconds is None


def test_another_process_s_watchdog_is_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert take_service().watchdog_seconds is None


async def test_the_watchdog_is_fed_thrice_in_a_period_and_not_after(autojump_clock: trio.abc.Clock) -> None:
    said: list[float] = []
    service = Service(notify=lambda _: said.append(trio.current_time()), watchdog_seconds=30.0)
    begun = trio.current_time()
    async with service.beating():
        await trio.sleep(55)
    assert [round(at - begun) for at in said] == [0, 10, 20, 30, 40, 50]
    await trio.sleep(60)
    assert len(said) == 6


# -- sockets -----------------------------------------------------------------------------------------------------

TAKE = """
import os, sys
for place, descriptor in enumerate(map(int, sys.argv[1:]), start=3):
    os.dup2(descriptor, place, inheritable=True)
os.environ["LISTEN_PID"] = str(os.getpid())
from tetherd.service import take_service
service = take_service()
print([sock.getsockname() for sock in service.sockets])
print([os.get_inheritable(sock.fileno()) for sock in service.sockets], [k for k in os.environ if k[:6] == "LISTEN"])
"""


def test_listening_sockets_are_taken_and_the_rest_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as control, socket.create_server(("127.0.0.1", 0)) as tcp:
        control.bind(str(tmp_path / "control"))
        control.listen()
        with socket.socket() as idle, (tmp_path / "file").open("w") as file:
            # far above 3, so that none of them is overwritten before its turn
            passed = [os.dup2(one.fileno(), 50 + place) for place, one in enumerate((control, idle, file, tcp))]
            try:
                done = subprocess.run(
                    [sys.executable, "-c", TAKE, *map(str, passed)],
                    env=os.environ | {"LISTEN_FDS": "4", "LISTEN_FDNAMES": "control:x:y:http"},
                    pass_fds=passed,
                    capture_output=True,
                    text=True,
                )
            finally:
                for descriptor in passed:
                    os.close(descriptor)
        names, rest = done.stdout.splitlines()
        assert names == str([str(tmp_path / "control"), tcp.getsockname()]), done.stderr
        assert rest == "[False, False] []"
        assert done.stderr.count("no listening socket") == 2


def test_another_process_s_sockets_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "1")
    monkeypatch.setenv("LISTEN_PID", str(os.getpid() + 1))
    assert take_service().sockets == ()


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_who_waits_is_turned_away_and_only_the_owner_learns_why(family: int, tmp_path: Path) -> None:
    with socket.socket(family) as listening:
        listening.bind(str(tmp_path / "s") if family == socket.AF_UNIX else ("127.0.0.1", 0))
        listening.listen()
        waiting = [socket.socket(family) for _ in range(3)]
        for one in waiting:
            one.connect(listening.getsockname())
        waiting[0].sendall(b"GET / HTTP/1.1\r\n\r\n")
        waiting[1].sendall(b"GET / HTTP/1.1\r\n\r\n")
        waiting[2].close()
        Service(notify=lambda _: None, sockets=(listening,)).turn_away("port=many")
        for one in waiting[:2]:
            one.settimeout(30)
            answer = b""
            while piece := one.recv(65536):
                answer += piece
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ")
            assert json.loads(body)["code"] == "misconfigured"
            assert ("port=many" in body.decode()) == (family == socket.AF_UNIX)
            one.close()
        with pytest.raises(BlockingIOError):
            listening.accept()
