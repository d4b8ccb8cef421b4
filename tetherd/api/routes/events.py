"""Events: pushed and polled by agents, followed by everybody."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

import trio
from pydantic import ValidationError
from quart import Response

from tetherd.api.ingest import POLLED, ingest, polled
from tetherd.api.item_bodies import ItemPage, ItemsQuery, TextBody, TextQuery
from tetherd.api.problems import Invalid
from tetherd.api.route import Call, Route
from tetherd.api.vocabulary import PollAnswer, PolledType, PollQuery, Push, PushAnswer, PushedBatch
from tetherd.approvalschema import request_id_of
from tetherd.control import Entry, GetApproval, NotFound, ReadEvents, ReadText, SessionView
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.authority import MAY
from tetherd.domain.ids import ApprovalId, SessionId, approval_id_for
from tetherd.domain.session import SessionState
from tetherd.items import ReadItems
from tetherd.schema import UNNAMED, EnvelopeBody, SessionStreamQuery, StreamQuery

# Each may hold a text as long as a request's body.
POLL_PAGE = 50
RUN_ENDED: str = ev.RunEnded.model_fields["type"].default
ASKED: str = ev.ApprovalRequested.model_fields["type"].default


async def push_events(call: Call, session_id: SessionId, body: Push) -> PushAnswer:
    """Store what an external agent did: one event, or a batch of which all is stored or nothing."""
    call.require_sight(session_id)
    said = ingest(body.events if isinstance(body, PushedBatch) else (body,), lambda: f"x-{secrets.token_hex(6)}")
    asked = [event.approval.request_id for event in said.events if isinstance(event, ev.ApprovalRequested)]
    old = await _asked_before(call, session_id, asked)
    command = cmd.PushEvents(
        session_id=session_id,
        by=call.actor,
        events=tuple(event for event in said.events if _request_id(event) not in old),
        status=said.status,
        detail=said.detail,
        key=call.key_for(cmd.PushEvents),
    )
    seqs = (await call.control.submit(command)).seqs
    named = await _names(call, session_id, asked, seqs)
    seq = seqs[-1] if seqs else (await call.session(session_id)).last_seq
    return PushAnswer(seq=seq, request_id=named[-1] if named else None, request_ids=named, seqs=seqs)


async def _asked_before(call: Call, session_id: SessionId, asked: Iterable[str]) -> frozenset[str]:
    """Those that this run has asked already: an agent that did not hear our answer asks again, people are not."""
    named = [request_id for request_id in asked if not request_id.startswith(UNNAMED)]
    run_id = (await call.session(session_id)).session.run_id if named else None
    if run_id is None:
        return frozenset()
    old = []
    for request_id in named:
        try:
            await call.control.ask(GetApproval(approval_id_for(run_id, request_id)))
        except NotFound:
            continue
        old.append(request_id)
    return frozenset(old)


async def _names(call: Call, session_id: SessionId, asked: list[str], seqs: tuple[int, ...]) -> tuple[str, ...]:
    """What the agent is to call its questions: by its own ids, else by those of the approvals that were made.

    These are read from the log, so that a repeated push (whose own names are new ones) gives the same answer.
    """
    if not seqs or not any(request_id.startswith(UNNAMED) for request_id in asked):
        return tuple(asked)
    kinds = frozenset({ASKED})
    entries = await call.control.ask(ReadEvents(seqs[0] - 1, session_id, kinds, limit=len(seqs)))
    events = [entry.event() for entry in entries if entry.seq in seqs]
    approvals = [event.approval for event in events if isinstance(event, ev.ApprovalRequested)]
    made = iter([approval.approval_id for approval in approvals if approval.request_id.startswith(UNNAMED)])
    return tuple(next(made, one) if one.startswith(UNNAMED) else one for one in asked)


def _request_id(event: ev.AgentEvent) -> str | None:
    return event.approval.request_id if isinstance(event, ev.ApprovalRequested) else None


async def poll_events(call: Call, session_id: SessionId, query: PollQuery) -> PollAnswer:
    """What people sent since `since_seq`. The poll also says that all up to there has arrived."""
    types = query.types or frozenset(POLLED)
    kinds = frozenset(POLLED[one] for one in types)
    view = await call.session(session_id)
    since = min(query.since_seq, view.last_seq)
    await _confirm(call, view, since, types)
    view, entries = await _look(call, session_id, since, kinds)
    if not entries and query.wait_s and view.session.state is not SessionState.ENDED:
        with trio.move_on_after(query.wait_s):
            await call.control.wait_for(view.last_seq, session_id, kinds | {RUN_ENDED})
        view, entries = await _look(call, session_id, since, kinds)
    is_full = len(entries) == POLL_PAGE
    newest = entries[-1].seq if entries else since
    names = await _request_ids(call, entries)
    return PollAnswer(
        events=tuple(polled(entry, names) for entry in entries),
        next_seq=newest if is_full else max(newest, view.last_seq),
        state=view.session.state,
    )


async def _look(
    call: Call, session_id: SessionId, since: int, kinds: frozenset[str]
) -> tuple[SessionView, tuple[Entry, ...]]:
    # In this order: what is read after the view holds all that lies at or below the view's last_seq.
    view = await call.session(session_id)
    return view, await call.control.ask(ReadEvents(since, session_id, kinds, limit=POLL_PAGE, whole=True))


async def _confirm(call: Call, view: SessionView, since: int, types: frozenset[PolledType]) -> None:
    session = view.session
    waiting: set[PolledType] = set()
    if session.queued or session.sent:
        waiting.add("user_input")
    if session.verdicts:
        waiting.add("permission_resolved")
    may = session.external and cmd.ConfirmPolled in MAY[call.actor.principal.role]
    # A poll for one type says nothing of what it did not ask for.
    if may and since > 0 and waiting and waiting <= types:
        confirm = cmd.ConfirmPolled(session_id=session.session_id, by=call.actor, upto_seq=since)
        await call.control.submit(confirm)


async def _request_ids(call: Call, entries: Iterable[Entry]) -> dict[ApprovalId, str]:
    names = {}
    for entry in entries:
        event = entry.event()
        if isinstance(event, ev.ApprovalResolved):
            view = await call.control.ask(GetApproval(event.approval_id))
            names[event.approval_id] = request_id_of(view.approval)
    return names


async def follow_session(call: Call, session_id: SessionId, query: SessionStreamQuery) -> Response:
    """Follow one session: all of its events after a point, then those that come."""
    return await _follow(call, await call.only(session_id), query)


async def follow_all(call: Call, query: StreamQuery) -> Response:
    """Follow everything that the caller may see; replay, live and resume are one stream."""
    return await _follow(call, await call.only(query.session), query)


async def _follow(call: Call, session_id: SessionId | None, query: SessionStreamQuery) -> Response:
    # A client that reconnects sends the address that it began with, and in this header how far it got.
    last = {"after": call.request.headers.get("Last-Event-ID") or query.after}
    try:
        after = SessionStreamQuery.model_validate(last).after
    except ValidationError as error:
        raise Invalid(error, last, "Last-Event-ID") from None
    return await call.streams.open(after, session_id, query.live, call.caller.is_valid)


async def list_items(call: Call, session_id: SessionId, query: ItemsQuery) -> ItemPage:
    """A page of the transcript: the newest events, or those before an older page's."""
    await call.session(session_id)
    # one more than asked for tells whether there is an older page
    entries = await call.control.ask(ReadItems(session_id, query.before, query.limit + 1))
    page = entries[-query.limit :]
    items = tuple(EnvelopeBody.model_validate_json(entry.wire()) for entry in page)
    return ItemPage(items=items, next_before=page[0].seq if len(entries) > query.limit else None)


async def read_output(call: Call, session_id: SessionId, seq: str, query: TextQuery) -> TextBody:
    """The whole text of an event that the log shows cut."""
    call.require_sight(session_id)
    text = await call.control.ask(ReadText(session_id, int(seq), query.field))
    return TextBody(seq=int(seq), field=query.field, text=text)


ROUTES = (
    Route(method="POST", path="/sessions/{session_id}/events", handler=push_events, refuses=frozenset({409})),
    Route(method="GET", path="/sessions/{session_id}/events", handler=follow_session, is_stream=True),
    Route(method="GET", path="/sessions/{session_id}/events/poll", handler=poll_events, deadline_seconds=100.0),
    Route(method="GET", path="/sessions/{session_id}/items", handler=list_items),
    Route(method="GET", path="/sessions/{session_id}/items/{seq}/output", handler=read_output),
    Route(method="GET", path="/events", handler=follow_all, refuses=frozenset({404}), is_stream=True),
)
