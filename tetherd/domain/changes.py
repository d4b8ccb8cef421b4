"""What a person changes of a session beside its course: name, mode, and whether its agent stands still."""

from __future__ import annotations

from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.session import LIVE, Session, SessionState
from tetherd.errors import Rejected

FREEZABLE = LIVE - {SessionState.STARTING, SessionState.STOPPING}


class NothingToFreeze(Rejected):
    """There is no agent that could stand still."""

    code = "nothing_to_freeze"

    def __init__(self, session: Session) -> None:
        what = "joins by itself" if session.external else f"is {session.state}"
        super().__init__(f"session {session.session_id} {what}: there is no agent to freeze")


def changed(session: Session, command: cmd.RenameSession | cmd.SetMode | cmd.SetFrozen) -> tuple[ev.Event, ...]:
    """The event, or none where it is so already. Raises NothingToFreeze."""
    match command:
        case cmd.RenameSession(name=name) if name != session.name:
            return (ev.SessionRenamed(name=name, by=command.by),)
        case cmd.SetMode(mode=mode) if mode is not session.mode:
            return (ev.ModeChanged(mode=mode, by=command.by),)
        case cmd.SetFrozen(frozen=True) if session.external or session.state not in FREEZABLE:
            raise NothingToFreeze(session)
        case cmd.SetFrozen(frozen=frozen) if frozen is not session.frozen:
            return (ev.AgentFrozen(by=command.by) if frozen else ev.AgentThawed(by=command.by),)
        case _:
            return ()
