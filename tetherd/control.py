"""Control: the one window through which every surface looks."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar

from tetherd.domain.approval import Approval, Resolution
from tetherd.domain.commands import Command, CreateSession
from tetherd.domain.events import Event, read_event
from tetherd.domain.ids import Actor, ApprovalId, InputId, Principal, Role, RunId, SessionId
from tetherd.domain.session import Session, SessionState
from tetherd.errors import Rejected, Unavailable

A_co = TypeVar("A_co", covariant=True)


_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32: nothing in it is mistaken for something else when read aloud."""


def fresh_session_id() -> SessionId:
    return SessionId(_fresh("s"))


def fresh_run_id() -> RunId:
    return RunId(_fresh("r"))


def fresh_input_id() -> InputId:
    return InputId(_fresh("i"))


def _fresh(prefix: str) -> str:
    return f"{prefix}-" + "".join(secrets.choice(_ALPHABET) for _ in range(12))


class NotFound(Rejected):
    """There is no such thing, or not for this caller."""

    code = "not_found"
    status = 404


class Recovering(Unavailable):
    """The daemon has just started and does not know yet what is true."""

    code = "recovering"
    hint = "try again in a second"


class ForeignCursor(Rejected):
    """The cursor is of another life of the log (it was restored from a backup). Start again from a snapshot."""

    code = "cursor_gone"
    status = 410
    hint = "fetch the current state, then follow from its seq"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the log: everything with a higher seq is still to come. `epoch` None = whichever is current."""

    seq: int
    epoch: str | None = None


class Entry:
    """One event as the log holds it: `body` is its JSON without the type, never parsed on the way to a stream.

    `at` is ISO 8601 in UTC with milliseconds; `seq` the global order.
    """

    __slots__ = ("_wire", "at", "body", "kind", "seq", "session_id", "version")

    def __init__(self, seq: int, at: str, session_id: SessionId, kind: str, version: int, body: bytes) -> None:
        self.seq = seq
        self.at = at
        self.session_id = session_id
        self.kind = kind
        self.version = version
        self.body = body
        self._wire: bytes | None = None

    def wire(self) -> bytes:
        """The envelope as the API gives it: `{"seq","at","session_id","type","data"}`; made once."""
        if self._wire is None:
            head = f'{{"seq":{self.seq},"at":"{self.at}","session_id":"{self.session_id}","type":"{self.kind}","data":'
            self._wire = head.encode() + self.body + b"}"
        return self._wire

    def event(self) -> Event:
        """The event itself. Long texts are cut to head and tail where `blobs` names them."""
        return read_event(self.kind, self.version, self.body)


@dataclass(frozen=True, slots=True)
class Delta:
    """Text that is being written and not yet in the log: lossy, never numbered. `offset` in UTF-16 code units."""

    session_id: SessionId
    message_id: str
    kind: Literal["message", "thinking"]
    offset: int
    text: str


Batch = Sequence[Entry | Delta]
"""What a follower gets at once: log entries in order of seq, deltas in order among themselves."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A command was carried out and its facts are committed.

    `seqs` are theirs, in order (none when nothing changed); `repeated` when the same key did it before.
    """

    session: Session
    seqs: tuple[int, ...] = ()
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session and where it stands in the log. `first_seq` is its creation, `last_seq` its newest event."""

    session: Session
    created_at: datetime
    updated_at: datetime
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """An approval and its fate. `delivered` None until the agent's side has the verdict."""

    approval: Approval
    session_id: SessionId
    session_name: str
    requested_seq: int
    requested_at: datetime
    state: Literal["pending", "resolved", "withdrawn"]
    resolution: Resolution | None
    delivered: Literal["delivered", "moot"] | None


@dataclass(frozen=True, slots=True)
class AgentView:
    """A kind of agent that can be started here. `found` None where there is nothing to look for (external).

    `version` is what the program says, `tested_with` what tetherd was tested with; `login` a few words.
    """

    adapter: str
    description: str
    found: bool | None
    program: str | None
    version: str | None
    default: bool
    tested_with: str | None = None
    login: str | None = None
    abilities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourcesView:
    """What the processes of a session's agent use now, the holder's included.

    `unit` is the agent's own in systemd, None for a detached process. `cpu_seconds` since its start.
    """

    session_id: SessionId
    run_id: RunId
    unit: str | None
    memory_bytes: int
    cpu_seconds: float
    tasks: int


@dataclass(frozen=True, slots=True)
class SessionLogs:
    """The newest of what the agent wrote to stderr, and lines of its stdout that nobody understood."""

    stderr: str
    unrecognised: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Isolation:
    """How agents are kept: each in a unit of systemd, or as detached processes. `missing`: what they do without then,
    in sentences."""

    kind: Literal["units", "processes"]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    """`seq` and `epoch` name the log's newest entry: a follower may begin there. `unit` is the daemon's own in systemd,
    None when nobody manages it."""

    version: str
    url: str | None
    started_at: datetime
    data_dir: str
    unit: str | None
    isolation: Isolation
    epoch: str
    seq: int
    sessions: dict[SessionState, int]
    pending_approvals: int
    warnings: tuple[str, ...]


