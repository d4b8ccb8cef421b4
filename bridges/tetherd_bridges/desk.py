"""Takes what people say and do in a chat to the daemon, once, if they may.

Authority is looked up anew for everything that comes in, by ids that never change. What was done is committed
together with the note that it was heard: a message that comes again finds the note, and one whose note was lost in a
crash is carried out under the same key, which the daemon knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from tetherd.bridge import BridgePort, Change, Pressed, ids
from tetherd.bridge import commands as cmd
from tetherd.bridge import control as ctl
from tetherd.errors import Rejected
from tetherd.logconfig import get_logger
from tetherd_bridges.clerk import Clerk
from tetherd_bridges.conversation import replies
from tetherd_bridges.conversation.incoming import Ignored, Incoming, Moved, Said, Tapped, Where, Who
from tetherd_bridges.conversation.messages import Press
from tetherd_bridges.conversation.words import Command, read_command
from tetherd_bridges.decisions import TOAST_CHARACTERS, Decisions
from tetherd_bridges.errands import Errands
from tetherd_bridges.mind import Mind
from tetherd_bridges.platform import Platform
from tetherd_bridges.richtext import shortened

STRANGERS_LOGGED = 100
TRIES_ANSWERED = 10

log = get_logger(__name__)


class Desk:
    """`allowed` are the user ids of the settings; those who were paired come on top."""

    def __init__(self, port: BridgePort, mind: Mind, platform: Platform, allowed: Collection[str]) -> None:
        self._clerk = Clerk(port, platform.name, mind)
        self._errands = Errands(self._clerk, platform)
        self._decisions = Decisions(self._clerk)
        self._platform = platform
        self._mind = mind
        self._allowed = frozenset(allowed)
        self._strangers: set[tuple[str, str]] = set()
        self._tries: Counter[str] = Counter()

    async def take(self, incoming: Incoming) -> None:
        """Act on it, once. Raises Unavailable when it is to be shown again later."""
        if isinstance(incoming, Ignored) or await self._mind.state.has_heard(incoming.key):
            return
        change = Change(heard=[incoming.key])
        toast = ""
        match incoming:
            case Said():
                await self._said(incoming, change)
            case Tapped():
                toast = await self._tapped(incoming, change)
            case Moved(old=old, new=new):
                await self._mind.move(old, new, change)
        await self._mind.commit(change)
        if isinstance(incoming, Tapped):
            await self._platform.toast(incoming.query, toast)

    # -- authority -----------------------------------------------------------------------------------------------

    def _is_let_in(self, who: Who, where: Where) -> bool:
        """These people, in the home chat or in private. Nobody else, nowhere else."""
        known = who.user_id in self._allowed or who.user_id in self._mind.paired()
        return known and (where.lane == self._mind.home or where.is_private)

    def _note_stranger(self, who: Who, what: str) -> bool:
        """Log the first time; True then."""
        if (who.user_id, what) in self._strangers or len(self._strangers) >= STRANGERS_LOGGED:
            return False
        self._strangers.add((who.user_id, what))
        log.warning("refused", surface=self._clerk.surface, user=who.user_id, what=what)
        return True

    # -- words ---------------------------------------------------------------------------------------------------

    async def _said(self, said: Said, change: Change) -> None:
        command = None if said.is_passed_on else read_command(said.text)
        if not self._is_let_in(said.who, said.where):
            await self._from_stranger(said, command, change)
            return
        try:
            session_id = await self._session_for(said)
            if command is not None:
                await self._errands.run(said, command, session_id, change)
            else:
                await self._plain(said, session_id, change)
        except Rejected as error:
            self._clerk.reply(said, replies.trouble(str(error), error.hint), change)

    async def _from_stranger(self, said: Said, command: Command | None, change: Change) -> None:
        """In private a code may be tried; everything else is refused, once in words and once in the log."""
        if said.where.is_private and command is not None and command.name == "pair":
            if await self._mind.try_code(command.rest, self._clerk.port.now(), change):
                change.remember["paired"] = {**self._mind.paired(), said.who.user_id: said.who.name}
                log.info("somebody was paired", surface=self._clerk.surface, user=said.who.user_id)
                self._clerk.reply(said, replies.text("🔓 You are in. /help says what there is to say."), change)
                return
            self._note_stranger(said.who, "a wrong pairing code")
            self._tries[said.who.user_id] += 1
            if self._tries[said.who.user_id] <= TRIES_ANSWERED:
                self._clerk.reply(said, replies.text("🔒 That code is not good."), change)
        elif self._note_stranger(said.who, "a message") and said.where.is_private:
            words = f"🔒 I do not know you. Whoever runs tetherd: tetherctl bridges pair {self._clerk.surface}"
            self._clerk.reply(said, replies.text(words), change)

    async def _plain(self, said: Said, session_id: str | None, change: Change) -> None:
        """A reason that was asked for, an answer to the one request that waits, or input."""
        if not said.is_passed_on and await self._decisions.was_reason(said, change):
            return
        if session_id is None:
            if said.where.is_private or said.where.place is not None:
                words = "Which session? Reply to one of its messages, or /list and /attach N."
                self._clerk.reply(said, replies.text(words), change)
            return
        if not said.is_passed_on and await self._decisions.was_answer(said, session_id, change):
            return
        text = await self._with_files(said, session_id) if said.files else said.text
        if text.strip():
            await self._clerk.port.control.submit(
                cmd.SendInput(
                    session_id=ids.SessionId(session_id),
                    by=self._clerk.actor(said.who),
                    key=self._clerk.key(cmd.SendInput, said.key),
                    input_id=ctl.fresh_input_id(),
                    text=text,
                )
            )

    async def _with_files(self, said: Said, session_id: str) -> str:
        """The text, and where the files that came with it are now."""
        found = await self._platform.fetch(said, self._clerk.port.files_dir / session_id)
        rows = [f"[attached file: {path}]" for path in found]
        return "\n".join([said.text, *rows] if said.text.strip() else rows)

    async def _session_for(self, said: Said) -> str | None:
        """The session of this thread, of the message that is replied to, or the one that was chosen."""
        where = said.where
        if where.place is not None:
            return self._mind.session_at(where.lane, where.place)
        if said.replies_to and (found := await self._mind.state.session_of(where.lane, said.replies_to)):
            return found
        return self._mind.current(where.lane) if where.is_private else None

    # -- buttons -------------------------------------------------------------------------------------------------

    async def _tapped(self, tapped: Tapped, change: Change) -> str:
        """What whoever tapped is told for a moment."""
        if not self._is_let_in(tapped.who, tapped.where):
            self._note_stranger(tapped.who, "a button")
            return "You may not do this here."
        pressed = await self._mind.state.pressed(tapped.token)
        if pressed is None:
            self._note_stranger(tapped.who, "a button that we never made")
            return "This button is no longer good."
        if pressed.expires_at < self._clerk.port.now():
            return "This button is too old: /approvals makes fresh ones."
        if not _is_on_it(tapped, pressed):
            self._note_stranger(tapped.who, "a button of another message")
            return "This button belongs to another message."
        if pressed.ref is None and tapped.ref is not None:
            await self._mind.state.adopt(pressed.key, tapped.ref)
        press = Press.model_validate(pressed.press)
        try:
            if press.do == "page":
                await self._errands.turn_page(tapped, press, pressed.key, change)
                return ""
            if press.do == "end_rule":
                return shortened(await self._errands.end_rule(tapped, press, change), TOAST_CHARACTERS)
            return await self._decisions.press(tapped, press, change)
        except Rejected as error:
            return shortened(str(error), TOAST_CHARACTERS)


def _is_on_it(tapped: Tapped, pressed: Pressed) -> bool:
    """A message that may have been sent twice is believed by its chat alone: we know one of its two names."""
    if pressed.lane is None:
        return True  # the message was forgotten; the approval knows whether it still waits
    if tapped.where.lane != pressed.lane:
        return False
    return pressed.is_doubtful or pressed.ref is None or tapped.ref is None or tapped.ref == pressed.ref
