"""What is remembered of a session in a chat. It is written with every step, so it is small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from tetherd.bridge import control as ctl

STEPS_SHOWN = 6

Standing = Literal["created", "starting", "running", "waiting for you", "waiting for input", "interrupting", "ended"]


_STANDINGS: Mapping[str, Standing] = {
    "created": "created",
    "starting": "starting",
    "awaiting_input": "waiting for input",
    "running": "running",
    "awaiting_approval": "waiting for you",
    "interrupting": "interrupting",
    "stopping": "interrupting",
    "ended": "ended",
}


class Thread(BaseModel):
    """A session as its thread tells it.

    text_after: the text that the agent wrote behind
    this seq is not shown yet; None when there is none. turn counts; steps are the newest ones of this turn,
    has_digest: its message is there.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    session_id: str
    name: str
    directory: str | None = None
    adapter: str = ""
    standing: Standing = "created"
    ending: str = ""
    turn: int = 0
    steps: tuple[str, ...] = ()
    step_count: int = 0
    failed_steps: int = 0
    text_after: int | None = None
    is_turn_open: bool = False
    has_digest: bool = False
    asked: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"thread/{self.session_id}"

    @classmethod
    def of(cls, view: ctl.SessionView) -> Self:
        """A session that was there before we were."""
        session = view.session
        return cls(
            session_id=session.session_id,
            name=session.name,
            directory=session.directory,
            adapter=session.adapter,
            standing=_STANDINGS[session.state.value],
            ending=session.ending.reason if session.ending else "",
            turn=session.turns,
            is_turn_open=session.turn_open,
            asked=tuple(one.approval_id for one in session.open_approvals),
        )

    def with_(self, **changes: object) -> Thread:
        return self.model_copy(update=changes)
