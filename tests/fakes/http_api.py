"""The API over the fake Control, and a client that asks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from werkzeug.datastructures import Headers

from tests.fakes.audit import FakeAudit
from tests.fakes.control import FakeBridges, FakeControl, FakeDevices, FakeTokens
from tests.fakes.rules import FakeRules
from tetherd.api.app import ApiSettings, create_app
from tetherd.domain.ids import Role, SessionId
from tetherd.metrics import Metrics

HOST = "localhost:8787"
OUR_UID = 1000
AGENT_PID = 666
"""The one process that descends from a shim."""


@dataclass(frozen=True, slots=True)
class Peer:
    pid: int = 42
    uid: int = OUR_UID
    gid: int = OUR_UID


SOCKET = {"tether.listener": "socket", "tether.peer": Peer()}
AGENT_ON_SOCKET = {"tether.listener": "socket", "tether.peer": Peer(pid=AGENT_PID)}
STRANGER_ON_SOCKET = {"tether.listener": "socket", "tether.peer": Peer(uid=OUR_UID + 1)}
TCP = {"tether.listener": "tcp", "tether.peer": None}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Headers
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def is_problem(self) -> bool:
        """Is it a complete problem document, whose status is the answer's?"""
        if self.headers.get("Content-Type") != "application/problem+json":
            return False
        members = self.json
        return members["status"] == self.status and all(members[m] for m in ("type", "title", "detail", "code"))


class Api:
    """One daemon's API. `owner` is the secret of a token that may do everything."""

    def __init__(self, **settings: Any) -> None:
        self.control = FakeControl()
        self.metrics = Metrics(0)
        self.tokens = FakeTokens()
        self.bridges = FakeBridges()
        self.rules = FakeRules(self.control)
        self.audit = FakeAudit()
        self.stops = 0
        self.settings = ApiSettings(
            **{
                "allowed_hosts": frozenset({HOST, "127.0.0.1:8787"}),
                "port": 8787,
                "public_url": "https://laptop.example.net",
                "dev": False,
                "socket_uid": OUR_UID,
                "is_agent_process": lambda pid: pid == AGENT_PID,
                "request_stop": self._note_stop,
                "default_adapter": lambda: "demo",
                "metrics": lambda *asked: self.metrics.render(self.control, self.bridges, *asked),
                "web_dir": Path("/nowhere"),
                **settings,
            }
        )
        self.devices = FakeDevices()
        self.app = create_app(
            self.control, self.tokens, self.devices, self.bridges, self.rules, self.audit, self.settings
        )
        self.owner = self.token(Role.OWNER)

    def token(self, role: Role, session_id: str | None = None, name: str | None = None) -> str:
        return self.tokens.make(name or f"a {role}", role, SessionId(session_id) if session_id else None)[1]

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
        scope: Mapping[str, Any] = TCP,
        host: str = HOST,
        query: Mapping[str, Any] | None = None,
    ) -> Answer:
        """One request. token: "" is the owner's, None sends none. `body` goes as JSON, `raw` as it is."""
        data = json.dumps(body).encode() if body is not None else raw
        sent = self.headers(token, host)
        if data is not None:
            sent["Content-Type"] = "application/json"
            sent["Content-Length"] = str(len(data))
        for name, value in (headers or {}).items():
            sent[name] = value
        client = self.app.test_client(use_cookies=False)
        response = await client.open(
            path, method=method, headers=sent, data=data, scope_base=dict(scope), query_string=query
        )
        return Answer(response.status_code, response.headers, await response.get_data(as_text=False))

    def headers(self, token: str | None = "", host: str = HOST) -> Headers:
        sent = Headers({"Host": host})
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.owner}"
        return sent

    async def session(self, **members: Any) -> dict[str, Any]:
        """An external session, as the README makes one."""
        answer = await self.call("POST", "/api/sessions", {"name": "My Task", "agent_type": "custom"} | members)
        assert answer.status == 201, answer.raw
        made: dict[str, Any] = answer.json
        return made

    def _note_stop(self) -> None:
        self.stops += 1
