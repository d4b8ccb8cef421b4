"""Decisions that people make in a chat: by button, by word, with a reason."""

from __future__ import annotations

from datetime import timedelta

from tetherd.bridge import Change, ids, rule
from tetherd.bridge import approval as ap
from tetherd.bridge import commands as cmd
from tetherd.bridge import control as ctl
from tetherd_bridges.clerk import NAME_CHARACTERS, Clerk
from tetherd_bridges.conversation import always, approvals, replies
from tetherd_bridges.conversation.incoming import Said, Tapped, Who
from tetherd_bridges.conversation.messages import Message, Press
from tetherd_bridges.conversation.words import Decision, read_decision
from tetherd_bridges.mind import Reason
from tetherd_bridges.richtext import say, shortened

Wanted = rule.Wanted

REASON_MINUTES = 10
TOAST_CHARACTERS = 190


class Decisions:
    """Carries decisions to the daemon. Whoever calls has made sure that this person may decide."""

    def __init__(self, clerk: Clerk) -> None:
        self._clerk = clerk

    async def press(self, tapped: Tapped, press: Press, change: Change) -> str:
        """A button of an approval; what whoever tapped is told for a moment."""
        about = (press.session_id, press.approval_id, press.digest)
        match press.do:
            case "choose":
                answer = ap.Answer(decision=press.decision, choice=(press.choice,))
            case "reason" | "words":
                return await self._ask_for_words(tapped, press, change)
            case "always" | "always_for" | "back":
                return await self._ask_how_far(press, change)
            case "always_until":
                answer = ap.Answer(decision="approve")
                wanted = Wanted(
                    "session", timedelta(minutes=press.minutes) if press.minutes else None, press.choice or None
                )
                return await self._decide(tapped.who, tapped.key, *about, answer, wanted)
            case "mark":
                return await self._mark(press, change)
            case "send":
                marked = tuple(self._clerk.mind.marked(press.approval_id))
                if not marked:
                    return "Choose first, then send."
                change.remember[f"marked/{press.approval_id}"] = None
                answer = ap.Answer(decision="approve", choice=marked)
            case _:
                answer = ap.Answer(decision="approve" if press.do == "approve" else "reject")
        return await self._decide(tapped.who, tapped.key, *about, answer)

    async def was_reason(self, said: Said, change: Change) -> bool:
        """Is it the reason, or the answer in own words, that this person was asked for here?"""
        mind = self._clerk.mind
        reason = mind.reason(said.where.lane, said.who.user_id)
        if reason is None or reason.place != said.where.place:
            return False
        change.remember[f"reason/{said.where.lane}/{said.who.user_id}"] = None
        if reason.until < self._clerk.port.now() or not said.text.strip():
            return False
        words = said.text.strip()
        answer = ap.Answer(decision="reject", reason=words)
        if reason.decision == "approve":
            answer = ap.Answer(decision="approve", text=words)
        toast = await self._decide(said.who, said.key, reason.session_id, reason.approval_id, reason.digest, answer)
        if toast not in ("Approved", "Rejected"):
            self._clerk.reply(said, replies.text(toast), change)
        return True

    async def was_answer(self, said: Said, session_id: str, change: Change) -> bool:
        """The exact words, while exactly one request waits here; anything else is for the agent."""
        decision = read_decision(said.text)
        number = int(said.text) if said.text.strip().isdecimal() and len(said.text) < 4 else None
        if decision is None and number is None:
            return False
        waiting = await self._clerk.port.control.ask(ctl.ListApprovals(session_id=ids.SessionId(session_id)))
        if not waiting:
            return False
        if len(waiting) > 1:
            words = f"{len(waiting)} requests wait here: press a button of the one you mean."
            self._clerk.reply(said, replies.text(words), change)
            return True
        approval = waiting[0].approval
        answer = _answer_for(approval, decision, number)
        if answer is None:
            return False
        toast = await self._decide(said.who, said.key, session_id, approval.approval_id, approval.digest(), answer)
        if toast.startswith("Already"):
            self._clerk.reply(said, replies.text(toast), change)
        return True

    async def _ask_how_far(self, press: Press, change: Change) -> str:
        """The next step of "always", in the place of the buttons before."""
        clerk = self._clerk
        view = await clerk.port.control.ask(ctl.GetApproval(ids.ApprovalId(press.approval_id)))
        if view.state != "pending":
            return _already(view.resolution)
        match press.do:
            case "always":
                buttons = always.ask_width(view.approval, press)
            case "always_for":
                buttons = always.ask_time(press)
            case _:
                buttons = ()
        clerk.post(approvals.asked(view.approval, press.session_id, buttons=buttons), change)
        return ""

    async def _mark(self, press: Press, change: Change) -> str:
        """One of several choices, or no longer; its button shows it."""
        clerk = self._clerk
        view = await clerk.port.control.ask(ctl.GetApproval(ids.ApprovalId(press.approval_id)))
        if view.state != "pending":
            return _already(view.resolution)
        marked = clerk.mind.marked(press.approval_id)
        if press.choice in marked:
            marked.remove(press.choice)
        elif press.choice:
            marked.append(press.choice)
        change.remember[f"marked/{press.approval_id}"] = list(marked)
        clerk.post(approvals.asked(view.approval, press.session_id, marked), change)
        return ""

    async def _ask_for_words(self, tapped: Tapped, press: Press, change: Change) -> str:
        clerk, where, who = self._clerk, tapped.where, tapped.who
        view = await clerk.port.control.ask(ctl.GetApproval(ids.ApprovalId(press.approval_id)))
        if view.state != "pending":
            return _already(view.resolution)
        reason = Reason(
            session_id=press.session_id,
            approval_id=press.approval_id,
            digest=press.digest,
            place=where.place,
            until=clerk.port.now() + timedelta(minutes=REASON_MINUTES),
            decision="approve" if press.do == "words" else "reject",
        )
        change.remember[f"reason/{where.lane}/{who.user_id}"] = reason.model_dump(mode="json")
        asked, what = ("what is it?", "answer") if press.do == "words" else ("why not?", "reason")
        words = f"✏️ {shortened(who.name, NAME_CHARACTERS)}, {asked} What you write next is the {what}."
        message = Message(key=f"reason/{tapped.key}", text=say(words), session_id=press.session_id, asks=True)
        clerk.post(message, change, where)
        return ""

    async def _decide(
        self,
        who: Who,
        key: str,
        session_id: str,
        approval_id: str,
        digest: str,
        answer: ap.Answer,
        wanted: Wanted | None = None,
    ) -> str:
        command = cmd.AnswerApproval(
            session_id=ids.SessionId(session_id),
            by=self._clerk.actor(who),
            key=self._clerk.key(cmd.AnswerApproval, key),
            approval_id=ids.ApprovalId(approval_id),
            answer=answer,
            digest=digest or None,
            always=wanted,
        )
        try:
            await self._clerk.port.control.submit(command)
        except ap.AlreadyResolved as error:
            return _already(error.resolution)
        if wanted is not None:
            return "Approved, and so will be what is like it"
        return "Approved" if answer.decision == "approve" else "Rejected"


def _already(resolution: ap.Resolution | None) -> str:
    return shortened(f"Already {resolution}" if resolution else "Already withdrawn by the agent", TOAST_CHARACTERS)


def _answer_for(approval: ap.Approval, decision: Decision | None, number: int | None) -> ap.Answer | None:
    """What the words mean for this approval; None when they mean nothing for it."""
    if approval.kind is ap.ApprovalKind.QUESTION:
        offered = approvals.choices(approval)
        if number is not None and 1 <= number <= len(offered):
            option = offered[number - 1]
            return ap.Answer(decision=option.decision, choice=(option.option_id,))
        if decision is None or decision.decision == "approve":
            return None  # which of them?
    if decision is None:
        return None
    return ap.Answer(decision=decision.decision, reason=decision.reason)
