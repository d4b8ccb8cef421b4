"""What all who deal with people need: who gives a command, its key, and an answer where it was asked."""

from __future__ import annotations

from dataclasses import dataclass

from tetherd.bridge import BridgePort, Change, ids
from tetherd_bridges.conversation.incoming import Said, Where, Who
from tetherd_bridges.conversation.messages import Face, Message
from tetherd_bridges.mind import Mind
from tetherd_bridges.richtext import Rich, shortened

NAME_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class Clerk:
    """`surface` is the platform's name, which stands on every decision."""

    port: BridgePort
    surface: str
    mind: Mind

    def actor(self, who: Who) -> ids.Actor:
        """An approver: decides, sends, starts in listed directories, and widens nothing."""
        principal = ids.Principal(role=ids.Role.APPROVER, name=shortened(who.name, NAME_CHARACTERS) or who.user_id)
        return ids.Actor(principal=principal, surface=self.surface, device=who.user_id)  # type: ignore[arg-type]

    def key(self, command: type, incoming: str) -> str:
        """The same incoming message is the same command, however often it comes."""
        return f"{command.__name__}//{self.surface}/{incoming}"

    def reply(
        self, said: Said, text: Rich, change: Change, buttons: tuple[tuple[Face, ...], ...] = (), *, key: str = ""
    ) -> None:
        """An answer where it was asked; one with a key of its own may change later."""
        message = Message(key=key or f"reply/{said.key}", text=text, buttons=buttons, kept=bool(key))
        self.post(message, change, said.where)

    def post(self, message: Message, change: Change, where: Where | None = None) -> None:
        """In this chat and thread, or in the thread of the message's session."""
        lane, place = (where.lane, where.place) if where else (None, None)
        change.post.append(self.mind.outgoing(message, self.port.now(), lane, place))
