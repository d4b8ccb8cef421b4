"""Bodies of the API about the daemon itself: agents, resources, bridges, tokens."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Literal, Self

from pydantic import model_validator

from tetherd.control import AgentView, BridgeFinding, BridgeView, ResourcesView, TokenView
from tetherd.domain.ids import Frozen, Role, SessionId
from tetherd.schema import Body, Name, Query, SessionIdText


class Health(Frozen):
    status: Literal["ok"] = "ok"
    version: str


class Stopping(Frozen):
    status: Literal["stopping"] = "stopping"


class AgentList(Frozen):
    agents: tuple[AgentView, ...]


class ResourcesQuery(Query):
    session: SessionIdText | None = None


class ResourcesList(Frozen):
    resources: tuple[ResourcesView, ...]


class BridgeList(Frozen):
    bridges: tuple[BridgeView, ...]


class BridgeCheck(Frozen):
    """What the platform said, in the order in which it was asked."""

    findings: tuple[BridgeFinding, ...]


class NewToken(Body):
    """`session_id` goes with role agent, and only with it."""

    name: Name
    role: Role
    session_id: SessionIdText | None = None

    @model_validator(mode="after")
    def _fits_its_role(self) -> Self:
        if (self.role is Role.AGENT) != (self.session_id is not None):
            raise ValueError("session_id goes with role agent, and only with it")
        return self


class TokenBody(Frozen):
    token_id: str
    name: str
    role: Role
    session_id: SessionId | None
    created_at: datetime
    revoked_at: datetime | None

    @classmethod
    def of(cls, view: TokenView) -> Self:
        return cls(**asdict(view))


class CreatedToken(TokenBody):
    """`token` is the secret; it is shown this once."""

    token: str

    @classmethod
    def made(cls, view: TokenView, secret: str) -> Self:
        return cls(**asdict(view), token=secret)


class TokenList(Frozen):
    tokens: tuple[TokenBody, ...]
