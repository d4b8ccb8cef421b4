"""The client over real sockets, and its parser of event streams."""

from __future__ import annotations

import socket
import threading
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.stub_daemon import problem
from tetherd.client import client as module
from tetherd.client.client import ApiError, Client, DaemonUnreachable
from tetherd.client.sse import SseEvent, SseParser


@pytest.fixture
def client(daemon, socket_path: Path) -> Client:
    return Client(socket_path)


# -- requests ----------------------------------------------------------------------------------------------------


def test_a_request_and_its_answer(daemon, client: Client) -> None:
    daemon.answer("POST /api/x", (201, {"a": "é"}))
    daemon.answer("DELETE /api/x", (204, None))
    assert client.request("POST", "/api/x", {"b": "ü"}, key="k-1") == {"a": "é"}
    asked = daemon.last("POST")
    assert (asked.body, asked.headers["Idempotency-Key"]) == ({"b": "ü"}, "k-1")
    assert "Authorization" not in asked.headers
    assert client.request("DELETE", "/api/x") == {}
    assert "Idempotency-Key" not in daemon.last("DELETE").headers


def test_a_token_is_shown_where_there_is_one(daemon, socket_path: Path) -> None:
    daemon.answer("GET /api/x", (200, {}))
    Client.connect(socket_path, "secret").request("GET", "/api/x")
    assert daemon.last("GET").headers["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(("status", "passing"), [(400, False), (409, False), (429, True), (500, True), (503, True)])
def test_a_problem_says_whether_it_may_pass(daemon, client: Client, status: int, passing: bool) -> None:
    daemon.answer("GET /api/x", problem(status, "some_code", "in words", hint="do so"))
    with pytest.raises(ApiError) as refusal:
        client.request("GET", "/api/x")
    error = refusal.value
    assert (str(error), error.code, error.hint, error.is_passing) == ("in words", "some_code", "do so", passing)


@pytest.mark.parametrize("answer", [(502, b"<html>"), (200, b"[]"), (200, b"{half"), (502, b"\xff")])
def test_what_is_no_object_is_an_error(daemon, client: Client, answer: tuple[int, bytes]) -> None:
    daemon.answer("GET /api/x", answer)
    with pytest.raises(ApiError, match=f"the daemon answered {answer[0]} .*not in JSON"):
        client.request("GET", "/api/x")


# -- nobody there ------------------------------------------------------------------------------------------------


def test_where_nobody_is_is_named(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachable, match=f"no socket at {tmp_path}/none"):
        Client.connect(tmp_path / "none")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DaemonUnreachable, match=f"nobody listens at 127.0.0.1:{port}"):
        Client(("127.0.0.1", port)).request("GET", "/api/x")
    with pytest.raises(DaemonUnreachable, match="path too long"):
        Client(tmp_path / ("x" * 200)).request("GET", "/api/x")


ANSWERS = [
    (b"", "closed connection without response|reset"),
    (b"SSH-2.0-OpenSSH\r\n", "SSH"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "IncompleteRead"),
]


@pytest.mark.parametrize(("said", "why"), ANSWERS)
def test_an_answer_that_breaks_off_is_nobody(said: bytes, why: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer_once, args=(server, said))
        thread.start()
        try:
            with pytest.raises(DaemonUnreachable, match=why):
                Client(server.getsockname()).request("GET", "/api/x")
        finally:
            thread.join()


def test_silence_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(module, "SILENCE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for ask in (lambda c: c.request("GET", "/api/x"), lambda c: next(c.follow("/api/x"))):
            with pytest.raises(DaemonUnreachable, match="no answer in time"):
                ask(Client(silent.getsockname()))


def test_a_stream_cut_inside_a_chunk_is_a_break_and_not_an_error() -> None:
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n12\r\nid: e.1\ndata: 1\n\n\r\nzz"
    lost: list[str] = []

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=_answer_once, args=(server, cut))
        thread.start()
        events = Client(server.getsockname()).follow("/x", lost=lambda why, _: lost.append(str(why)), sleep=stop)
        try:
            assert next(events) == SseEvent("e.1", "message", "1")
            with pytest.raises(KeyboardInterrupt):
                next(events)
        finally:
            thread.join()
    assert len(lost) == 1 and lost[0].startswith("cannot reach tetherd (")


def _answer_once(server: socket.socket, said: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(said)


# -- the parser --------------------------------------------------------------------------------------------------

STREAM = (
    ": hello\n\nid: e.1\nevent: a\ndata: one\n\n"
    "data: two\r\ndata:  lines ü\r\n\r\n"
    "event: delta\rdata: d\r\r"
    "id: e.2\n\n"
    "retry: 5\nid: bad\0id\ndata\n\n"
    "data: never ended"
).encode()
EVENTS = [
    SseEvent("e.1", "a", "one"),
    SseEvent(None, "message", "two\n lines ü"),
    SseEvent(None, "delta", "d"),
    SseEvent(None, "message", ""),
]


@given(st.lists(st.integers(0, len(STREAM))))
def test_cut_anywhere_the_events_are_the_same(cuts: list[int]) -> None:
    parser, found = SseParser(), []
    edges = [0, *sorted(cuts), len(STREAM)]
    for start, end in pairwise(edges):
        found += parser.feed(STREAM[start:end])
    assert found == EVENTS


@given(st.lists(st.binary(max_size=30)))
def test_no_bytes_are_too_much(pieces: list[bytes]) -> None:
    parser = SseParser()
    for piece in pieces:
        parser.feed(piece)
