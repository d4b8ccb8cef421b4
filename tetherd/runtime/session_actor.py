"""One session's task: inbox, decide, append, evolve, effects.

The actor awaits its inbox and the log, nothing else: bytes for the agent go to the driver's own task. One order of
all that happens to a session is what makes "first answer wins" true without a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import trio

from tetherd.control import Delta, Outcome
from tetherd.domain import commands as cmd
from tetherd.domain import effects as fx
from tetherd.domain import events as ev
from tetherd.domain.decide import Closed, Context, create, decide
from tetherd.domain.draft import Decision
from tetherd.domain.ids import ApprovalId, InputId
from tetherd.domain.images import Image
from tetherd.domain.policy import Policy
from tetherd.domain.session import Session, SessionState
from tetherd.errors import Misconfigured, Rejected, Unavailable
from tetherd.logconfig import get_logger
from tetherd.plugin import Launch, TextDelta
from tetherd.runtime.active_run import ActiveRun
from tetherd.runtime.inbox import ActorGone, Inbox, Slot
from tetherd.runtime.links import resolved_files
from tetherd.runtime.operators_log import log_events
from tetherd.runtime.run_driver import Acked, CaughtUp, Gone, Heard, RunDriver, RunReport
from tetherd.runtime.world import World
from tetherd.storage.eventlog import Append, Frame

INTERRUPT_PATIENCE_SECONDS = 10.0
RETRY_SECONDS = 1.0
RECOVERED_STOP_GRACE_SECONDS = 5.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Overdue:
    """An interrupt has not ended the turn in time; `turn` is its number: a later one is not meant."""

    turn: int


_Report = RunReport | _Overdue | cmd.PolicyChanged
_Item = cmd.Command | _Report
_Slot = Slot[_Item, Outcome | None]


class SessionActor:
    """Owns one session while it is awake. `run` ends when the session has ended and nobody waits for it."""

    def __init__(self, world: World, session: Session, retire: Callable[[], None]) -> None:
        self.session = session
        self._world = world
        self._retire = retire
        self._inbox: Inbox[_Item, Outcome | None] = Inbox()
        self._prompts: dict[InputId, fx.Prompt] = {}
        self._run: ActiveRun | None = None
        self._driver: RunDriver | None = None
        self._nursery: trio.Nursery | None = None
        self._catching_up = False
        self.picked_up = trio.Event()
        self.failed = False

    @property
    def paused(self) -> str | None:
        """Why the agent stands still (its disk is full), or None."""
        return self._driver.paused if self._driver else None

    async def submit(self, command: cmd.Command) -> Outcome:
        """Carry out a command of this session. Raises Rejected or Unavailable."""
        outcome = await self._inbox.command(command).wait()
        assert outcome is not None
        return outcome

    def policy_changed(self, fault: str | None) -> None:
        """Other rules hold from now on; what waits is judged anew in its turn."""
        self._inbox.report(cmd.PolicyChanged(fault))

    async def run(self) -> None:
        """Until the session has ended and nobody waits; `picked_up` is set once its state is true again."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await self._pick_up()
                if not self._catching_up:
                    self.picked_up.set()
                while self.session.is_live or not self._inbox.is_empty():
                    # until the journal has been read, a decision might answer what the agent has withdrawn
                    slot = await self._inbox.take(commands=not self._catching_up)
                    await self._handle(slot)
                self._retire()
                nursery.cancel_scope.cancel()
        except BaseException:
            self.failed = True
            raise
        finally:
            self.picked_up.set()
            self._inbox.close(ActorGone("the session's task has ended"))

    # -- one item ------------------------------------------------------------------------------------------------

    async def _handle(self, slot: _Slot) -> None:
        item = slot.item
        if isinstance(item, Heard | Acked | CaughtUp | Gone | _Overdue | cmd.PolicyChanged):
            await self._insist(item)
            slot.answer(None)
            return
        try:
            slot.answer(await self._obey(item))
        except (Rejected, Unavailable, Misconfigured) as error:
            slot.fail(error)

    async def _obey(self, command: cmd.Command) -> Outcome:
        if command.key is not None:
            seqs = await self._world.log.earlier(command.session_id, command.key)
            if seqs is not None:
                return Outcome(self.session, seqs, repeated=True)
        images = command.images if isinstance(command, cmd.SendInput) else ()
        if images:
            self._world.require_images(self.session.adapter)
        self._world.require_freezable(self.session, command)
        if isinstance(command, cmd.SendInput) and command.steer and not self.session.external:
            self._world.require_steering(self.session.adapter)
        decision = decide(self.session, command, await self._context(command))
        bulk = isinstance(command, cmd.PushEvents | cmd.ConfirmPolled)
        return await self._commit(decision, images=images, key=command.key, urgent=not bulk)

    async def _context(self, command: cmd.Command) -> Context:
        closed: Closed | None = None
        if isinstance(command, cmd.AnswerApproval) and self.session.open_approval(command.approval_id) is None:
            closed = await self._world.views.closed_approval(self.session.session_id, command.approval_id)
        policy = await self._policy(command.events if isinstance(command, cmd.PushEvents) else ())
        return Context(run_id=self._world.fresh_run_id(), closed=closed, policy=policy)

    async def _policy(self, events: Sequence[ev.Event]) -> Policy:
        """What to judge by now; files of what these events ask, and of what waits, are looked up."""
        asked = [event.approval for event in events if isinstance(event, ev.ApprovalRequested)]
        files = await resolved_files((*asked, *self.session.open_approvals), self.session.directory)
        return await self._world.rules.policy(files)

    async def _insist(self, report: _Report) -> None:
        """A report is a fact: while the log cannot take it (a full disk) it waits here, and commands go on."""
        while True:
            try:
                await self._absorb(report)
                return
            except Unavailable as error:
                log.warning("report waits", session=self.session.session_id, why=str(error))
            await self._serve_commands_for(RETRY_SECONDS)

    async def _serve_commands_for(self, seconds: float) -> None:
        deadline = trio.current_time() + seconds
        while True:
            with trio.move_on_at(deadline) as waiting:  # around the waiting alone: an append is never cut off
                slot = await self._inbox.take(commands=not self._catching_up, reports=False)
            if waiting.cancelled_caught:
                return
            await self._handle(slot)

    async def _absorb(self, report: _Report) -> None:
        run = self._run
        match report:
            case Heard(chunk=chunk) if run is not None:
                fed = run.feed(chunk)
                self._world.log.publish([self._delta(delta) for delta in fed.deltas])
                if fed.events or fed.frames or run.should_write():
                    decision = await self._follow(cmd.AgentSaid(tuple(fed.events)))
                    await self._commit(decision, owed=fed.frames, heard=True)
            case Acked(outbox_seqs=seqs) if run is not None:
                about = [run.unsettled[seq] for seq in seqs if seq in run.unsettled]
                inputs = tuple(InputId(one.ref) for one in about if one.kind == "input" and one.ref)
                verdicts = tuple(ApprovalId(one.ref) for one in about if one.kind == "verdict" and one.ref)
                decision = await self._follow(cmd.Acknowledged(inputs, verdicts))
                await self._commit(decision, acknowledged=seqs, urgent=True)
                for seq in seqs:
                    run.unsettled.pop(seq, None)
            case Gone(stopped=stopped):
                last = run.finish() if run else ()
                await self._commit(await self._follow(cmd.AgentSaid(tuple(last)), stopped), urgent=True)
                self._world.conversations.close(self.session.session_id)
                self._run = self._driver = None
                self._caught_up()
            case CaughtUp():
                self._caught_up()
            case _Overdue(turn=turn) if turn == self.session.turns:
                await self._commit(await self._follow(cmd.InterruptOverdue()))
            case cmd.PolicyChanged():
                await self._commit(await self._follow(report), urgent=True)
            case _:
                pass

    def _caught_up(self) -> None:
        self._catching_up = False
        self.picked_up.set()

    async def _follow(self, *reports: cmd.Report) -> Decision:
        """What follows from reports, one after the other, as one decision."""
        session, events, effects = self.session, list[ev.Event](), list[fx.Effect]()
        asked = [event for report in reports if isinstance(report, cmd.AgentSaid) for event in report.events]
        policy = await self._policy(asked)
        for report in reports:
            decision = decide(session, report, Context(run_id=self._world.fresh_run_id(), policy=policy))
            session = decision.session
            events += decision.events
            effects += decision.effects
        return Decision(session, tuple(events), tuple(effects))

    # -- one append ----------------------------------------------------------------------------------------------

    async def _commit(
        self,
        decision: Decision,
        *,
        owed: Sequence[bytes] = (),
        acknowledged: tuple[int, ...] = (),
        heard: bool = False,
        images: tuple[Image, ...] = (),
        key: str | None = None,
        urgent: bool = False,
    ) -> Outcome:
        """Write, believe, do. On failure nothing has happened, and the run is as it was before."""
        starts = any(isinstance(effect, fx.LaunchAgent) for effect in decision.effects)
        run, launch = self._prepare(decision.session) if starts else (self._run, None)
        prompts = await self._prompts_of(decision, images)
        gathered = run.flush() if run else ()
        events = (*decision.events, *gathered) if heard else (*gathered, *decision.events)
        frames = run.open() if run and starts else []
        if run:
            frames += [run.protocol_frame(data) for data in owed]
            frames += [run.frame(command) for command in _owed_commands(decision, prompts)]
        append = Append(
            session=decision.session,
            events=events,
            progress=run.progress() if run else None,
            frames=tuple(frames),
            acknowledged=acknowledged,
            images=images,
            key=key,
            urgent=urgent,
        )
        try:
            entries = await self._world.log.append(append)
        except Unavailable:
            if run:
                run.rewind(forget_last_chunk=heard)
            if starts:
                self._world.conversations.close(self.session.session_id)
            raise
        was_frozen, self.session = self.session.frozen, decision.session
        log_events(self.session.session_id, events)
        for event in decision.events:
            if isinstance(event, ev.RuleGranted):
                self._world.rules.granted(event.rule)
        self._remember_prompts(decision)
        if run:
            run.committed(frames)
        await self._perform(decision, run, frames, launch)
        if run and self.session.frozen is not was_frozen:
            self._world.agents.set_frozen(run.spec.run_id, self.session.frozen)
        return Outcome(self.session, tuple(entry.seq for entry in entries))

    async def _perform(
        self, decision: Decision, run: ActiveRun | None, frames: list[Frame], launch: Launch | None
    ) -> None:
        if launch is not None and run is not None:
            self._drive(run, frames, launch)
        elif self._driver is not None and run is not None:
            self._driver.enqueue(frames)
            await self._driver.release(run.cursor)
        for effect in decision.effects:
            match effect:
                case fx.StopAgent(grace_seconds=grace_seconds) if self._driver:
                    self._driver.stop(grace_seconds)
                case fx.WatchInterrupt():
                    self._watch_interrupt()
                case _:
                    pass

    def _drive(
        self, run: ActiveRun, frames: list[Frame], launch: Launch | None, *, catch_up: bool = False
    ) -> RunDriver:
        assert self._nursery is not None
        self._run = run
        self._driver = RunDriver(
            self._world.agents,
            run.spec.run_id,
            self._tell,
            cursor=run.cursor,
            frames=frames,
            launch=launch,
            catch_up=catch_up,
        )
        self._nursery.start_soon(self._driver.run)
        return self._driver

    async def _tell(self, report: RunReport) -> None:
        await self._inbox.report(report).wait()

    def _watch_interrupt(self) -> None:
        async def later(turn: int) -> None:
            await trio.sleep(INTERRUPT_PATIENCE_SECONDS)
            await self._inbox.report(_Overdue(turn)).wait()

        assert self._nursery is not None
        self._nursery.start_soon(later, self.session.turns)

    def _delta(self, delta: TextDelta) -> Delta:
        return Delta(self.session.session_id, delta.message_id, delta.kind, delta.offset, delta.text)

    # -- inputs that wait ------------------------------------------------------------------------------------------

    async def _prompts_of(self, decision: Decision, images: tuple[Image, ...]) -> dict[InputId, fx.Prompt]:
        """The prompts that this decision sends, whole: from it, from memory, or from the log.

        `images` came with the input that it accepts.
        """
        wanted = [
            effect.command.input_id
            for effect in decision.effects
            if isinstance(effect, fx.SendToAgent) and isinstance(effect.command, fx.Prompt)
        ]
        fresh = {
            event.input_id: fx.Prompt(event.input_id, event.text, images)
            for event in decision.events
            if isinstance(event, ev.InputAccepted)
        }
        known = self._prompts | fresh
        missing = [input_id for input_id in wanted if input_id not in known]
        if missing:
            known |= await self._world.views.prompts(missing)
        return known

    def _remember_prompts(self, decision: Decision) -> None:
        """Texts of what is queued; images are large, and wait in the log."""
        for event in decision.events:
            if isinstance(event, ev.InputAccepted) and not event.images:
                self._prompts[event.input_id] = fx.Prompt(event.input_id, event.text)
        self._prompts = {key: prompt for key, prompt in self._prompts.items() if key in self.session.queued}

    # -- runs ----------------------------------------------------------------------------------------------------

    def _prepare(self, session: Session) -> tuple[ActiveRun, Launch]:
        """A new run of the session, before it is committed. Raises Rejected."""
        spec = self._world.spec(session)
        launch = self._world.launch(session, spec)
        return ActiveRun(self._world.adapter(session.adapter), spec), launch

    async def _pick_up(self) -> None:
        """Go on with a run that an earlier life of the daemon began."""
        session = self.session
        if not session.is_live or session.external or session.run_id is None:
            return
        row = await self._world.runs.run(session.run_id)
        frames = await self._world.runs.frames(session.run_id)
        fate = await self._world.agents.settle(session.run_id)
        log.info("run picked up", session=session.session_id, run=session.run_id, fate=fate)
        self._world.agents.set_frozen(session.run_id, session.frozen)
        spec = self._world.spec(session)
        run = self._run = ActiveRun(
            self._world.adapter(session.adapter),
            spec,
            cursor=row.cursor,
            snapshot=row.snapshot,
            next_outbox_seq=row.next_outbox_seq,
            unsettled=frames,
        )
        launch: Launch | None = None
        try:
            launch = self._world.launch(session, spec)
        except Rejected as error:
            if fate == "unborn":
                await self._insist(Gone(cmd.RunStopped(session.run_id, error=str(error))))
                return
        self._catching_up = fate != "unborn"
        driver = self._drive(run, frames, launch if fate == "unborn" else None, catch_up=fate == "held")
        if session.state is SessionState.STOPPING:
            driver.stop(RECOVERED_STOP_GRACE_SECONDS)
        if session.state is SessionState.INTERRUPTING:
            self._watch_interrupt()


def created(command: cmd.CreateSession, policy: Policy) -> Append:
    """The first append of a session."""
    decision = create(command, policy)
    return Append(session=decision.session, events=decision.events, key=command.key, urgent=True)


def _owed_commands(decision: Decision, prompts: Mapping[InputId, fx.Prompt]) -> list[fx.AgentCommand]:
    """The commands for the agent, in order, prompts whole."""
    commands = [effect.command for effect in decision.effects if isinstance(effect, fx.SendToAgent)]
    return [prompts[command.input_id] if isinstance(command, fx.Prompt) else command for command in commands]
