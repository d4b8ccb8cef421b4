"""Commands that people type: /list, /attach, /new and the others."""

from __future__ import annotations

from pathlib import Path

import trio

from tetherd.bridge import Change, ids
from tetherd.bridge import commands as cmd
from tetherd.bridge import control as ctl
from tetherd_bridges.clerk import NAME_CHARACTERS, Clerk
from tetherd_bridges.conversation import approvals, replies, story
from tetherd_bridges.conversation.incoming import Said, Tapped
from tetherd_bridges.conversation.messages import Face, Message, Press
from tetherd_bridges.conversation.thread import Thread
from tetherd_bridges.conversation.words import Command, read_wish
from tetherd_bridges.platform import Platform
from tetherd_bridges.richtext import Rich, shortened

SESSIONS_LISTED = 200
APPROVALS_LISTED = 20
RULES_LISTED = 20


class Errands:
    """Carries commands out. Whoever calls has made sure that this person may give them."""

    def __init__(self, clerk: Clerk, platform: Platform) -> None:
        self._clerk = clerk
        self._platform = platform

    async def run(self, said: Said, command: Command, session_id: str | None, change: Change) -> None:
        """`session_id`: the session of the thread, or the one that was chosen. Raises Rejected."""
        control = self._clerk.port.control
        match command.name:
            case "help" | "start":
                directories = [str(one) for one in self._clerk.port.directories]
                self._clerk.reply(said, replies.help_text(directories), change)
            case "list" | "sessions":
                await self._list(said, command.rest, change)
            case "attach":
                await self._attach(said, command.rest, change)
            case "new":
                await self._new(said, command.rest, session_id, change)
            case "approvals":
                await self._approvals(said, session_id, change)
            case "rules":
                await self._rules(said, session_id, change)
            case "status" if session_id is None:
                self._clerk.reply(said, replies.overview(await control.ask(ctl.GetStatus())), change)
            case "status" | "usage" | "stop" | "interrupt" | "resume" if session_id is not None:
                await self._to_session(said, command.name, ids.SessionId(session_id), change)
            case "usage" | "stop" | "interrupt" | "resume":
                self._clerk.reply(said, replies.text(f"/{command.name} belongs into a session's thread."), change)
            case _:
                self._clerk.reply(said, replies.text(f"There is no /{shortened(command.name, 40)}: see /help."), change)

    async def end_rule(self, tapped: Tapped, press: Press, change: Change) -> str:
        """Make a grant worthless; what whoever tapped is told. Raises Rejected."""
        ended = await self._clerk.port.rules.end(press.choice, self._clerk.actor(tapped.who))
        return f"Ended: {ended}"

    async def turn_page(self, tapped: Tapped, press: Press, key: str, change: Change) -> None:
        """Show another page of the list, in its place."""
        text, buttons = await self._page(tapped.where.lane, press.page, press.search, change)
        self._clerk.post(Message(key=key, text=text, buttons=buttons, kept=True), change, tapped.where)

    async def _to_session(self, said: Said, name: str, target: ids.SessionId, change: Change) -> None:
        clerk, control = self._clerk, self._clerk.port.control
        by = clerk.actor(said.who)
        match name:
            case "status":
                view = await control.ask(ctl.GetSession(target))
                clerk.reply(said, replies.one_session(view, clerk.port.now()), change)
            case "usage":
                clerk.reply(said, replies.usage(await control.ask(ctl.GetSession(target))), change)
            case "stop":
                await control.submit(
                    cmd.StopSession(session_id=target, by=by, key=clerk.key(cmd.StopSession, said.key))
                )
            case "interrupt":
                await control.submit(cmd.Interrupt(session_id=target, by=by, key=clerk.key(cmd.Interrupt, said.key)))
            case _:
                await control.submit(
                    cmd.ResumeSession(session_id=target, by=by, key=clerk.key(cmd.ResumeSession, said.key))
                )

    # -- lists ---------------------------------------------------------------------------------------------------

    async def _list(self, said: Said, rest: str, change: Change) -> None:
        is_page = rest.isdecimal() and len(rest) < 4
        page = max(0, int(rest) - 1) if is_page else 0
        text, buttons = await self._page(said.where.lane, page, "" if is_page else rest, change)
        self._clerk.reply(said, text, change, buttons, key=f"list/{said.key}")

    async def _page(
        self, lane: str, page: int, search: str, change: Change
    ) -> tuple[Rich, tuple[tuple[Face, ...], ...]]:
        """A page of the list; its numbers are good in this chat until the next list."""
        query = ctl.ListSessions(search=search[:100] or None, limit=SESSIONS_LISTED)
        views = await self._clerk.port.control.ask(query)
        change.remember[f"numbers/{lane}"] = [view.session.session_id for view in views]
        shown = views[page * replies.PAGE : (page + 1) * replies.PAGE]
        return replies.listing(shown, page, search, len(views), self._clerk.port.now())

    async def _approvals(self, said: Said, session_id: str | None, change: Change) -> None:
        """What waits, and where; their messages get fresh buttons, for those of an old message may have expired."""
        target = ids.SessionId(session_id) if session_id else None
        waiting = await self._clerk.port.control.ask(ctl.ListApprovals(session_id=target))
        if not waiting:
            self._clerk.reply(said, replies.text("Nothing waits for an answer."), change)
            return
        rows = [f"{len(waiting)} wait for an answer:"]
        for view in waiting[:APPROVALS_LISTED]:
            await self._known(view.session_id, change)
            self._clerk.post(approvals.asked(view.approval, view.session_id), change)
            where = self._link(view.session_id)
            rows.append(f"{shortened(view.session_name, 40)}: {shortened(view.approval.title, 80)}{where}")
        self._clerk.reply(said, replies.text("\n".join(rows)), change)

    async def _rules(self, said: Said, session_id: str | None, change: Change) -> None:
        """The grants that count here, each with a button that ends it; rules of the file are a person's to edit."""
        view = await self._clerk.port.rules.show()
        found = [
            one
            for one in view.rules
            if (one.expires_at is None or one.expires_at > view.now) and one.session_id in (None, session_id)
        ]
        if session_id is None:
            found = [one for one in view.rules if one.expires_at is None or one.expires_at > view.now]
        text, buttons = replies.rules(found[:RULES_LISTED])
        self._clerk.reply(said, text, change, buttons, key=f"rules/{said.key}")

    # -- sessions ------------------------------------------------------------------------------------------------

    async def _attach(self, said: Said, rest: str, change: Change) -> None:
        numbers = self._clerk.mind.numbers(said.where.lane)
        number = int(rest) if rest.isdecimal() and len(rest) < 6 else 0
        if not 1 <= number <= len(numbers):
            self._clerk.reply(said, replies.text("/attach takes a number of the last /list."), change)
            return
        await self._bring(said, ids.SessionId(numbers[number - 1]), change, "Here it is")

    async def _new(self, said: Said, rest: str, session_id: str | None, change: Change) -> None:
        clerk, port = self._clerk, self._clerk.port
        wish = read_wish(rest, port.adapters)
        here = clerk.mind.thread(session_id) if session_id else None
        wanted = wish.directory or (here.directory if here else None)
        if wanted is None and len(port.directories) == 1:
            wanted = str(port.directories[0])
        directory = await trio.to_thread.run_sync(_listed, wanted, port.directories)
        if directory is None:
            listed = ", ".join(map(str, port.directories)) or "none; set TETHER_CHAT_DIRECTORIES"
            clerk.reply(said, replies.trouble("Not there.", f"Sessions can be started in: {listed}"), change)
            return
        by = clerk.actor(said.who)
        made = await port.control.submit(
            cmd.CreateSession(
                session_id=ctl.fresh_session_id(),
                by=by,
                key=clerk.key(cmd.CreateSession, said.key),
                name=shortened(wish.prompt, NAME_CHARACTERS) or directory.name,
                adapter=wish.adapter or (here.adapter if here else None) or port.default_adapter,
                external=False,
                directory=str(directory),
            )
        )
        new_id = made.session.session_id
        if wish.prompt:
            key = clerk.key(cmd.SendInput, said.key)
            await port.control.submit(
                cmd.SendInput(session_id=new_id, by=by, key=key, input_id=ctl.fresh_input_id(), text=wish.prompt)
            )
        else:
            key = clerk.key(cmd.StartSession, said.key)
            await port.control.submit(cmd.StartSession(session_id=new_id, by=by, key=key))
        await self._bring(said, new_id, change, "Started")

    async def _bring(self, said: Said, session_id: ids.SessionId, change: Change, words: str) -> None:
        """Give the session its thread, and say where it is."""
        thread = await self._known(session_id, change)
        change.remember[f"current/{said.where.lane}"] = session_id
        if self._clerk.mind.place(session_id) is None:
            self._clerk.post(story.status(thread), change)
        self._clerk.reply(
            said, replies.text(f"{words}: {shortened(thread.name, NAME_CHARACTERS)}{self._link(session_id)}"), change
        )

    async def _known(self, session_id: ids.SessionId, change: Change) -> Thread:
        """What its thread is told so far; a session of before our time begins here."""
        thread = self._clerk.mind.thread(session_id)
        if thread is None:
            thread = Thread.of(await self._clerk.port.control.ask(ctl.GetSession(session_id)))
            change.remember[thread.key] = thread.model_dump(mode="json", exclude_defaults=True)
        return thread

    def _link(self, session_id: str) -> str:
        place = self._clerk.mind.place(session_id)
        link = self._platform.link(place.lane, place.place) if place and place.place else None
        return f" → {link}" if link else ""


def _listed(wanted: str | None, listed: tuple[Path, ...]) -> Path | None:
    """The directory, links resolved, when it is one of these or below; else None."""
    if wanted is None or "\0" in wanted:
        return None
    path = Path(wanted).expanduser()
    if not path.is_absolute():
        return None
    found = path.resolve()
    return found if any(found.is_relative_to(one.resolve()) for one in listed) else None
