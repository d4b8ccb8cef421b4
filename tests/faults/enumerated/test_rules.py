"""The core rules, each with what fails where it is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.agents.acp_replay import joined
from tests.fakes.agent_host import Script
from tests.faults.enumerated.harness import APPROVE, CLI, PHONE, REJECT, SID, Lab, make_repeatable
from tests.faults.enumerated.story import tell
from tetherd.control import Outcome
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.approval import AlreadyResolved, ByCircumstance
from tetherd.domain.authority import Forbidden
from tetherd.domain.ids import Actor, Principal, Role
from tetherd.domain.session import SessionState
from tetherd.runtime import supervisor

SCRIPT: Script = {
    "ask": [("text", "May I? "), ("ask", "make"), ("text", "Done."), ("end", "end_turn")],
    "write": [("text", "é😀 one "), ("wait", None), ("text", "two "), ("text", "three"), ("end", "end_turn")],
    "long": [("raw", b"x" * 5000 + b"\n"), ("wait", None), ("text", "short"), ("end", "end_turn")],
}


async def asked(lab: Lab) -> None:
    await lab.create()
    await lab.send("ask")


async def texts(lab: Lab) -> str:
    return "".join(event.text for event in joined(await lab.events()) if isinstance(event, ev.MessageWritten))


async def test_1_a_verdict_is_committed_together_with_its_frame(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 1: whoever dies right after ApprovalResolved still owes the agent its verdict."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running(ev.ApprovalResolved):
        await asked(lab)
        await lab.answer(await lab.open_approval(), key="k")
        await lab.wait_for(ev.VerdictDelivered)
        assert ("verdict", ("make", "yes")) in lab.shim().agent.heard


async def test_1_a_launch_is_done_again_from_the_state(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 1: what is not in the outbox is re-derived: here the launch."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running(ev.SessionStarted):
        await asked(lab)
        await lab.open_approval()
        assert len(lab.machine.shims) == 1


async def test_2_a_verdict_of_a_dead_run_never_reaches_the_next(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 2: both runs ask "0"; the verdict on the first is moot, the second waits for its own."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await asked(lab)
        approval = await lab.open_approval()
        lab.shim().is_deaf = True
        await lab.answer(approval)
        lab.shim().vanish()
        await lab.wait_for(ev.RunEnded)
        assert [event.outcome for event in await lab.events(ev.VerdictDelivered)] == ["moot"]
        await lab.submit(cmd.ResumeSession(session_id=SID, by=CLI))
        await lab.submit(cmd.SendInput(session_id=SID, by=CLI, input_id="i-2", text="ask"))
        again = await lab.open_approval()
        assert again.request_id == approval.request_id and again.approval_id != approval.approval_id
        assert lab.shim(2).agent.heard == [("prompt", "ask")]


async def test_2_an_input_that_did_not_arrive_is_marked_and_not_sent_by_itself(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Rule 2: InputUndelivered with the RunEnded; the next run does not get it."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await asked(lab)
        await lab.open_approval()
        await lab.send("waits")
        await lab.crash()
        lab.shim().vanish()
        await lab.wait_for(ev.RunEnded)
        assert [event.input_id for event in await lab.events(ev.InputUndelivered)] == ["i-waits"]
        await lab.submit(cmd.ResumeSession(session_id=SID, by=CLI))
        await lab.wait_for(ev.AgentReady, 2)
        assert lab.shim(2).agent.heard == []


async def test_2_an_external_run_survives_recovery(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 2: it has no directory and no shim, so recovery leaves it as it is, and its program goes on."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create(adapter="external", external=True, directory=None)
        await lab.submit(cmd.PushEvents(session_id=SID, by=CLI, events=(), status="running"))
        await lab.crash()
        assert (await lab.session()).state is SessionState.RUNNING
        with trio.fail_after(5):
            done = await lab.submit(cmd.PushEvents(session_id=SID, by=CLI, events=(), status="done"))
        assert isinstance(done, Outcome) and done.session.state is SessionState.ENDED
        assert lab.machine.shims == {}


async def test_3_a_frame_is_sent_again_after_a_cut_and_arrives_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 3: what the shim has not seen is sent again, what it has seen is not."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await asked(lab)
        approval = await lab.open_approval()
        lab.shim().is_deaf = True
        await lab.answer(approval)
        lab.shim().cut()
        lab.shim().listen()
        await lab.wait_for(ev.TurnCompleted)
        assert lab.shim().agent.heard == [("prompt", "ask"), ("verdict", ("make", "yes"))]
        assert (lab.shim().wrong, lab.shim().repeats) == ([], 0)


async def test_3_a_lost_run_ends_with_what_it_had_said(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 3: neither lock nor status: read to its end, then RunEnded(lost)."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.send("write")
        await lab.wait_until(lambda: lab.machine.shims and lab.shim().agent.said)
        lab.shim().vanish()
        (ended,) = await lab.wait_for(ev.RunEnded)
        assert ended.reason == "lost" and await texts(lab) == "é😀 one "


async def test_3_a_shim_that_dies_before_we_attach_is_read_all_the_same(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """Rule 3: found alive, dead when we come: what it had said and nobody had read is not lost with it."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.submit(cmd.StartSession(session_id=SID, by=CLI))
        await lab.wait_for(ev.AgentReady)
        lab.shim().is_mute = True
        await lab.send("write")
        await lab.wait_until(lambda: lab.shim().agent.said)
        lab.machine.vanishes_once_found = True
        lab.shim().is_mute = False
        await lab.crash()
        (ended,) = await lab.wait_for(ev.RunEnded)
        assert ended.reason == "lost" and await texts(lab) == "é😀 one "


