"""Sessions as the supervisor keeps them: queues, ends, resumes, deletions, and one failure that stays alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.fakes.agent_host import Script
from tests.faults.enumerated.harness import CLI, SID, Lab, make_inline, make_repeatable
from tetherd import control as ctl
from tetherd.agents.process import RunStatus
from tetherd.control import NotFound, Outcome
from tetherd.domain import commands as cmd
from tetherd.domain import events as ev
from tetherd.domain.decide import WrongState
from tetherd.domain.ids import InputId, SessionId
from tetherd.domain.images import Image
from tetherd.domain.session import SessionState
from tetherd.runtime.run_driver import KILL_MARGIN_SECONDS
from tetherd.runtime.session_actor import SessionActor
from tetherd.runtime.supervisor import NoSuchAdapter, NoSuchDirectory
from tetherd.runtime.world import NoImages

SCRIPT: Script = {
    "write": [("text", "one "), ("wait", None), ("text", "two"), ("end", "end_turn")],
    "leave": [("text", "bye"), ("end", "end_turn"), ("exit", 3)],
}


@pytest.fixture(autouse=True)
def nothing_by_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    make_inline(monkeypatch)
    make_repeatable(0)


async def test_inputs_wait_for_the_turn_before_them_and_keep_their_order(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        for text in ("write", "second", "third"):
            await lab.send(text)
        await lab.wait_for(ev.InputDelivered)
        assert [what for what, _ in lab.shim().agent.heard] == ["prompt"]
        lab.shim().agent.go_on()
        await lab.wait_for(ev.TurnCompleted, 3)
        assert lab.shim().agent.heard == [("prompt", "write"), ("prompt", "second"), ("prompt", "third")]
        assert lab.shim().agent.wrong == []


async def test_an_agent_that_leaves_ends_its_run_and_resume_begins_another(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.send("leave")
        (ended,) = await lab.wait_for(ev.RunEnded)
        assert (ended.reason, ended.code) == ("failed", 3)
        assert isinstance(await lab.send("more"), WrongState)
        resumed = await lab.submit(cmd.ResumeSession(session_id=SID, by=CLI))
        assert isinstance(resumed, Outcome)
        await lab.wait_for(ev.AgentReady, 2)
        session = await lab.session()
        assert (session.state, session.run_id, session.ending) == (SessionState.AWAITING_INPUT, "r-2", None)


async def test_a_live_session_is_not_deleted_and_an_ended_one_is_gone_with_its_runs(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.send("write")
        await lab.wait_for(ev.InputDelivered)
        delete = cmd.DeleteSession(session_id=SID, by=CLI)
        assert isinstance(await lab.submit(delete), WrongState)
        await lab.submit(cmd.StopSession(session_id=SID, by=CLI))
        await lab.wait_for(ev.RunEnded)
        assert isinstance(await lab.submit(delete), Outcome)
        assert lab.machine.forgotten == ["r-1"]
        assert [entry.kind for entry in await lab.entries()] == ["session_deleted"]
        with pytest.raises(NotFound):
            await lab.session()
        assert isinstance(await lab.send("write"), NotFound)


async def test_what_cannot_be_created_is_refused_and_leaves_nothing(tmp_path: Path, autojump_clock: MockClock) -> None:
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():

        def create(**more: object) -> cmd.CreateSession:
            fields = {"session_id": SID, "by": CLI, "name": "x", "adapter": "acp", "external": False}
            return cmd.CreateSession(**fields | {"directory": str(tmp_path)} | more)

        assert isinstance(await lab.submit(create(adapter="nope")), NoSuchAdapter)
        assert isinstance(await lab.submit(create(external=True)), NoSuchAdapter)
        for directory in (None, "relative", str(tmp_path / "gone")):
            assert isinstance(await lab.submit(create(directory=directory)), NoSuchDirectory)
        assert await lab.ask(ctl.ListSessions()) == ()


async def test_a_session_that_fails_is_picked_up_again_and_its_sibling_notices_nothing(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(tmp_path, SCRIPT)
    other = SessionId("s-other")
    obey = SessionActor._obey
    failures = 0

    async def fail_once(actor: SessionActor, command: cmd.Command) -> Outcome:
        nonlocal failures
        if isinstance(command, cmd.RenameSession) and not failures:
            failures += 1
            raise ValueError("a bug of ours")
        return await obey(actor, command)

    monkeypatch.setattr(SessionActor, "_obey", fail_once)
    async with lab.running():
        await lab.create()
        await lab.submit(
            cmd.CreateSession(session_id=other, by=CLI, name="other", adapter="external", external=True, directory=None)
        )
        await lab.submit(cmd.PushEvents(session_id=other, by=CLI, events=(), status="running"))
        await lab.send("write")
        await lab.wait_for(ev.InputDelivered)
        await lab.submit(cmd.RenameSession(session_id=SID, by=CLI, name="renamed"))
        lab.shim().agent.go_on()
        with trio.fail_after(60):
            await lab.wait_for(ev.TurnCompleted)
        assert failures == 1
        assert (await lab.session()).name == "renamed"
        assert len(lab.machine.shims) == 1
        done = await lab.submit(cmd.PushEvents(session_id=other, by=CLI, events=(), status="done"))
        assert isinstance(done, Outcome) and done.session.state is SessionState.ENDED


async def test_one_key_makes_one_session_also_when_it_comes_twice_at_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    lab = Lab(tmp_path, SCRIPT)
    made: list[Outcome] = []

    async def create(number: int) -> None:
        outcome = await lab.submit(
            cmd.CreateSession(
                session_id=SessionId(f"s-{number}"),
                by=CLI,
                name="once",
                adapter="external",
                external=True,
                directory=None,
                key="CreateSession//cli/k",
            )
        )
        assert isinstance(outcome, Outcome)
        made.append(outcome)

    async with lab.running():
        await lab.ready()
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(create, number)
        assert len({outcome.session.session_id for outcome in made}) == 1
        assert sorted(outcome.repeated for outcome in made) == [False, True, True]
        assert len(await lab.ask(ctl.ListSessions())) == 1


async def test_images_for_an_agent_that_takes_none_are_refused_and_not_dropped(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        image = Image(media_type="image/png", data="AAAA")
        command = cmd.SendInput(session_id=SID, by=CLI, input_id=InputId("i-9"), text="look", images=(image,))
        refused = await lab.submit(command)
        assert isinstance(refused, NoImages)
        assert await lab.events(ev.InputAccepted) == []


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (RunStatus(signal=9, oom_kills=1), "the kernel ended it: out of memory"),
        (RunStatus(signal=9), None),
        (RunStatus(code=1, oom_kills=1), None),  # what it had started was ended, and it knew
    ],
)
async def test_an_agent_that_is_out_of_memory_says_so_and_can_be_resumed(
    tmp_path: Path, autojump_clock: MockClock, status: RunStatus, detail: str | None
) -> None:
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.send("write")
        await lab.wait_for(ev.InputDelivered)
        lab.shim().status = status
        lab.shim().ring()
        (ended,) = await lab.wait_for(ev.RunEnded)
        assert (ended.reason, ended.detail) == ("failed", detail)
        assert isinstance(await lab.submit(cmd.ResumeSession(session_id=SID, by=CLI)), Outcome)


async def test_a_shim_that_does_not_obey_is_killed_some_time_after_the_grace(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.send("write")
        await lab.wait_for(ev.InputDelivered)
        lab.shim().obeys = False
        begun = trio.current_time()
        await lab.submit(cmd.StopSession(session_id=SID, by=CLI, grace_seconds=2.0))
        (ended,) = await lab.wait_for(ev.RunEnded)
        assert ended.reason == "stopped"
        assert trio.current_time() - begun >= 2.0 + KILL_MARGIN_SECONDS
        assert lab.shim().is_gone


async def test_what_was_frozen_stays_so_through_a_restart_and_a_stop_thaws_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    lab = Lab(tmp_path, SCRIPT)
    async with lab.running():
        await lab.create()
        await lab.send("write")
        await lab.wait_for(ev.InputDelivered)
        await lab.submit(cmd.SetFrozen(session_id=SID, by=CLI, frozen=True))
        assert lab.shim().frozen
        lab.shim().frozen = False  # as it is between the commit and the deed
        await lab.crash()
        assert lab.shim().frozen
        await lab.submit(cmd.SetFrozen(session_id=SID, by=CLI, frozen=False))
        assert not lab.shim().frozen
        await lab.submit(cmd.SetFrozen(session_id=SID, by=CLI, frozen=True))
        await lab.submit(cmd.StopSession(session_id=SID, by=CLI))
        assert not lab.shim().frozen
        await lab.wait_for(ev.RunEnded)
        said = [*await lab.events(ev.AgentFrozen), *await lab.events(ev.AgentThawed)]
        assert [event.type for event in said] == ["agent_frozen", "agent_frozen", "agent_thawed"]
