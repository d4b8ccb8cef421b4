"""Sessions: make, list, steer, end."""

from __future__ import annotations

from contextlib import suppress

from tetherd.api.route import Call, Route, Who
from tetherd.control import ListSessions, NotFound, ReadLogs, SessionLogs, fresh_input_id, fresh_session_id
from tetherd.domain import commands as cmd
from tetherd.domain.ids import Role, SessionId
from tetherd.domain.images import Image
from tetherd.errors import Rejected
from tetherd.schema import (
    CreatedSession,
    LogsQuery,
    NewInput,
    NewSession,
    Nothing,
    OutcomeBody,
    SessionBody,
    SessionChanges,
    SessionPage,
    SessionsQuery,
    StopWish,
)

EXTERNAL = "external"
"""The adapter of programs that join by themselves."""


class NothingToFork(Rejected):
    """There is no conversation that could be copied."""

    code = "nothing_to_fork"
    hint = "send it a prompt first"


async def create_session(call: Call, body: NewSession) -> CreatedSession:
    """Make a session; with `prompt` or `start`, start it. Answers with its agent's token, shown this once."""
    origin = (await call.session(SessionId(body.fork_of))).session if body.fork_of else None
    if origin is not None and origin.vendor_session_id is None:
        raise NothingToFork(f"session {origin.session_id} has no conversation of its agent yet")
    adapter = body.adapter or (origin.adapter if origin else None)
    adapter = adapter or (EXTERNAL if body.agent_type else call.settings.default_adapter())
    outcome = await call.control.submit(
        cmd.CreateSession(
            session_id=fresh_session_id(),
            by=call.actor,
            name=body.name,
            adapter=adapter,
            external=adapter == EXTERNAL,
            directory=body.directory or (origin.directory if origin else None),
            mode=body.approval_mode,
            agent_type=body.agent_type,
            vendor_session_id=body.vendor_session_id,
            fork_of=origin.vendor_session_id if origin else None,
            limits=body.limits.over(origin.limits) if origin else body.limits,
            key=call.key_for(cmd.CreateSession),
        )
    )
    session_id = outcome.session.session_id
    try:
        await _begin(call, session_id, body)
    except Rejected:  # all or nothing: what could not be started is not left lying about
        await call.control.submit(cmd.DeleteSession(session_id=session_id, by=call.actor))
        raise
    _, token = await call.tokens.create(body.name, Role.AGENT, session_id, call.actor)
    return CreatedSession.made(await call.session(session_id), token)


async def _begin(call: Call, session_id: SessionId, body: NewSession) -> None:
    if body.start:
        start = cmd.StartSession(session_id=session_id, by=call.actor, key=call.key_for(cmd.StartSession))
        await call.control.submit(start)
    if body.prompt is not None:
        await _send(call, session_id, body.prompt, body.images)


async def _send(call: Call, session_id: SessionId, text: str, images: tuple[Image, ...]) -> OutcomeBody:
    command = cmd.SendInput(
        session_id=session_id,
        by=call.actor,
        input_id=fresh_input_id(),
        text=text,
        images=images,
        key=call.key_for(cmd.SendInput),
    )
    return OutcomeBody.of(await call.control.submit(command))


async def list_sessions(call: Call, query: SessionsQuery) -> SessionPage:
    """List sessions, newest first."""
    only = await call.only(None)
    if only is not None:
        return SessionPage(sessions=(SessionBody.of(await call.session(only)),), next_before=None)
    # one more than asked for tells whether there is a next page
    states = query.state or None
    wanted = ListSessions(states=states, search=query.search, before=query.before, limit=query.limit + 1)
    views = await call.control.ask(wanted)
    page = tuple(SessionBody.of(view) for view in views[: query.limit])
    return SessionPage(sessions=page, next_before=page[-1].first_seq if len(views) > query.limit else None)


async def get_session(call: Call, session_id: SessionId) -> SessionBody:
    """One session."""
    return SessionBody.of(await call.session(session_id))


async def change_session(call: Call, session_id: SessionId, body: SessionChanges) -> SessionBody:
    """Rename a session or set its approval mode."""
    call.require_sight(session_id)
    if body.approval_mode is not None:  # the one that may be refused goes first
        mode_key = call.key_for(cmd.SetMode)
        mode = cmd.SetMode(session_id=session_id, by=call.actor, mode=body.approval_mode, key=mode_key)
        await call.control.submit(mode)
    if body.name is not None:
        name_key = call.key_for(cmd.RenameSession)
        await call.control.submit(cmd.RenameSession(session_id=session_id, by=call.actor, name=body.name, key=name_key))
    return SessionBody.of(await call.session(session_id))


