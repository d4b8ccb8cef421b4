"""The story that is told again with a crash at every place of it, and what must be true at its end.

Two surfaces and one agent: a question that both answer, an input that waits, a question that is interrupted, a stop,
a second run whose agent asks "0" again, and an agent that leaves by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import trio

from tests.agents.acp_replay import joined, units
from tests.fakes.agent_host import Script
from tests.faults.enumerated.harness import APPROVE, CLI, PHONE, REJECT, SID, Follower, Lab
from tetherd.control import Outcome
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import AlreadyResolved, ByActor
from tetherd.domain.session import born, evolve
from tetherd.errors import Rejected

SCRIPT: Script = {
    "first": [
        ("text", "I look "),
        ("text", "at it: é😀 "),
        ("text", "and ask."),
        ("ask", "make"),
        ("text", "Going "),
        ("text", "on."),
        ("end", "end_turn"),
    ],
    "second": [("text", "Hm, "), ("ask", "rm"), ("text", "never said"), ("end", "end_turn")],
    "third": [
        ("text", "Again."),
        ("ask", "make again"),
        ("text", "Bye "),
        ("text", "now."),
        ("end", "end_turn"),
        ("exit", 0),
    ],
}


async def tell(path: Path, seed: int, *deaths: int | None) -> Lab:
    """The whole story; `deaths` are the places at which the first daemons die. Fails when a rule is broken."""
    lab = Lab(path, SCRIPT, seed)
    follower = Follower(lab)
    answers: list[tuple[Any, Outcome | Rejected]] = []
    async with lab.running(*deaths), trio.open_nursery() as watching:
        watching.start_soon(follower.run)
        async with trio.open_nursery() as people:
            people.start_soon(_at_the_keyboard, lab, answers)
            people.start_soon(_on_the_phone, lab, answers)
        await trio.sleep(5)  # virtual: what is under way arrives
        await _judge(lab, follower, answers)
        watching.cancel_scope.cancel()
    return lab


async def _at_the_keyboard(lab: Lab, answers: list[Any]) -> None:
    await lab.create()
    await lab.send("first")
    (asked,) = (await lab.wait_for(ev.ApprovalRequested))[:1]
    await lab.hesitate()
    answers.append((CLI, await lab.answer(asked.approval, APPROVE, CLI, "cli-1")))
    await lab.wait_for(ev.TurnCompleted, 2)
    await lab.submit(cmd.StopSession(session_id=SID, by=CLI, key="stop"))
    await lab.wait_for(ev.RunEnded)
    await lab.submit(cmd.ResumeSession(session_id=SID, by=CLI, key="resume"))
    await lab.send("third")
    asked = (await lab.wait_for(ev.ApprovalRequested, 3))[2]
    await lab.answer(asked.approval, APPROVE, CLI, "cli-3")
    await lab.wait_for(ev.RunEnded, 2)


async def _on_the_phone(lab: Lab, answers: list[Any]) -> None:
    (asked,) = (await lab.wait_for(ev.ApprovalRequested))[:1]
    await lab.hesitate()
    answers.append((PHONE, await lab.answer(asked.approval, REJECT, PHONE, "phone-1")))
    await lab.send("second", PHONE)
    await lab.wait_for(ev.ApprovalRequested, 2)
    await lab.hesitate()
    await lab.submit(cmd.Interrupt(session_id=SID, by=PHONE, key="interrupt"))


# -- the judgement ----------------------------------------------------------------------------------------------------


async def _judge(lab: Lab, follower: Follower, answers: Sequence[tuple[Any, Outcome | Rejected]]) -> None:
    entries = await lab.entries()
    events = [entry.event() for entry in entries]
    assert follower.seqs == [entry.seq for entry in entries], "a follower has a gap or a double"
    _one_answer(events, answers)
    _what_the_agent_heard(lab)
    _whole_texts(lab, events)
    _facts_in_order(events)
    await _nothing_owed(lab)
    await _views_are_the_log(lab, events)


def _one_answer(events: list[Any], answers: Sequence[tuple[Any, Outcome | Rejected]]) -> None:
    """Rule 6: the first answer wins, the other hears who was first, and nobody hears yes for nothing."""
    resolved = [event for event in events if isinstance(event, ev.ApprovalResolved)]
    assert len({event.approval_id for event in resolved}) == len(resolved) == 3
    won = [actor for actor, told in answers if isinstance(told, Outcome)]
    assert [resolved[0].by] == [ByActor(actor=actor) for actor in won]
    assert resolved[0].answer == (APPROVE if won == [CLI] else REJECT)
    (lost,) = (told for _, told in answers if not isinstance(told, Outcome))
    assert isinstance(lost, AlreadyResolved) and lost.resolution is not None
    assert lost.resolution.by == resolved[0].by


def _what_the_agent_heard(lab: Lab) -> None:
    """Rules 2, 3 and 5: every word once, in order; verdicts before the interrupt; no word of one run in the next."""
    first, second = lab.shim(1), lab.shim(2)
    for shim in (first, second):
        assert shim.wrong == [] and shim.agent.wrong == []
    chosen = first.agent.heard[1][1][1]
    assert first.agent.heard == [
        ("prompt", "first"),
        ("verdict", ("make", chosen)),
        ("prompt", "second"),
        ("verdict", ("rm", None)),
        ("cancel", None),
    ]
    assert second.agent.heard == [("prompt", "third"), ("verdict", ("make again", "yes"))]
    assert len(lab.machine.shims) == 2


def _whole_texts(lab: Lab, events: list[Any]) -> None:
    """Rule 4: nothing lost, nothing doubled, and nothing of what a loaded session repeats."""
    written = [event.text for event in joined(events) if isinstance(event, ev.MessageWritten)]
    assert "".join(written) == "".join(lab.shim(1).agent.said + lab.shim(2).agent.said)
    assert units("".join(written)) > 0
    assert not [event for event in events if isinstance(event, ev.OutputUnrecognised)]


def _facts_in_order(events: list[Any]) -> None:
    """Asked, resolved, delivered; accepted, delivered. Each once."""
    for asked in [event.approval for event in events if isinstance(event, ev.ApprovalRequested)]:
        about = [e.type for e in events if getattr(e, "approval_id", None) == asked.approval_id]
        assert about == ["approval_resolved", "verdict_delivered"]
    for text in ("first", "second", "third"):
        about = [e.type for e in events if getattr(e, "input_id", None) == f"i-{text}"]
        assert about == ["input_accepted", "turn_started", "input_delivered"]
    ends = [(event.run_id, event.reason) for event in events if isinstance(event, ev.RunEnded)]
    assert ends == [("r-1", "stopped"), ("r-2", "finished")]


async def _nothing_owed(lab: Lab) -> None:
    """Rule 2: what a run was owed is with its agent, or marked; no frame waits for a later one."""
    session = await lab.session()
    assert (session.queued, session.sent, session.verdicts, session.open_approvals) == ((), (), (), ())


async def _views_are_the_log(lab: Lab, events: list[Any]) -> None:
    """Rule 1: views are written with their events, so the fold of the log is what they say."""
    session = born(SID, events[0])
    for event in events[1:]:
        session = evolve(session, event)
    assert await lab.session() == session
