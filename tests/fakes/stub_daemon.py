"""A daemon with canned answers on a unix socket, for the command line and its client."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Json | None


@dataclass
class StubDaemon:
    """`answers` by "METHOD /path" (with its query, else without it): a status and a body, or several, one after the
    other, of which the last one stays. A list of bytes is a stream: its pieces, then the end."""

    socket_path: Path
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def answer(self, request: str, *answers: tuple[int, Any]) -> None:
        self.answers[request] = list(answers)

    def last(self, method: str) -> Asked:
        return [asked for asked in self.asked if asked.method == method][-1]

    def take(self, method: str, path: str) -> tuple[int, Any]:
        for request in (f"{method} {path}", f"{method} {path.partition('?')[0]}"):
            if answers := self.answers.get(request):
                found: tuple[int, Any] = answers.pop(0) if len(answers) > 1 else answers[0]
                return found
        return problem(404, "not_found", f"nothing at {method} {path}")


def problem(status: int, code: str, detail: str, **facts: Any) -> tuple[int, Json]:
    return status, {"type": "about:blank", "title": code, "status": status, "code": code, "detail": detail, **facts}


class _Server(ThreadingHTTPServer):
    address_family = socket.AF_UNIX
    daemon_threads = True
    allow_reuse_address = False

    def server_bind(self) -> None:  # HTTPServer's own looks up the name of a TCP address
        self.socket.bind(self.server_address)


@contextmanager
def stub_daemon(socket_path: Path) -> Iterator[StubDaemon]:
    """Listen at `socket_path`; its directory is made."""
    socket_path.parent.mkdir(parents=True, exist_ok=True)
    stub = StubDaemon(socket_path)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def address_string(self) -> str:
            return "unix"

        def log_message(self, *_: object) -> None:
            pass

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            stub.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            status, answer = stub.take(self.command, self.path)
            self.send_response(status)
            if isinstance(answer, list):
                self._stream(answer)
                return
            data = b"" if answer is None else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, pieces: list[bytes]) -> None:
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

    with _Server(str(socket_path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stub
        finally:
            server.shutdown()
            thread.join()
            socket_path.unlink()
