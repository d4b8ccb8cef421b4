"""SessionSupervisor: owns the actors; Control, in process.

A session that has ended has no actor: one is made on demand, from the stored snapshot, and retires when it has
nothing more to do.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import trio

from tetherd import control as ctl
from tetherd.agents.programs import Programs
from tetherd.control import A_co, Batch, Cursor, NotFound, Outcome, Query, Recovering
from tetherd.domain import commands as cmd
from tetherd.domain.authority import Forbidden, may_see
from tetherd.domain.ids import DAEMON, Role, SessionId
from tetherd.domain.session import LIVE
from tetherd.errors import Misconfigured, Rejected, Unavailable
from tetherd.items import ReadItems
from tetherd.logconfig import get_logger
from tetherd.plugin import Chooser, adapter_names
from tetherd.runtime.restart import Restart, run_with_restarts
from tetherd.runtime.session_actor import SessionActor, created
from tetherd.runtime.world import CannotLaunch, World

SUBMIT_SECONDS = 30.0
RECOVERY_SECONDS = 20.0
STOP_ALL_SECONDS = 10.0
UNRECOGNISED_LIMIT = 50
SESSION_LIMIT = 1000

log = get_logger(__name__)


class TooSlow(Unavailable):
    """The session did not get to the command in time; it may still be carried out."""

    code = "too_slow"
    hint = "look at the session before you try again"


class NoSuchAdapter(Rejected):
    code = "no_such_adapter"
    status = 422


class NoSuchDirectory(Rejected):
    code = "no_such_directory"
    status = 422


class TooManySessions(Rejected):
    code = "too_many_sessions"
    status = 429


class SessionSupervisor:
    """All sessions of this daemon. `describe` makes the status from what the supervisor itself cannot know."""

    def __init__(
        self,
        world: World,
        describe: Callable[[int, dict[Any, int]], ctl.DaemonStatus],
        default_adapter: Callable[[], str],
    ) -> None:
        self._world = world
        self._describe = describe
        self._default_adapter = default_adapter
        self._actors: dict[SessionId, SessionActor] = {}
        self._leaving: set[SessionId] = set()
        self._programs = Programs(world.adapters, world.settings, world.environments)
        self._creating = trio.Lock()
        self._nursery: trio.Nursery | None = None
        self._ready = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While this is open actors live. Leaving detaches from the agents; they go on without us."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            yield
            self._ready = False
            nursery.cancel_scope.cancel()

    async def recover(self) -> None:
        """Pick up every session that was live, and finish deletions; until then commands are Unavailable."""
        await self._finish_deletions()
        with trio.move_on_after(RECOVERY_SECONDS) as patience:
            async with trio.open_nursery() as nursery:
                for view in await self._world.views.sessions(ctl.ListSessions(states=LIVE, limit=1_000_000)):
                    nursery.start_soon(self._wake(view.session.session_id, view.session).picked_up.wait)
        if patience.cancelled_caught:
            log.warning("some sessions are still catching up; their decisions wait for it")
        self._ready = True

    async def policy_changed(self) -> None:
        """Other rules hold: every session that is awake judges anew what waits."""
        for actor in list(self._actors.values()):
            actor.policy_changed(self._world.rules.fault)

    async def stop_all(self) -> None:
        """Stop every agent of ours, all at once; bounded."""
        with trio.move_on_after(STOP_ALL_SECONDS):
            async with trio.open_nursery() as nursery:
                for session_id in list(self._actors):
                    nursery.start_soon(self._stop_one, session_id)

    # -- Control -------------------------------------------------------------------------------------------------

    async def submit(self, command: cmd.Command | cmd.CreateSession) -> Outcome:
        self._require_ready()
        with trio.move_on_after(SUBMIT_SECONDS):
            if isinstance(command, cmd.CreateSession):
                return await self._create(command)
            if isinstance(command, cmd.ConfirmPolled):
                command = await self._with_polled_ids(command)
            actor = await self._actor(command.session_id, command)
            outcome = await actor.submit(command)
            if isinstance(command, cmd.DeleteSession):
                await self._delete(command.session_id)
            return outcome
        raise TooSlow("the session is busy")

    async def ask(self, query: Query[A_co]) -> A_co:
        self._require_ready()
        return cast(A_co, await self._answer(query))

    def follow(
        self, after: Cursor, session_id: SessionId | None = None, live: bool = True
    ) -> AbstractAsyncContextManager[AsyncIterable[Batch]]:
        return self._world.log.follow(after, session_id, live)

    async def wait_for(self, after: int, session_id: SessionId, kinds: frozenset[str]) -> None:
        await self._world.log.wait_for(after, session_id, kinds)

    # -- commands ------------------------------------------------------------------------------------------------

    async def _create(self, command: cmd.CreateSession) -> Outcome:
        if command.by.principal.role not in (Role.OWNER, Role.APPROVER):
            raise Forbidden(f"role {command.by.principal.role} may not create sessions")
        command = await self._with_adapter(command)
        name = command.adapter
        adapter = self._world.adapters.get(name)
        if adapter is None:
            known = ", ".join(sorted(self._world.adapters))
            raise NoSuchAdapter(f"there is no agent adapter {command.adapter}; there are {known}")
        if adapter.external != command.external:
            raise NoSuchAdapter(f"adapter {command.adapter} is {'' if adapter.external else 'not '}external")
        if not command.external:
            if command.directory is None or not os.path.isabs(command.directory):
                raise NoSuchDirectory("an agent needs a directory to work in, as an absolute path")
            if not await trio.Path(command.directory).is_dir():
                raise NoSuchDirectory(f"there is no directory {command.directory}")
            if len(self._actors) >= SESSION_LIMIT:
                raise TooManySessions(f"{SESSION_LIMIT} sessions run already")
        async with self._creating:  # looked up and made in one go: the same key twice at once is one session
            if command.key is not None and (before := await self._world.log.earlier_creation(command.key)):
                view = await self._world.views.session(before[0])
                return Outcome(view.session, before[1], repeated=True)
            append = created(command, await self._world.rules.policy())
            entries = await self._world.log.append(append)
        return Outcome(append.session, tuple(entry.seq for entry in entries))

    async def _with_adapter(self, command: cmd.CreateSession) -> cmd.CreateSession:
        """With the adapter's own name, and where it stands for others with the one that it chooses."""
        name = adapter_names(self._world.adapters).get(command.adapter, command.adapter)
        chooser = self._world.adapters.get(name)
        if not isinstance(chooser, Chooser):
            return replace(command, adapter=name)
        try:
            chosen = await trio.to_thread.run_sync(chooser.choose, self._world.settings, self._world.environments)
        except Misconfigured as error:
            raise CannotLaunch(str(error)) from error
        return replace(command, adapter=chosen.adapter, note=f"The agent is {chosen.adapter}, because {chosen.why}.")

    async def _actor(self, session_id: SessionId, command: cmd.Command) -> SessionActor:
        if not may_see(command.by, session_id):
            raise NotFound(f"no session {session_id}")
        actor = self._actors.get(session_id)
        if actor is not None:
            return actor
        view = await self._world.views.session(session_id)
        if session_id in self._leaving:
            raise NotFound(f"no session {session_id}")
        return self._actors.get(session_id) or self._wake(session_id, view.session)

    def _wake(self, session_id: SessionId, session: Any) -> SessionActor:
        assert self._nursery is not None
        actor = SessionActor(self._world, session, lambda: self._forget(session_id))
        self._actors[session_id] = actor
        self._nursery.start_soon(self._keep, session_id, actor)
        return actor

    async def _keep(self, session_id: SessionId, actor: SessionActor) -> None:
        """Run an actor; after a failure (a bug of ours) again, from what the log says. Siblings notice nothing."""
        current = actor

        async def live() -> None:
            nonlocal current
            if current.failed:
                view = await self._world.views.session(session_id)
                current = SessionActor(self._world, view.session, lambda: self._forget(session_id))
                self._actors[session_id] = current
            await current.run()

        await run_with_restarts(f"session {session_id}", live, Restart.TRANSIENT)
        if self._actors.get(session_id) is current:
            self._forget(session_id)

    def _forget(self, session_id: SessionId) -> None:
        self._actors.pop(session_id, None)

    async def _stop_one(self, session_id: SessionId) -> None:
        actor = self._actors.get(session_id)
        if actor is None or actor.session.external:
            return
        try:
            outcome = await actor.submit(cmd.StopSession(session_id=session_id, by=DAEMON, grace_seconds=2.0))
            await self._world.log.wait_for(max(outcome.seqs, default=0), session_id, frozenset({"run_ended"}))
        except (Rejected, Unavailable) as error:
            log.info("not stopped", session=session_id, why=str(error))

    async def _with_polled_ids(self, command: cmd.ConfirmPolled) -> cmd.ConfirmPolled:
        """The poll said how far it has read; the views know what lay there and had not been seen."""
        inputs, approvals = await self._world.views.polled(command.session_id, command.upto_seq)
        return cmd.ConfirmPolled(
            session_id=command.session_id,
            by=command.by,
            upto_seq=command.upto_seq,
            input_ids=inputs,
            approval_ids=approvals,
        )

    async def _delete(self, session_id: SessionId) -> None:
        """The tombstone is written: now the directories, then the rows. Recovery finishes what is cut off."""
        self._leaving.add(session_id)
        try:
            for run_id in await self._world.runs.runs_of(session_id):
                await self._world.agents.forget(run_id)
            await self._world.rules.session_deleted(session_id)
            await self._world.log.delete_session(session_id)
        finally:
            self._leaving.discard(session_id)

    async def _finish_deletions(self) -> None:
        for session_id in await self._world.runs.half_deleted():
            await self._delete(session_id)

    # -- questions -----------------------------------------------------------------------------------------------

    async def _answer(self, query: Query[Any]) -> Any:
        world = self._world
        match query:
            case ctl.ListSessions():
                return await world.views.sessions(query)
            case ctl.GetSession(session_id=session_id):
                return await world.views.session(session_id)
            case ctl.ListApprovals():
                return await world.views.approvals(query)
            case ctl.GetApproval(approval_id=approval_id):
                return await world.views.approval(approval_id)
            case ctl.ReadEvents():
                return await world.log.read(query)
            case ReadItems():
                return await world.log.read_page(query)
            case ctl.ReadText():
                return await world.log.read_text(query)
            case ctl.ReadLogs():
                return await self._logs(query)
            case ctl.ListAgents():
                return await self._programs.describe(self._default_adapter())
            case ctl.ListResources(session_id=session_id):
                return await self._resources(session_id)
            case ctl.GetStatus():
                counts = await world.views.counts()
                return self._describe(await world.views.pending_approvals(), counts)
            case _:
                raise TypeError(f"no answer to {type(query).__name__}")

    async def _resources(self, session_id: SessionId | None) -> tuple[ctl.ResourcesView, ...]:
        if session_id is not None:
            await self._world.views.session(session_id)
        found = []
        for session in [actor.session for actor in self._actors.values()]:
            if session.run_id is None or session.external or session_id not in (None, session.session_id):
                continue
            used = await self._world.agents.usage(session.run_id)
            if used is not None:
                found.append(
                    ctl.ResourcesView(
                        session.session_id, session.run_id, used.unit, used.memory_bytes, used.cpu_seconds, used.tasks
                    )
                )
        return tuple(found)

    async def _logs(self, query: ctl.ReadLogs) -> ctl.SessionLogs:
        view = await self._world.views.session(query.session_id)
        run_id = view.session.run_id
        stderr = b""
        if run_id is not None and not view.session.external:
            stderr = await self._world.agents.stderr(run_id, query.limit_bytes)
        lines = await self._world.views.newest_unrecognised(query.session_id, UNRECOGNISED_LIMIT)
        return ctl.SessionLogs(stderr.decode(errors="replace"), lines)

    def _require_ready(self) -> None:
        if not self._ready:
            raise Recovering("tetherd has just started and is finding out what its agents did meanwhile")
