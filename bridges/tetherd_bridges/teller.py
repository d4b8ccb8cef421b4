"""Follows the log and says in the chat what happened.

A step is a batch of the log: all messages that follow from it, what is remembered then and the cursor are one commit.
A bridge that is too far behind, or whose log has begun anew, looks at the present state instead of replaying.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import trio

from tetherd.bridge import BridgePort, Change, Outgoing, ids
from tetherd.bridge import control as ctl
from tetherd.bridge import events as ev
from tetherd.logconfig import get_logger
from tetherd_bridges.conversation import approvals, story
from tetherd_bridges.conversation.messages import Message
from tetherd_bridges.conversation.story import Close, Rename, SayText, Settle
from tetherd_bridges.conversation.thread import Thread
from tetherd_bridges.live import Live
from tetherd_bridges.mind import Mind
from tetherd_bridges.platform import Platform
from tetherd_bridges.richtext import say

FAR_BEHIND = 20_000
TEXT_EVENTS = 1000
WRITTEN = frozenset({"message_written"})

log = get_logger(__name__)


class Teller:
    """What is told goes out through `platform`, whose name is the surface that we are."""

    def __init__(self, port: BridgePort, mind: Mind, platform: Platform) -> None:
        self._port = port
        self._surface = platform.name
        self._mind = mind
        self._platform = platform
        self._live = Live()

    async def run(self) -> None:
        """Until the log ends."""
        while not self._mind.home:  # nobody is let in yet, so there is nobody to tell
            await self._mind.owed.wait()
        status = await self._port.control.ask(ctl.GetStatus())
        cursor = await self._mind.state.cursor()
        if cursor is None or cursor.epoch != status.epoch or status.seq - cursor.seq > FAR_BEHIND:
            cursor = await self._catch_up(status, is_first=cursor is None)
        async with self._port.control.follow(cursor) as batches:
            async for batch in batches:
                entries = [one for one in batch if isinstance(one, ctl.Entry)]
                if entries:
                    await self._tell(entries, status.epoch)
                self._live.take(one for one in batch if isinstance(one, ctl.Delta))
                await self._show_live()

    async def _tell(self, entries: Iterable[ctl.Entry], epoch: str) -> None:
        change = Change()
        posts: dict[str, Outgoing] = {}
        threads: dict[str, Thread] = {}
        for entry in entries:
            change.cursor = ctl.Cursor(entry.seq, epoch)
            session_id = entry.session_id
            thread = threads.get(session_id) or await self._thread(session_id, entry)
            if thread is None:
                continue  # deleted meanwhile: there is nothing to tell of it any more
            event = entry.event()
            told = story.tell(thread, entry.seq, datetime.fromisoformat(entry.at), event, self._surface)
            threads[session_id] = told.thread
            if isinstance(event, ev.MessageWritten | ev.TurnCompleted | ev.RunEnded):
                self._live.forget(session_id)
            for action in told.actions:
                await self._act(action, told.thread, change, posts)
        for thread in threads.values():
            if ids.SessionId(thread.session_id) not in change.forget_session:
                change.remember[thread.key] = thread.model_dump(mode="json", exclude_defaults=True)
        change.post += posts.values()
        await self._mind.commit(change)

    async def _show_live(self) -> None:
        """Text that is being written, now and then and only while nothing else is to be sent: it is never owed."""
        now = trio.current_time()
        for session_id, text in self._live.due(now):
            thread = self._mind.thread(session_id)
            if thread is None or not thread.is_turn_open or self._platform.window(self._mind.home).is_scarce(now):
                continue
            if await self._mind.state.owed():
                return
            thread = thread.with_(has_digest=True)
            change = Change(remember={thread.key: thread.model_dump(mode="json", exclude_defaults=True)})
            change.post.append(self._mind.outgoing(story.digest(thread, text), self._port.now()))
            await self._mind.commit(change)
            self._live.shown(session_id, now)

    async def _thread(self, session_id: ids.SessionId, entry: ctl.Entry) -> Thread | None:
        thread = self._mind.thread(session_id)
        if thread is not None:
            return thread
        if entry.kind == "session_created":
            made = entry.event()
            assert isinstance(made, ev.SessionCreated)
            return Thread(session_id=session_id, name=made.name, directory=made.directory, adapter=made.adapter)
        try:
            return Thread.of(await self._port.control.ask(ctl.GetSession(session_id)))
        except ctl.NotFound:
            return None

    async def _act(self, action: story.Action, thread: Thread, change: Change, posts: dict[str, Outgoing]) -> None:
        match action:
            case Message():
                self._post(action, posts)
            case SayText(after=after, upto=upto, loud=loud):
                for message in story.texts(thread, upto, await self._text(thread, after, upto), loud):
                    self._post(message, posts)
            case Settle():
                await self._settle(action, thread, change, posts)
            case Rename():
                self._post(story.status(thread), posts)  # whoever delivers it sees the new name
            case Close():
                change.remember[thread.key] = None
                place = self._mind.place(thread.session_id)
                if place is not None and place.place is not None:
                    change.remember[f"closing/{thread.session_id}"] = place.model_dump(mode="json")
                    change.remember[f"place/{thread.session_id}"] = None
                change.forget_session.append(ids.SessionId(thread.session_id))
                for key in [key for key, one in posts.items() if one.session_id == thread.session_id]:
                    del posts[key]

    def _post(self, message: Message, posts: dict[str, Outgoing]) -> None:
        posts[message.key] = self._mind.outgoing(message, self._port.now())  # a key keeps its first place in a dict

    async def _settle(self, action: Settle, thread: Thread, change: Change, posts: dict[str, Outgoing]) -> None:
        key = approvals.key_of(action.approval_id)
        if action.quietly and key in posts:
            del posts[key]
            return
        if action.quietly:
            change.withdraw.append(key)
        try:
            view = await self._port.control.ask(ctl.GetApproval(ids.ApprovalId(action.approval_id)))
        except ctl.NotFound:
            return
        self._post(approvals.settled(view.approval, thread.session_id, action.resolution), posts)

    async def _text(self, thread: Thread, after: int, upto: int) -> str:
        """What the agent wrote behind `after` up to `upto`: its messages, put together from their parts."""
        parts: dict[str, bytearray] = {}
        page: Sequence[ctl.Entry] = ()
        # more than a file takes is cut there anyway: it is not gathered either
        while after < upto and sum(map(len, parts.values())) <= 2 * story.FILE_BYTES:
            query = ctl.ReadEvents(after, ids.SessionId(thread.session_id), WRITTEN, limit=TEXT_EVENTS, whole=True)
            page = await self._port.control.ask(query)
            for entry in page:
                part = entry.event()
                if entry.seq <= upto and isinstance(part, ev.MessageWritten) and part.parent_tool_call_id is None:
                    text = parts.setdefault(part.message_id, bytearray())
                    text[part.offset * 2 :] = part.text.encode("utf-16-le", "replace")
            after = page[-1].seq if len(page) == TEXT_EVENTS else upto
        texts = (data.decode("utf-16-le", "replace").strip("\n") for data in parts.values())
        return "\n\n".join(text for text in texts if text.strip())

    # -- behind a hole -------------------------------------------------------------------------------------------

    async def _catch_up(self, status: ctl.DaemonStatus, *, is_first: bool) -> ctl.Cursor:
        """From the views: requests that wait get their message, those that were answered lose their buttons."""
        cursor = ctl.Cursor(status.seq, status.epoch)
        change, posts = Change(cursor=cursor), dict[str, Outgoing]()
        waiting = await self._port.control.ask(ctl.ListApprovals())
        threads = self._mind.threads()
        known = {thread.session_id: thread for thread in threads if thread.standing != "ended" or thread.asked}
        for thread in known.values():
            for approval_id in thread.asked:
                if approval_id not in {view.approval.approval_id for view in waiting}:
                    view = await self._found(approval_id)
                    if view is not None:
                        self._post(approvals.settled(view.approval, thread.session_id, view.resolution), posts)
        for session_id in {*known, *(view.session_id for view in waiting)}:
            try:
                found = await self._port.control.ask(ctl.GetSession(ids.SessionId(session_id)))
            except ctl.NotFound:
                change.remember[f"thread/{session_id}"] = None
                change.forget_session.append(ids.SessionId(session_id))
                continue
            thread = Thread.of(found)
            change.remember[thread.key] = thread.model_dump(mode="json", exclude_defaults=True)
            self._post(story.status(thread), posts)
        for view in waiting:
            self._post(approvals.asked(view.approval, view.session_id), posts)
        if not is_first:
            words = f"ℹ️ Some of what happened is not shown here. {len(waiting)} requests wait for an answer."
            self._post(Message(key=f"caught-up/{status.epoch}/{status.seq}", text=say(words)), posts)
            log.warning("caught up from the present state", bridge=self._surface)
        change.post += posts.values()
        await self._mind.commit(change)
        return cursor

    async def _found(self, approval_id: str) -> ctl.ApprovalView | None:
        try:
            return await self._port.control.ask(ctl.GetApproval(ids.ApprovalId(approval_id)))
        except ctl.NotFound:
            return None
