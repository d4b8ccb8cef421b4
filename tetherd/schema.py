"""Bodies of the API: what comes in, what goes out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from tetherd.control import Outcome, SessionView
from tetherd.domain.commands import STOP_GRACE_SECONDS
from tetherd.domain.ids import Frozen, SessionId
from tetherd.domain.images import MOST, Image
from tetherd.domain.limits import NO_LIMITS, Limits
from tetherd.domain.modes import Mode
from tetherd.domain.session import Session, SessionState

MAX_SEQ = 2**53 - 1
"""The largest integer that JavaScript reads without loss."""

ID_PATTERNS = {
    "session_id": r"^s-[0-9a-z]{12}$",
    "approval_id": r"^a-[0-9a-f]{12}$",
    "rule_id": r"^[0-9a-z][0-9a-z.-]{0,63}$",
    "token_id": r"^[0-9A-Za-z_-]{1,64}$",
    "bridge": r"^[a-z][a-z0-9_]{0,31}$",
    "device_id": r"^d-[0-9a-f]{8}$",
    "seq": r"^[0-9]{1,15}$",
}
"""Shapes of what stands in paths."""

UNNAMED = "tetherd:"
"""Begins the request id that we make for a question whose agent gave it none."""

# One line for people: no control characters, so that no name can move a terminal's cursor.
_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=_ONE_LINE)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[0-9A-Za-z][0-9A-Za-z._:/+ -]*$")]
# What people send goes on to argument vectors, paths and chats, none of which can carry NUL.
Words = Annotated[str, StringConstraints(min_length=1, pattern=r"^[^\x00]*$")]
Directory = Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]
VendorId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]{0,199}$")]
# A list in JSON, which strict reading would not take for a tuple.
Images = Annotated[tuple[Image, ...], Field(max_length=MOST, strict=False)]
AgentsId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_ONE_LINE)]
SessionIdText = Annotated[str, StringConstraints(pattern=ID_PATTERNS["session_id"])]
CursorText = Annotated[str, StringConstraints(pattern=r"^(?:[0-9A-Za-z_-]{1,64}\.)?[0-9]{1,15}$")]
Seq = Annotated[int, Field(ge=0, le=MAX_SEQ)]
Count = Annotated[int, Field(ge=0, le=MAX_SEQ)]


class Body(BaseModel):
    """A request: a key that we do not know is an error, and so is "1" where 1 is meant."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Query(BaseModel):
    """A query string: all is text there, so numbers are read from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def listed(given: object) -> object:
    """`a,b` as it stands in a query string, as a list."""
    return given.split(",") if isinstance(given, str) else given


# -- sessions ----------------------------------------------------------------------------------------------------


class NewSession(Body):
    """With a `prompt` or `start` it starts at once. No `adapter`: an `agent_type` joins as an external agent.

    `fork_of` names a session whose conversation this one begins as a copy of; adapter and directory are that one's
    unless they are given. `vendor_session_id` is a conversation of the agent's own that is continued.
    """

    name: Name
    agent_type: Label | None = None
    adapter: Label | None = None
    directory: Directory | None = None
    prompt: Words | None = None
    images: Images = ()
    fork_of: SessionIdText | None = None
    vendor_session_id: VendorId | None = None
    approval_mode: Mode = Mode.ASK
    limits: Limits = NO_LIMITS
    start: bool = False

    @model_validator(mode="after")
    def _begins_in_one_way(self) -> Self:
        if self.fork_of is not None and self.vendor_session_id is not None:
            raise ValueError("give fork_of or vendor_session_id, not both")
        if self.images and self.prompt is None:
            raise ValueError("images go with a prompt")
        return self


class SessionChanges(Body):
    """At least one of them."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    name: Name | None = None
    approval_mode: Mode | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.name is None and self.approval_mode is None:
            raise ValueError("give name or approval_mode")
        return self


class Nothing(Body):
    """A request that needs no words; an empty body will do."""


class NewInput(Body):
    """`steer`: it joins the running turn instead of waiting for its end; 422 where the agent cannot do that."""

    text: Words
    images: Images = ()
    steer: bool = False


class StopWish(Body):
    grace_seconds: Annotated[float, Field(ge=0, le=60)] = STOP_GRACE_SECONDS


class SessionsQuery(Query):
    """`before` is the `next_before` of the page before."""

    state: Annotated[frozenset[SessionState], BeforeValidator(listed)] = frozenset()
    search: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")] | None = None
    before: Seq | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class SessionBody(Session):
    """A session and where it stands in the log."""

    created_at: datetime
    updated_at: datetime
    first_seq: int
    last_seq: int

    @classmethod
    def of(cls, view: SessionView) -> Self:
        return cls(**members_of(view.session), **cls._place(view))

    @staticmethod
    def _place(view: SessionView) -> dict[str, Any]:
        return {
            "created_at": view.created_at,
            "updated_at": view.updated_at,
            "first_seq": view.first_seq,
            "last_seq": view.last_seq,
        }


class CreatedSession(SessionBody):
    """`token` opens this session alone, for its agent, and is shown this once. `id` is `session_id` again."""

    id: SessionId
    token: str

    @classmethod
    def made(cls, view: SessionView, token: str) -> Self:
        return cls(**members_of(view.session), **cls._place(view), id=view.session.session_id, token=token)


class SessionPage(Frozen):
    """Newest first; `next_before` is None on the last page."""

    sessions: tuple[SessionBody, ...]
    next_before: int | None


class OutcomeBody(Frozen):
    """The command's facts are committed: `seqs` are theirs; `repeated` when the same key did it before."""

    session: Session
    seqs: tuple[int, ...]
    repeated: bool

    @classmethod
    def of(cls, outcome: Outcome) -> Self:
        return cls(session=outcome.session, seqs=outcome.seqs, repeated=outcome.repeated)


# -- reading -----------------------------------------------------------------------------------------------------


class SessionStreamQuery(Query):
    """`after` = SEQ or EPOCH.SEQ, from the beginning when left out; `live` adds text that is being written."""

    after: CursorText | None = None
    live: bool = True


class StreamQuery(SessionStreamQuery):
    session: SessionIdText | None = None


class LogsQuery(Query):
    limit_bytes: Annotated[int, Field(ge=1, le=1024 * 1024)] = 65536


class EnvelopeBody(Frozen):
    """What stands after `data:` in the stream; `data` and `type` together are an Event."""

    seq: int
    at: datetime
    session_id: SessionId
    type: str
    data: dict[str, JsonValue]


# -- problems -------------------------------------------------------------------------------------------------------


class Fault(Frozen):
    """One thing that is wrong with a request, and where in it."""

    where: str
    problem: str


class Problem(BaseModel):
    """RFC 9457. `code` is stable, `detail` and `hint` are for people; some codes carry facts of their own."""

    model_config = ConfigDict(extra="allow")

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    hint: str | None = None
    errors: tuple[Fault, ...] | None = None


def members_of(value: BaseModel) -> dict[str, Any]:
    """Its fields as they are: they were validated when it was made."""
    return {name: getattr(value, name) for name in type(value).model_fields}
