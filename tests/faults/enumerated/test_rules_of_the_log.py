"""The core rules of the log, of live text, of time and of sessions that sleep."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.faults.enumerated.harness import CLI, PHONE, SID, Follower, Lab
from tests.faults.enumerated.test_rules import SCRIPT
from tetherd.control import Cursor, ForeignCursor, ListSessions, Recovering
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.session import SessionState
from tetherd.storage.eventlog import EventLog


async def ended(lab: Lab) -> None:
    await lab.create()
    await lab.send("write")
    await lab.wait_for(ev.InputDelivered)
    await lab.submit(cmd.StopSession(session_id=SID, by=CLI))
    await lab.wait_for(ev.RunEnded)


async def test_6_nothing_is_answered_before_recovery(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 6: until it knows what its agents did meanwhile, the daemon says Unavailable, never 404."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.send("write")
        await lab.wait_for(ev.InputDelivered)
        lab.machine.gate = trio.Event()
        before = await lab.ready()
        before.bomb.blow()
        await lab.until(lambda: lab.life is not None and lab.life is not before)
        life = await lab.now()
        with pytest.raises(Recovering):
            await life.supervisor.submit(cmd.RenameSession(session_id=SID, by=CLI, name="x"))
        lab.machine.gate.set()


async def test_7_a_seq_is_never_given_out_again(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 7: not even when the newest rows are gone and the daemon begins anew."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await ended(lab)
        life = await lab.ready()
        newest = life.world.log.last_seq
        await life.database.write(lambda db: db.execute("DELETE FROM events WHERE type = 'run_ended'"))
        await lab.crash()
        await lab.submit(cmd.RenameSession(session_id=SID, by=CLI, name="x"))
        assert [entry.seq for entry in await lab.entries()][-1] == newest + 1


async def test_7_a_cursor_of_another_epoch_is_refused(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 7: a restart keeps the epoch, a restore renews it."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        epoch = (await lab.ready()).world.log.epoch
        await lab.crash()
        life = await lab.ready()
        async with life.supervisor.follow(Cursor(1, epoch)):
            pass
        await life.database.log_epoch(renew=True)
        await lab.crash()
        with pytest.raises(ForeignCursor):
            async with (await lab.ready()).supervisor.follow(Cursor(1, epoch)):
                pass


@pytest.mark.parametrize("death", range(2, 12))
async def test_7_a_deletion_that_was_cut_off_is_finished(tmp_path: Path, autojump_clock: MockClock, death: int) -> None:
    """Rules 5 and 7: tombstone, directories, rows; the tombstone stays."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await ended(lab)
        life = await lab.ready()
        life.bomb.at = len(life.bomb.places) + death - 1
        with trio.move_on_after(60), life.bomb.reach():
            await life.supervisor.submit(cmd.DeleteSession(session_id=SID, by=CLI))
        await lab.ready()
        if SessionState.ENDED in {view.session.state for view in await lab.ask(ListSessions())}:
            await lab.submit(cmd.DeleteSession(session_id=SID, by=CLI))
        kinds = {entry.kind for entry in await lab.entries()}
        assert kinds == {"session_deleted"} and lab.machine.shims == {}


async def test_7_a_follower_has_no_gap_over_restarts(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 7: everything once, in order."""
    lab = Lab(tmp_path, SCRIPT)
    follower = Follower(lab)
    async with lab.running(), trio.open_nursery() as nursery:
        nursery.start_soon(follower.run)
        await lab.create()
        for number in range(12):
            await lab.submit(cmd.RenameSession(session_id=SID, by=CLI, name=f"n{number}"))
            if number % 3 == 0:
                await lab.crash()
        await trio.sleep(1)
        assert follower.seqs == [entry.seq for entry in await lab.entries()] and len(follower.seqs) == 13
        nursery.cancel_scope.cancel()


async def test_8_live_text_has_no_seq_and_late_joiners_get_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 8: what is being written is shown and not logged; who comes later gets it from its offset."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running(), trio.open_nursery() as nursery:
        await lab.create()
        await lab.send("write")
        await lab.wait_for(ev.InputDelivered)
        lab.shim().agent.write("live")
        await trio.sleep(1)
        late = Follower(lab)
        nursery.start_soon(late.run)
        await trio.sleep(1)
        shown = [(delta.offset, delta.text) for delta in late.deltas]
        logged = "".join(event.text for event in await lab.events(ev.MessageWritten))
        assert logged + "".join(text for _, text in shown) == "é😀 one live"
        assert logged == "é😀 one " and shown == [(8, "live")]
        nursery.cancel_scope.cancel()


async def test_9_facts_decide_and_not_the_task_that_slept(tmp_path: Path, autojump_clock: MockClock) -> None:
    """Rule 9: the notice about an interrupt comes after a crash, too, and not when the turn has ended."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.send("write")
        await lab.wait_for(ev.InputDelivered)
        lab.shim().agent.is_stubborn = True
        await lab.submit(cmd.Interrupt(session_id=SID, by=PHONE))
        await lab.crash()
        await lab.wait_for(ev.NoticeRaised)
        lab.shim().agent.go_on()
        await lab.wait_for(ev.TurnCompleted)
        lab.shim().agent.is_stubborn = False
        await lab.submit(cmd.SendInput(session_id=SID, by=CLI, input_id="i-2", text="write"))
        await lab.wait_for(ev.InputDelivered, 2)
        await lab.submit(cmd.Interrupt(session_id=SID, by=PHONE))
        await trio.sleep(20)
        assert len(await lab.events(ev.NoticeRaised)) == 1


async def test_10_an_ended_session_acts_without_reading_its_log(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rule 10: an actor on demand, from the snapshot; it is gone again afterwards."""
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await ended(lab)
        await lab.crash()
        life = await lab.ready()
        assert life.supervisor._actors == {}
        with monkeypatch.context() as patch:
            patch.setattr(EventLog, "read", None)
            await lab.submit(cmd.RenameSession(session_id=SID, by=CLI, name="x"))
        await trio.sleep(1)
        assert life.supervisor._actors == {} and (await lab.session()).name == "x"
        await lab.submit(cmd.ResumeSession(session_id=SID, by=CLI))
        await lab.wait_for(ev.AgentReady, 2)
