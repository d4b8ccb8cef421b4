"""Which role may give which command.

An agent never decides, never widens, never sees others; an approver decides but does not widen.
"""

from __future__ import annotations

from collections.abc import Mapping

from tetherd.domain import commands as cmd
from tetherd.domain.ids import Actor, Role, SessionId
from tetherd.domain.session import Session
from tetherd.errors import Rejected

_WORK: frozenset[type] = frozenset(
    {
        cmd.StartSession,
        cmd.SendInput,
        cmd.AnswerApproval,
        cmd.Interrupt,
        cmd.StopSession,
        cmd.ResumeSession,
        cmd.RenameSession,
        cmd.SetFrozen,
    }
)
_AGENT: frozenset[type] = frozenset({cmd.PushEvents, cmd.ConfirmPolled})

MAY: Mapping[Role, frozenset[type]] = {
    Role.OWNER: _WORK | _AGENT | {cmd.SetMode, cmd.DeleteSession},
    Role.APPROVER: _WORK,
    Role.OBSERVER: frozenset(),
    Role.AGENT: _AGENT,
}


class Forbidden(Rejected):
    """This principal may not do this, whatever the state."""

    code = "forbidden"
    status = 403


def may_see(actor: Actor, session_id: SessionId) -> bool:
    """An agent's token opens its own session and no other."""
    return actor.principal.role is not Role.AGENT or actor.principal.session_id == session_id


def require_authority(session: Session, command: cmd.Command) -> None:
    """Raise Forbidden unless the command's actor may give it to this session."""
    role = command.by.principal.role
    verb = type(command).__name__
    if not may_see(command.by, session.session_id):
        raise Forbidden("an agent's token is good for its own session only")
    if type(command) not in MAY[role]:
        raise Forbidden(f"role {role} may not {verb}")
