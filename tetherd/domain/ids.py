"""Names of things, and who does something on which surface."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Literal, NewType

from pydantic import BaseModel, ConfigDict

SessionId = NewType("SessionId", str)
RunId = NewType("RunId", str)
"""One launch of an agent; keys its directory, outbox, cursor and approvals."""
ApprovalId = NewType("ApprovalId", str)
InputId = NewType("InputId", str)

Asker = Literal["human", "schedule", "agent"]
"""Whose words a turn is about: a person's, a schedule's, or an agent's, its own or another's."""

Surface = Literal["cli", "api", "web", "telegram", "slack", "discord", "mcp", "push", "daemon"]


class Frozen(BaseModel):
    """A value: never changed, never with fields that we do not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_serialization_defaults_required=True, ser_json_inf_nan="null"
    )


class Role(StrEnum):
    """What a principal may do, widest first; `domain/authority.py` has the table."""

    OWNER = "owner"
    APPROVER = "approver"
    OBSERVER = "observer"
    AGENT = "agent"


class Principal(Frozen):
    """Somebody who was let in. `session_id` is the one session of an agent's token, else None."""

    role: Role
    name: str
    session_id: SessionId | None = None


class Actor(Frozen):
    """A principal at work on a surface. `device` tells two phones of one owner apart."""

    principal: Principal
    surface: Surface
    device: str | None = None

    def __str__(self) -> str:
        where = f"{self.surface} ({self.device})" if self.device else self.surface
        return f"{self.principal.name} on {where}"


DAEMON = Actor(principal=Principal(role=Role.OWNER, name="tetherd"), surface="daemon")


def approval_id_for(run_id: RunId, request_id: str) -> ApprovalId:
    """The approval's id, made from what is unique about it: the run and the agent's own request id.

    Derived and not drawn, so that a codec that reads a line twice asks one question, and so that request 0 of
    one run is never taken for request 0 of the next (Codex counts from 0 in each process).
    """
    return ApprovalId("a-" + hashlib.sha256(f"{run_id}\0{request_id}".encode()).hexdigest()[:12])
