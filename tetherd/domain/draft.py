"""A decision in the making: what has happened so far, and what is to be done about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from tetherd.domain import effects as fx
from tetherd.domain import events as ev
from tetherd.domain.approval import Answer, Approval, By, ByCircumstance
from tetherd.domain.session import Session, SessionState, evolve

S = SessionState


@dataclass(frozen=True, slots=True)
class Decision:
    """What has happened (`events`, and the session after them) and what to do about it, both in order."""

    session: Session
    events: tuple[ev.Event, ...] = ()
    effects: tuple[fx.Effect, ...] = ()


@dataclass(slots=True)
class Draft:
    """A decision in the making: each event is believed at once, so that the next step sees it."""

    session: Session
    events: list[ev.Event] = field(default_factory=list)
    effects: list[fx.Effect] = field(default_factory=list)

    def emit(self, event: ev.Event) -> None:
        self.events.append(event)
        self.session = evolve(self.session, event)

    def send(self, command: fx.AgentCommand) -> None:
        if not self.session.external:  # an external agent reads the log itself, by polling
            self.effects.append(fx.SendToAgent(command))

    def resolve(self, approval: Approval, answer: Answer | None, by: By, *, tell: bool = True) -> None:
        self.emit(ev.ApprovalResolved(approval_id=approval.approval_id, answer=answer, by=by))
        if tell:
            self.send(fx.Verdict(approval, answer))
        else:
            self.emit(ev.VerdictDelivered(approval_id=approval.approval_id, outcome="moot"))

    def close_all(self, by: ByCircumstance, *, tell: bool = False) -> None:
        self.close(by, self.session.open_approvals, tell=tell)

    def close(self, by: ByCircumstance, approvals: tuple[Approval, ...], *, tell: bool = False) -> None:
        for approval in approvals:
            self.resolve(approval, None, by, tell=tell)

    def deliver_next(self) -> None:
        """Hand the oldest queued input to an agent that can take it."""
        session = self.session
        if session.state is S.AWAITING_INPUT and session.queued and not session.external:
            self.emit(ev.TurnStarted(cause="input", input_id=session.queued[0]))
            self.send(fx.Prompt(session.queued[0]))