async def test_4_text_is_written_with_the_cursor_behind_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 4: a command in the middle of a message stores the pair, so the text goes with it; a crash follows."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.send("write")
        await lab.wait_for(ev.InputDelivered)
        await lab.submit(cmd.RenameSession(session_id=SID, by=CLI, name="other"))
        await lab.crash()
        lab.shim().agent.go_on()
        await lab.wait_for(ev.TurnCompleted)
        assert await texts(lab) == "é😀 one two three"


async def test_4_a_line_over_the_limit_moves_the_cursor(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 4: it becomes one OutputUnrecognised with its size, also over a crash, and what follows is read."""
    lab = Lab(tmp_path, SCRIPT)
    lab.machine.longest_line = 2000
    async with lab.running(ev.OutputUnrecognised):
        await lab.create()
        await lab.send("long")
        await lab.wait_for(ev.OutputUnrecognised)
        lab.shim().agent.go_on()
        await lab.wait_for(ev.TurnCompleted)
        assert [event.size for event in await lab.events(ev.OutputUnrecognised)] == [5000]
        assert await texts(lab) == "short"


async def test_5_a_question_while_interrupting_is_closed_at_once(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 5: nobody is asked any more, and the agent hears that it is cancelled."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.send("write")
        await lab.wait_for(ev.InputDelivered)
        lab.shim().agent.is_stubborn = True
        await lab.submit(cmd.Interrupt(session_id=SID, by=PHONE))
        await lab.wait_until(lambda: ("cancel", None) in lab.shim().agent.heard)
        lab.shim().agent.ask("late")
        (resolved,) = await lab.wait_for(ev.ApprovalResolved)
        assert resolved.by == ByCircumstance(cause="interrupt")
        await lab.wait_until(lambda: ("verdict", ("late", None)) in lab.shim().agent.heard)


@pytest.mark.parametrize("death", [None, ev.InterruptRequested])
async def test_5_verdicts_go_before_the_interrupt(
    tmp_path: Path, autojump_clock: MockClock, death: type[ev.Fact] | None
) -> None:
    """Rule 5: an agent that is cancelled while it asks hangs; also when the daemon died in between."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running(death):
        await asked(lab)
        await lab.open_approval()
        await lab.submit(cmd.Interrupt(session_id=SID, by=PHONE, key="k"))
        await lab.wait_for(ev.TurnCompleted)
        assert lab.shim().agent.heard[1:] == [("verdict", ("make", None)), ("cancel", None)]


async def test_5_a_stop_survives_a_crash(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 5: StopRequested is a fact; the next life carries it out."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running(ev.StopRequested):
        await asked(lab)
        await lab.open_approval()
        await lab.submit(cmd.StopSession(session_id=SID, by=CLI, key="k"))
        (ended,) = await lab.wait_for(ev.RunEnded)
        assert ended.reason == "stopped"


@pytest.mark.parametrize("seed", range(5))
async def test_6_the_first_answer_wins(tmp_path: Path, autojump_clock: MockClock, seed: int) -> None:
    """Rule 6: of two surfaces in any interleaving one hears yes, the other who was first (judged by the story)."""
    make_repeatable(1000 + seed)
    await tell(tmp_path, 1000 + seed)


async def test_6_the_same_again_is_the_same(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 6: the same key, or the same person with the same answer; anything else is refused."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await asked(lab)
        approval = await lab.open_approval()
        first = await lab.answer(approval, key="k")
        await lab.crash()
        by_key, by_word = await lab.answer(approval, key="k"), await lab.answer(approval)
        assert isinstance(first, Outcome) and isinstance(by_key, Outcome) and isinstance(by_word, Outcome)
        assert by_key.repeated and by_key.seqs == first.seqs and by_word.seqs == ()
        assert isinstance(await lab.answer(approval, REJECT), AlreadyResolved)
        assert isinstance(await lab.answer(approval, APPROVE, PHONE), AlreadyResolved)


async def test_6_a_decision_waits_behind_the_journal(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 6: what the agent withdrew while no daemon lived cannot be approved by the next, however slow it reads."""
    monkeypatch.setattr(supervisor, "RECOVERY_SECONDS", 0.0)
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await asked(lab)
        approval = await lab.open_approval()
        lab.shim().is_mute = True
        lab.shim().agent.withdraw(0)
        await lab.crash()
        told: list[object] = []

        async def answer() -> None:
            told.append(await lab.answer(approval))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            await trio.sleep(1)
            assert told == []
            lab.shim().listen()
        assert isinstance(told[0], AlreadyResolved)


async def test_6_whoever_asks_may_not_decide(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 6: the session's own token, and one who may only look."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await asked(lab)
        approval = await lab.open_approval()
        for role in (Role.AGENT, Role.OBSERVER):
            mine = SID if role is Role.AGENT else None
            agent = Actor(principal=Principal(role=role, name="x", session_id=mine), surface="mcp")
            assert isinstance(await lab.answer(approval, APPROVE, agent), Forbidden)
        assert await lab.open_approval() == approval