async def delete_session(call: Call, session_id: SessionId) -> None:
    """Forget a session that has ended or was never started, and its tokens."""
    call.require_sight(session_id)
    await call.control.submit(cmd.DeleteSession(session_id=session_id, by=call.actor))
    for token in await call.tokens.list():
        if token.session_id == session_id and token.revoked_at is None:
            with suppress(NotFound):  # the daemon was faster: it forgets them with the session
                await call.tokens.revoke(token.token_id)


async def start_session(call: Call, session_id: SessionId, body: Nothing) -> OutcomeBody:
    """Launch the agent of a session that was only created."""
    call.require_sight(session_id)
    key = call.key_for(cmd.StartSession)
    command = cmd.StartSession(session_id=session_id, by=call.actor, key=key)
    return OutcomeBody.of(await call.control.submit(command))


async def send_input(call: Call, session_id: SessionId, body: NewInput) -> OutcomeBody:
    """Send a prompt or a follow-up; it starts a created session and queues behind a running turn."""
    call.require_sight(session_id)
    return await _send(call, session_id, body.text, body.images)


async def interrupt_session(call: Call, session_id: SessionId, body: Nothing) -> OutcomeBody:
    """End the running turn."""
    call.require_sight(session_id)
    command = cmd.Interrupt(session_id=session_id, by=call.actor, key=call.key_for(cmd.Interrupt))
    return OutcomeBody.of(await call.control.submit(command))


async def freeze_session(call: Call, session_id: SessionId, body: Nothing) -> OutcomeBody:
    """Have the agent and all that it started stand still where they are. What is sent meanwhile waits for it."""
    return await _set_frozen(call, session_id, True)


async def thaw_session(call: Call, session_id: SessionId, body: Nothing) -> OutcomeBody:
    """Have a frozen agent go on."""
    return await _set_frozen(call, session_id, False)


async def _set_frozen(call: Call, session_id: SessionId, frozen: bool) -> OutcomeBody:
    call.require_sight(session_id)
    key = call.key_for(cmd.SetFrozen, str(frozen))
    command = cmd.SetFrozen(session_id=session_id, by=call.actor, frozen=frozen, key=key)
    return OutcomeBody.of(await call.control.submit(command))


async def stop_session(call: Call, session_id: SessionId, body: StopWish) -> OutcomeBody:
    """End the agent and every process that it started."""
    call.require_sight(session_id)
    key, grace = call.key_for(cmd.StopSession), body.grace_seconds
    command = cmd.StopSession(session_id=session_id, by=call.actor, grace_seconds=grace, key=key)
    return OutcomeBody.of(await call.control.submit(command))


async def resume_session(call: Call, session_id: SessionId, body: Nothing) -> OutcomeBody:
    """Begin a new run of an ended session."""
    call.require_sight(session_id)
    command = cmd.ResumeSession(session_id=session_id, by=call.actor, key=call.key_for(cmd.ResumeSession))
    return OutcomeBody.of(await call.control.submit(command))


async def read_logs(call: Call, session_id: SessionId, query: LogsQuery) -> SessionLogs:
    """The newest of what the agent wrote to stderr, and the lines that nobody understood."""
    call.require_sight(session_id)
    return await call.control.ask(ReadLogs(session_id, query.limit_bytes))


_COMMAND = frozenset({409})

ROUTES = (
    Route(
        method="POST",
        path="/sessions",
        handler=create_session,
        status=201,
        who=Who.PERSON,
        refuses=frozenset({404, 409, 429}),
        carries_images=True,
    ),
    Route(method="GET", path="/sessions", handler=list_sessions, refuses=frozenset({404}), has_etag=True),
    Route(method="GET", path="/sessions/{session_id}", handler=get_session, has_etag=True),
    Route(method="PATCH", path="/sessions/{session_id}", handler=change_session, refuses=_COMMAND),
    Route(method="DELETE", path="/sessions/{session_id}", handler=delete_session, status=204, refuses=_COMMAND),
    Route(method="POST", path="/sessions/{session_id}/start", handler=start_session, refuses=_COMMAND),
    Route(
        method="POST", path="/sessions/{session_id}/input", handler=send_input, refuses=_COMMAND, carries_images=True
    ),
    Route(method="POST", path="/sessions/{session_id}/interrupt", handler=interrupt_session, refuses=_COMMAND),
    Route(method="POST", path="/sessions/{session_id}/freeze", handler=freeze_session, refuses=_COMMAND),
    Route(method="POST", path="/sessions/{session_id}/thaw", handler=thaw_session, refuses=_COMMAND),
    Route(method="POST", path="/sessions/{session_id}/stop", handler=stop_session, refuses=_COMMAND),
    Route(method="POST", path="/sessions/{session_id}/resume", handler=resume_session, refuses=_COMMAND),
    Route(method="GET", path="/sessions/{session_id}/logs", handler=read_logs),
)
