"""A Control and Tokens in memory: the real domain, and lists for a log."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import trio

from tetherd import control as ctl
from tetherd.devices import DeviceView
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import Resolution
from tetherd.domain.authority import Forbidden, may_see
from tetherd.domain.decide import Closed, Context, create, decide
from tetherd.domain.ids import Actor, ApprovalId, Principal, Role, RunId, SessionId
from tetherd.domain.policy import Policy
from tetherd.domain.session import Session
from tetherd.errors import Rejected, Unavailable
from tetherd.items import ReadItems

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ADAPTERS = {"external": None, "demo": True, "missing": False}
"""Adapter names and whether their program is found; None where there is nothing to look for."""


class NoSuchAdapter(Rejected):
    code = "no_such_adapter"
    status = 422


class FakeControl:
    """What the supervisor promises, without actors, disks and agents. `raises` makes the next call fail so."""

    def __init__(self) -> None:
        self.entries: list[ctl.Entry] = []
        self.views: dict[SessionId, ctl.SessionView] = {}
        self.approvals: dict[ApprovalId, ctl.ApprovalView] = {}
        self.submitted: list[cmd.Command | cmd.CreateSession] = []
        self.epoch = "e1"
        self.raises: BaseException | None = None
        self.breaks: Callable[[object], None] = lambda command: None
        """Called with each command before it is carried out; may raise."""
        self.is_stopping = False
        self.followers = 0
        self._keys: dict[tuple[SessionId, str], tuple[int, ...]] = {}
        self._deltas: list[ctl.Delta] = []
        self._runs = 0
        self._grown = trio.Event()

    # -- Control -------------------------------------------------------------------------------------------------

    async def submit(self, command: cmd.Command | cmd.CreateSession) -> ctl.Outcome:
        await self._answerable()
        self.breaks(command)
        self.submitted.append(command)
        if isinstance(command, cmd.CreateSession):
            return self._create(command)
        session = self._session(command.session_id, command.by)
        if command.key is not None and (session.session_id, command.key) in self._keys:
            return ctl.Outcome(session, self._keys[session.session_id, command.key], repeated=True)
        if isinstance(command, cmd.ConfirmPolled):
            command = self._with_ids(session, command)
        self._runs += 1
        decision = decide(
            session,
            command,
            Context(run_id=RunId(f"r-{self._runs:012}"), closed=self._closed(command), policy=Policy(now=NOON)),
        )
        seqs = self._append(decision.session, decision.events)
        if command.key is not None:
            self._keys[session.session_id, command.key] = seqs
        if isinstance(command, cmd.DeleteSession):
            del self.views[session.session_id]
            self.entries = [
                entry
                for entry in self.entries
                if entry.session_id != session.session_id or entry.kind == "session_deleted"
            ]
        return ctl.Outcome(decision.session, seqs)

    async def ask(self, query: ctl.Query[ctl.A_co]) -> ctl.A_co:
        await self._answerable()
        return cast(ctl.A_co, self._answer(query))

    @asynccontextmanager
    async def follow(
        self, after: ctl.Cursor, session_id: SessionId | None = None, live: bool = True
    ) -> AsyncIterator[AsyncIterable[ctl.Batch]]:
        if after.epoch not in (None, self.epoch):
            raise ctl.ForeignCursor("another log")
        self.followers += 1
        batches = self._batches(after.seq, session_id, live)
        try:
            yield batches
        finally:
            self.followers -= 1
            await batches.aclose()

    async def wait_for(self, after: int, session_id: SessionId, kinds: frozenset[str]) -> None:
        while True:
            grown = self._grown
            if any(e.seq > after and e.session_id == session_id and e.kind in kinds for e in self.entries):
                return
            await grown.wait()

    # -- for tests -----------------------------------------------------------------------------------------------

    def say(self, session_id: SessionId, *events: ev.AgentEvent) -> tuple[int, ...]:
        """What the agent of a session says. Returns the seqs of all that followed."""
        decision = decide(self.views[session_id].session, cmd.AgentSaid(events), Context(run_id=RunId("")))
        return self._append(decision.session, decision.events)

    def end(self, session_id: SessionId, code: int = 0) -> None:
        """The agent of a session ends."""
        session = self.views[session_id].session
        assert session.run_id is not None
        decision = decide(session, cmd.RunStopped(session.run_id, code=code), Context(run_id=RunId("")))
        self._append(decision.session, decision.events)

    def show(self, delta: ctl.Delta) -> None:
        """Text on its way, for those who follow live."""
        self._deltas.append(delta)
        self._ring()

    def stop(self) -> None:
        """The daemon ends: all who follow come to their end."""
        self.is_stopping = True
        self._ring()

    def events(self, session_id: SessionId) -> list[ev.Event]:
        return [entry.event() for entry in self.entries if entry.session_id == session_id]

    # -- within --------------------------------------------------------------------------------------------------

    async def _answerable(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.raises is not None:
            raise self.raises

    def _create(self, command: cmd.CreateSession) -> ctl.Outcome:
        if command.by.principal.role not in (Role.OWNER, Role.APPROVER):
            raise Forbidden(f"role {command.by.principal.role} may not create sessions")
        if command.adapter not in ADAPTERS:
            raise NoSuchAdapter(f"there is no agent adapter {command.adapter}")
        if not command.external and (command.directory is None or not command.directory.startswith("/")):
            raise NoSuchAdapter("an agent needs a directory to work in, as an absolute path")
        decision = create(command)
        return ctl.Outcome(decision.session, self._append(decision.session, decision.events))

    def _append(self, session: Session, events: tuple[ev.Event, ...]) -> tuple[int, ...]:
        session_id = session.session_id
        seqs = []
        for event in events:
            seq = self.entries[-1].seq + 1 if self.entries else 1
            at = (NOON + timedelta(seconds=seq)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            body = event.model_dump_json(exclude={"type"}).encode()
            self.entries.append(ctl.Entry(seq, at, session_id, event.type, event.VERSION, body))
            self._note(session, seq, event)
            seqs.append(seq)
        before = self.views.get(session_id)
        last = seqs[-1] if seqs else before.last_seq if before else 0
        now = NOON + timedelta(seconds=last)
        first = before.first_seq if before else last
        self.views[session_id] = ctl.SessionView(session, before.created_at if before else now, now, first, last)
        self._ring()
        return tuple(seqs)

    def _note(self, session: Session, seq: int, event: ev.Event) -> None:
        now = NOON + timedelta(seconds=seq)
        match event:
            case ev.ApprovalRequested(approval=asked):
                assert asked.approval_id not in self.approvals, "asked twice"
                self.approvals[asked.approval_id] = ctl.ApprovalView(
                    asked, session.session_id, session.name, seq, now, "pending", None, None, session.directory
                )
            case ev.ApprovalResolved(approval_id=which):
                fate = Resolution(answer=event.answer, by=event.by, at=now)
                self.approvals[which] = replace(self.approvals[which], state="resolved", resolution=fate)
            case ev.ApprovalWithdrawn(approval_id=which):
                self.approvals[which] = replace(self.approvals[which], state="withdrawn")
            case ev.VerdictDelivered(approval_id=which):
                self.approvals[which] = replace(self.approvals[which], delivered=event.outcome)
            case _:
                pass

    def _answer(self, query: ctl.Query[Any]) -> Any:
        match query:
            case ctl.ListSessions():
                return self._list(query)
            case ctl.GetSession(session_id=session_id):
                self._session(session_id)
                return self.views[session_id]
            case ctl.ListApprovals():
                return self._list_approvals(query)
            case ctl.GetApproval(approval_id=approval_id):
                if approval_id not in self.approvals:
                    raise ctl.NotFound(f"no approval {approval_id}")
                return self.approvals[approval_id]
            case ctl.ReadEvents(after=after, session_id=session_id, kinds=kinds):
                found = self._after(after, session_id)
                return tuple([entry for entry in found if kinds is None or entry.kind in kinds][: query.limit])
            case ReadItems(session_id=session_id, before=before, limit=limit):
                found = self._after(0, session_id)
                return tuple([entry for entry in found if before is None or entry.seq < before][-limit:])
            case ctl.ReadText(session_id=session_id, seq=seq, field=field):
                events = [entry.event() for entry in self._after(seq - 1, session_id) if entry.seq == seq]
                if not events or not hasattr(events[0], field):
                    raise ctl.NotFound(f"event {seq} has no {field}")
                return getattr(events[0], field)
            case ctl.ReadLogs(session_id=session_id):
                self._session(session_id)
                return ctl.SessionLogs("warning: nothing\n", ("?",))
            case ctl.ListAgents():
                return tuple(
                    ctl.AgentView(n, f"the {n} agent", f, None, None, n == "demo") for n, f in ADAPTERS.items()
                )
            case ctl.ListResources(session_id=session_id):
                return self._resources(session_id)
            case ctl.GetStatus():
                return self._status()
            case _:
                raise TypeError(f"no answer to {type(query).__name__}")

    def _list(self, query: ctl.ListSessions) -> tuple[ctl.SessionView, ...]:
        views = sorted(self.views.values(), key=lambda view: -view.first_seq)
        return tuple(
            view
            for view in views
            if (query.states is None or view.session.state in query.states)
            and (query.search is None or query.search.casefold() in view.session.name.casefold())
            and (query.before is None or view.first_seq < query.before)
        )[: query.limit]

    def _list_approvals(self, query: ctl.ListApprovals) -> tuple[ctl.ApprovalView, ...]:
        views = sorted(self.approvals.values(), key=lambda v: v.requested_seq if query.pending else -v.requested_seq)
        return tuple(
            view
            for view in views
            if (view.state == "pending") == query.pending and query.session_id in (None, view.session_id)
        )[: query.limit]

    def _status(self) -> ctl.DaemonStatus:
        counts: dict[Any, int] = {}
        for view in self.views.values():
            counts[view.session.state] = counts.get(view.session.state, 0) + 1
        pending = sum(view.state == "pending" for view in self.approvals.values())
        seq = self.entries[-1].seq if self.entries else 0
        return ctl.DaemonStatus(
            "1.0",
            "http://localhost:8787",
            NOON,
            "/data",
            None,
            ctl.Isolation("processes", ()),
            self.epoch,
            seq,
            counts,
            pending,
            (),
        )

    def _resources(self, session_id: SessionId | None) -> tuple[ctl.ResourcesView, ...]:
        if session_id is not None and session_id not in self.views:
            raise ctl.NotFound(f"no session {session_id}")
        return tuple(
            ctl.ResourcesView(one, RunId("r-1"), f"tether-agent-r-{one}.service", 2**20, 1.5, 3)
            for one in self.views
            if session_id in (None, one)
        )

    def _session(self, session_id: SessionId, by: Actor | None = None) -> Session:
        if session_id not in self.views or (by is not None and not may_see(by, session_id)):
            raise ctl.NotFound(f"no session {session_id}")
        return self.views[session_id].session

    def _closed(self, command: cmd.Command) -> Closed | None:
        if not isinstance(command, cmd.AnswerApproval) or command.approval_id not in self.approvals:
            return None
        return Closed(self.approvals[command.approval_id].resolution)

    def _with_ids(self, session: Session, command: cmd.ConfirmPolled) -> cmd.ConfirmPolled:
        seen = [entry.event() for entry in self._after(0, session.session_id) if entry.seq <= command.upto_seq]
        inputs = tuple(event.input_id for event in seen if isinstance(event, ev.InputAccepted))
        verdicts = tuple(event.approval_id for event in seen if isinstance(event, ev.ApprovalResolved))
        return replace(command, input_ids=inputs, approval_ids=verdicts)

    def _after(self, after: int, session_id: SessionId | None) -> list[ctl.Entry]:
        return [entry for entry in self.entries if entry.seq > after and session_id in (None, entry.session_id)]

    async def _batches(self, after: int, session_id: SessionId | None, live: bool) -> AsyncGenerator[ctl.Batch, None]:
        shown = len(self._deltas)
        while not self.is_stopping:
            grown = self._grown
            batch: list[ctl.Entry | ctl.Delta] = list(self._after(after, session_id))
            if live:
                batch += [delta for delta in self._deltas[shown:] if session_id in (None, delta.session_id)]
            shown = len(self._deltas)
            after = self.entries[-1].seq if self.entries else after
            if batch:
                yield batch
            else:
                await grown.wait()

    def _ring(self) -> None:
        self._grown.set()
        self._grown = trio.Event()


class FakeTokens:
    """Tokens in a dict."""

    def __init__(self) -> None:
        self._views: dict[str, ctl.TokenView] = {}
        self._hashes: dict[bytes, str] = {}
        self.raises: Unavailable | None = None

    async def create(self, name: str, role: Role, session_id: SessionId | None, by: Actor) -> tuple[ctl.TokenView, str]:
        await trio.lowlevel.checkpoint()
        if self.raises is not None:
            raise self.raises
        return self.make(name, role, session_id)

    def make(self, name: str, role: Role, session_id: SessionId | None = None) -> tuple[ctl.TokenView, str]:
        token_id = f"t-{len(self._views)}"
        secret = "tether_" + secrets.token_urlsafe(24)
        view = ctl.TokenView(token_id, name, role, session_id, NOON, None)
        self._views[token_id] = view
        self._hashes[hashlib.sha256(secret.encode()).digest()] = token_id
        return view, secret

    async def list(self) -> tuple[ctl.TokenView, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(self._views.values())

    async def revoke(self, token_id: str) -> ctl.TokenView:
        await trio.lowlevel.checkpoint()
        if token_id not in self._views:
            raise ctl.NotFound(f"no token {token_id}")
        self._views[token_id] = replace(self._views[token_id], revoked_at=NOON)
        return self._views[token_id]

    def authenticate(self, secret: str) -> Principal | None:
        token_id = self._hashes.get(hashlib.sha256(secret.encode()).digest())
        view = self._views.get(token_id) if token_id else None
        if view is None or view.revoked_at is not None:
            return None
        return Principal(role=view.role, name=view.name, session_id=view.session_id)


class FakeBridges:
    """One bridge that runs, and one that is off."""

    def __init__(self) -> None:
        self.views = {
            "telegram": ctl.BridgeView("telegram", "running", NOON, 3, 2, 1, None),
            "slack": ctl.BridgeView("slack", "off", None, 0, 0, 0, None),
        }
        self.findings = (ctl.BridgeFinding("the token is good", True), ctl.BridgeFinding("may pin", False, "let it"))

    async def list(self) -> tuple[ctl.BridgeView, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(self.views.values())

    async def check(self, name: str) -> tuple[ctl.BridgeFinding, ...]:
        self._require(name)
        await trio.lowlevel.checkpoint()
        return self.findings

    async def pair(self, name: str) -> ctl.PairingCode:
        self._require(name)
        await trio.lowlevel.checkpoint()
        return ctl.PairingCode("0123456789", NOON)

    def _require(self, name: str) -> None:
        if name not in self.views:
            raise ctl.NotFound(f"no bridge {name}")
        if self.views[name].state == "off":
            raise ctl.BridgeOff(f"{name} is not set up")


class FakeDevices:
    """Devices in a dict, by their cookie half."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, DeviceView]] = {}

    async def create(self, name: str, role: Role) -> tuple[DeviceView, str, str]:
        await trio.lowlevel.checkpoint()
        view = DeviceView(f"d-{len(self._known):08x}", name, role, NOON, NOON, None)
        cookie, key = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        self._known[cookie] = key, view
        return view, cookie, key

    async def list(self) -> tuple[DeviceView, ...]:
        await trio.lowlevel.checkpoint()
        return tuple(view for _, view in self._known.values())

    async def revoke(self, device_id: str) -> DeviceView:
        await trio.lowlevel.checkpoint()
        for cookie, (key, view) in self._known.items():
            if view.device_id == device_id:
                self._known[cookie] = key, replace(view, revoked_at=NOON)
                return self._known[cookie][1]
        raise ctl.NotFound(f"no device {device_id}")

    def authenticate(self, cookie: str, key: str) -> DeviceView | None:
        good, view = self._known.get(cookie, ("", None))
        return view if view is not None and good == key and view.revoked_at is None else None

    async def saw(self, cookie: str) -> None:
        await trio.lowlevel.checkpoint()
