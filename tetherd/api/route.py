"""A route: what registers an endpoint and what documents it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, get_type_hints

from quart import Request

from tetherd.api.auth import Caller
from tetherd.api.pairing import Pairings
from tetherd.api.settings import ApiSettings
from tetherd.api.sse import Streams
from tetherd.control import Bridges, Control, GetSession, NotFound, SessionView, Tokens
from tetherd.devices import Devices
from tetherd.domain.authority import may_see
from tetherd.domain.ids import Actor, Role, SessionId
from tetherd.errors import Rejected
from tetherd.keepers import Audit, RuleKeeper
from tetherd.schema import ID_PATTERNS

PREFIX = "/api"
MAX_KEY = 200


class Who(Enum):
    """Who is let in; what they may do to a session is the domain's to say."""

    ANYBODY = "no token needed"
    CALLER = "any token"
    PERSON = "not an agent's token"
    OWNER = "an owner's token"


class BadKey(Rejected):
    code = "invalid"
    status = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One endpoint. Its shape is its handler's signature: `query` and `body` and the ids of the path, the answer.

    path: below /api, with `{name}` for ids. refuses: statuses beyond those that follow from the shape.
    """

    method: Literal["GET", "POST", "PATCH", "PUT", "DELETE"]
    path: str
    handler: Callable[..., Awaitable[Any]]
    status: int = 200
    who: Who = Who.CALLER
    refuses: frozenset[int] = frozenset()
    deadline_seconds: float = 40.0
    has_etag: bool = False
    is_stream: bool = False
    carries_images: bool = False
    """Its body may have `images`, and be as long as that takes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a handler takes and gives: types that pydantic can read; None where there is nothing."""

    query: Any
    body: Any
    answer: Any


def matches_id(name: str, value: str) -> bool:
    """Can `value` be an id of this kind at all?"""
    return re.fullmatch(ID_PATTERNS[name], value, re.ASCII) is not None


def shape_of(route: Route) -> Shape:
    hints = get_type_hints(route.handler)
    answer = hints["return"]
    return Shape(hints.get("query"), hints.get("body"), None if answer is type(None) else answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request that was let in, and all that its handler may use."""

    control: Control
    tokens: Tokens
    bridges: Bridges
    rules: RuleKeeper
    audit: Audit
    devices: Devices
    pairings: Pairings
    settings: ApiSettings
    streams: Streams
    request: Request
    caller: Caller

    @property
    def actor(self) -> Actor:
        return self.caller.actor

    def key_for(self, command: type, about: str = "") -> str | None:
        """The caller's Idempotency-Key, made good for this command (about this) of this caller alone.

        Two callers may both count from 1, and so may one who pushes events and sends input.
        """
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return None
        if not 0 < len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
            raise BadKey(f"an Idempotency-Key is 1 to {MAX_KEY} printable ASCII characters")
        return f"{command.__name__}/{about}/{self.actor.principal.name}/{key}"

    def require_sight(self, session_id: SessionId) -> None:
        """Raise NotFound for a session that is not this caller's to know of."""
        if not may_see(self.actor, session_id):
            raise NotFound(f"no session {session_id}")

    async def session(self, session_id: SessionId) -> SessionView:
        """The session, if there is one for this caller. Raises NotFound."""
        self.require_sight(session_id)
        return await self.control.ask(GetSession(session_id))

    async def only(self, asked: str | None) -> SessionId | None:
        """The one session that a list or stream is about; None for all. An agent's are its own session's."""
        principal = self.actor.principal
        if asked is None and principal.role is not Role.AGENT:
            return None
        return (await self.session(SessionId(asked or principal.session_id or ""))).session.session_id