class Query(Generic[A_co]):
    """A question to the daemon; the type parameter is its answer."""


@dataclass(frozen=True, slots=True)
class ListSessions(Query["tuple[SessionView, ...]"]):
    """Newest first. `before` is the `first_seq` of the last one of the page before."""

    states: frozenset[SessionState] | None = None
    search: str | None = None
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class GetSession(Query[SessionView]):
    session_id: SessionId


@dataclass(frozen=True, slots=True)
class ListApprovals(Query["tuple[ApprovalView, ...]"]):
    """Oldest request first. `pending` False lists those that are closed, newest first."""

    pending: bool = True
    session_id: SessionId | None = None
    limit: int = 200


@dataclass(frozen=True, slots=True)
class GetApproval(Query[ApprovalView]):
    approval_id: ApprovalId


@dataclass(frozen=True, slots=True)
class ReadEvents(Query["tuple[Entry, ...]"]):
    """Entries with seq > `after`, oldest first; `whole` puts long texts back together."""

    after: int
    session_id: SessionId | None = None
    kinds: frozenset[str] | None = None
    limit: int = 1000
    whole: bool = False


@dataclass(frozen=True, slots=True)
class ReadText(Query[str]):
    """The whole text of a bulky field of one event."""

    session_id: SessionId
    seq: int
    field: str


@dataclass(frozen=True, slots=True)
class ReadLogs(Query[SessionLogs]):
    session_id: SessionId
    limit_bytes: int = 65536


@dataclass(frozen=True, slots=True)
class ListAgents(Query["tuple[AgentView, ...]"]):
    pass


@dataclass(frozen=True, slots=True)
class ListResources(Query["tuple[ResourcesView, ...]"]):
    """Of every agent that runs, or of one session's."""

    session_id: SessionId | None = None


@dataclass(frozen=True, slots=True)
class GetStatus(Query[DaemonStatus]):
    pass


class Control(Protocol):
    """All that a surface may do; in process it is the supervisor, elsewhere a remote client."""

    async def submit(self, command: Command | CreateSession) -> Outcome:
        """Carry out a command; returns when its facts are committed. Raises Rejected or Unavailable."""

    async def ask(self, query: Query[A_co]) -> A_co:
        """Answer a question. Raises NotFound (or another Rejected) or Unavailable."""

    def follow(
        self, after: Cursor, session_id: SessionId | None = None, live: bool = True
    ) -> AbstractAsyncContextManager[AsyncIterable[Batch]]:
        """Everything after `after`, then everything that comes, without gap or duplicate; `live` adds deltas.

        Raises ForeignCursor on entry when the cursor is of another epoch.
        """

    async def wait_for(self, after: int, session_id: SessionId, kinds: frozenset[str]) -> None:
        """Return when the session has an entry of these kinds with seq > `after`. Callers set the deadline."""


@dataclass(frozen=True, slots=True)
class TokenView:
    """An access token as it is listed: never the secret."""

    token_id: str
    name: str
    role: Role
    session_id: SessionId | None
    created_at: datetime
    revoked_at: datetime | None


class Tokens(Protocol):
    """Access tokens: the secret is shown once and kept as a hash."""

    async def create(self, name: str, role: Role, session_id: SessionId | None, by: Actor) -> tuple[TokenView, str]:
        """A new token and its secret."""

    async def list(self) -> tuple[TokenView, ...]:
        """All that were made and not deleted, oldest first."""

    async def revoke(self, token_id: str) -> TokenView:
        """Make it worthless at once. Raises NotFound."""

    def authenticate(self, secret: str) -> Principal | None:
        """Whose it is; None for an unknown or revoked one. No I/O, constant-time in the secret."""


@dataclass(frozen=True, slots=True)
class BridgeView:
    """A chat bridge. off: not set up; parked: a person must act first, see `trouble`.

    `lag` counts the log's entries that it has not looked at, `owed` its messages that the platform has not got yet.
    """

    name: str
    state: Literal["off", "running", "waiting", "parked"]
    since: datetime | None
    lag: int
    owed: int
    failures: int
    trouble: str | None


@dataclass(frozen=True, slots=True)
class BridgeFinding:
    """One thing that was asked of the platform. `advice` says what to do about it when it is not `ok`."""

    what: str
    ok: bool
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class PairingCode:
    """To be sent to the bot by whoever shall be let in, in a private chat; good once, until `expires_at`."""

    code: str
    expires_at: datetime


class Bridges(Protocol):
    """The chat bridges of this daemon."""

    async def list(self) -> tuple[BridgeView, ...]:
        """All that are installed, by name."""

    async def check(self, name: str) -> tuple[BridgeFinding, ...]:
        """Ask the platform. Raises NotFound or BridgeOff."""

    async def pair(self, name: str) -> PairingCode:
        """A fresh code; the one before it is worthless. Raises NotFound or BridgeOff."""


class BridgeOff(Rejected):
    """The bridge is not set up."""

    code = "bridge_off"
