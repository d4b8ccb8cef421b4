"""Each agent in a unit of its own: what it outlives, what it inherits, and that nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import time
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from tests.agents.holding import fresh_run, holding, python, read_all, read_lines
from tests.e2e.daemon import messages, until
from tests.systemd.inside.managed import HOME, RUNTIME, SERVICE, ManagedDaemon, journal, shown, systemctl
from tetherd.agents.cgroup import ROOT
from tetherd.agents.host import ShimHost
from tetherd.agents.process import RunStatus
from tetherd.agents.units import UserManager, find_user_manager, unit_of
from tetherd.domain.limits import Limits
from tetherd.errors import Unavailable
from tetherd.plugin import Launch

SLEEP = "import time; print('up'); time.sleep(300)"
WITHIN_SECONDS = 2.0


def processes(group: str) -> set[int]:
    """Who is in a control group, those below it included."""
    found: set[int] = set()
    for file in Path(f"{ROOT}{group}").rglob("cgroup.procs"):
        found |= {int(pid) for pid in file.read_text().split()}
    return found


def require_all_in_their_units(daemon: ManagedDaemon) -> None:
    inside = {pid for group in daemon.agent_units().values() for pid in processes(group)}
    assert daemon.agents() | daemon.shims() <= inside
    assert processes(shown(SERVICE, "ControlGroup")) == {daemon.pid}


@pytest.mark.sample
def test_an_agent_and_an_approval_outlive_restarts(daemon: ManagedDaemon) -> None:
    session_id = daemon.new_session("@lines 3000 20 20\n@hold")
    until(daemon.agents, "the agent")
    agents = daemon.agents()
    (unit,) = daemon.agent_units()
    assert shown(unit, "Slice") == "tether.slice"
    daemon.restart()
    daemon.kill()
    systemctl("daemon-reload")
    systemctl("stop", SERVICE)
    daemon.first_answer("/api/status")
    asked = daemon.wait_for_approval()
    daemon.kill()
    require_all_in_their_units(daemon)
    assert daemon.agents() == agents
    daemon.post(f"/api/approvals/{asked['approval_id']}/decision", {"decision": "reject", "reason": "not now"})
    events = daemon.wait_for_text(session_id, "verdict: reject not now")
    assert [text for text in messages(events) if text.startswith("line ")] == [f"line {n}\n" for n in range(1, 3001)]


def test_an_agent_inherits_nothing_of_the_daemons_hardening(daemon: ManagedDaemon) -> None:
    daemon.new_session("@sleep 100")
    (agent,) = until(daemon.agents, "the agent")
    inherited = status(agent)
    holder = status(int(inherited["PPid"]))
    manager = status(int(holder["PPid"]))
    assert (inherited["NoNewPrivs"], inherited["Seccomp"], inherited["Umask"]) == ("0", "0", manager["Umask"])
    own = status(daemon.pid or 0)
    assert (own["NoNewPrivs"], own["Seccomp"], own["Umask"]) == ("1", "2", "0077")
    environment = Path(f"/proc/{agent}/environ").read_bytes().split(b"\0")
    assert not [one for one in environment if one.startswith((b"NOTIFY_SOCKET", b"LISTEN_", b"WATCHDOG_"))]


def status(pid: int) -> dict[str, str]:
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


@pytest.mark.sample
def test_stop_leaves_no_process_of_an_agent_that_does_all_to_stay(daemon: ManagedDaemon) -> None:
    """Double-forked, in a session of its own, deaf to SIGTERM; and the agent itself is as stubborn."""
    session_id = daemon.new_session("@daemonize\n@stubborn")
    daemon.wait_for_text(session_id, "stubborn from now on")
    (group,) = daemon.agent_units().values()
    assert len(processes(group)) == 3
    begun = time.monotonic()
    assert daemon.tetherctl("stop", session_id).returncode == 0
    until(lambda: not processes(group), "an empty control group")
    assert time.monotonic() - begun < WITHIN_SECONDS
    until(lambda: not daemon.agent_units(), "the unit to be gone")
    assert daemon.wait_for_state(session_id, "ended")["ending"]["reason"] == "stopped"
    assert not daemon.agents() | daemon.shims()


def test_stop_ends_an_agent_that_has_stopped_its_own_shim(daemon: ManagedDaemon) -> None:
    session_id = daemon.new_session("@daemonize\n@stubborn")
    daemon.wait_for_text(session_id, "stubborn from now on")
    (holder,) = daemon.shims()
    os.kill(holder, signal.SIGSTOP)
    daemon.post(f"/api/sessions/{session_id}/stop", {"grace_seconds": 0.1})
    assert daemon.wait_for_state(session_id, "ended")["ending"]["reason"] == "stopped"
    assert not daemon.agents() | daemon.shims()
    assert "the shim does not end its run" in journal()


def test_nothing_is_left_when_a_shim_is_killed(daemon: ManagedDaemon) -> None:
    session_id = daemon.new_session("@daemonize\n@stubborn")
    daemon.wait_for_text(session_id, "stubborn from now on")
    (holder,) = daemon.shims()
    os.kill(holder, signal.SIGKILL)
    assert daemon.wait_for_state(session_id, "ended")["ending"]["reason"] == "lost"
    until(lambda: not daemon.agents(), "its processes to be gone")
    until(lambda: not daemon.agent_units(), "the unit to be gone")
    assert daemon.post(f"/api/sessions/{session_id}/resume")["session"]["state"] == "starting"


def test_uninstalling_leaves_agents_at_work_for_whoever_comes(daemon: ManagedDaemon) -> None:
    session_id = daemon.new_session("@hold")
    daemon.wait_for_approval()
    agents = daemon.agents()
    done = daemon.tetherctl("service", "uninstall", "--yes")
    assert done.returncode == 0
    assert "1 agents go on" in done.stderr
    assert daemon.agents() == agents
    daemon.install()
    asked = daemon.wait_for_approval(session_id)
    daemon.post(f"/api/approvals/{asked['approval_id']}/decision", {"decision": "approve"})
    daemon.wait_for_text(session_id, "verdict: approve")


@pytest.mark.sample
def test_a_frozen_agent_stands_still_through_a_restart_and_can_be_stopped(daemon: ManagedDaemon) -> None:
    session_id = daemon.new_session("@lines 100000 1 5")
    daemon.wait_for_text(session_id, "line 20")
    assert daemon.tetherctl("freeze", session_id).returncode == 0
    (group,) = daemon.agent_units().values()
    events = Path(f"{ROOT}{group}/agent/cgroup.events")
    until(lambda: "frozen 1" in events.read_text(), "the agent to stand still")
    assert len(processes(f"{group}/agent")) == 1
    daemon.kill()
    assert daemon.first_answer(f"/api/sessions/{session_id}")["frozen"]
    assert "frozen 1" in events.read_text()
    before = daemon.session(session_id)["last_seq"]
    assert "frozen" in daemon.tetherctl("status", session_id).stdout
    assert daemon.session(session_id)["last_seq"] == before
    assert daemon.tetherctl("thaw", session_id).returncode == 0
    until(lambda: daemon.session(session_id)["last_seq"] > before + 20, "it to go on")
    daemon.tetherctl("freeze", session_id)
    daemon.tetherctl("stop", session_id)
    assert daemon.wait_for_state(session_id, "ended")["ending"]["reason"] == "stopped"
    until(lambda: not daemon.agent_units(), "the unit to be gone")


def test_limits_of_the_settings_of_an_adapter_and_of_a_session(daemon: ManagedDaemon) -> None:
    daemon.configure("TETHER_AGENT_LIMITS=tasks_max=400,memory_max=1G,demo.memory_max=2G\n")
    systemctl("reload", SERVICE)
    until(lambda: "settings reloaded" in journal(), "the reload")
    session_id = daemon.new_session("@sleep 100", limits={"cpu_weight": 20, "tasks_max": 300})
    (unit,) = until(daemon.agent_units, "the unit")
    until(daemon.agents, "the agent")
    assert [shown(unit, name) for name in ("MemoryMax", "TasksMax", "CPUWeight")] == [str(2**31), "300", "20"]
    (used,) = daemon.get(f"/api/resources?session={session_id}")["resources"]
    assert (used["session_id"], used["unit"]) == (session_id, unit)
    assert used["memory_bytes"] > 2**20 and used["tasks"] >= 2
    said = daemon.tetherctl("status", session_id).stdout
    assert "limits     300 processes and threads, CPU weight 20" in said
    assert f"in {unit}" in said
    assert "1 agent uses" in daemon.tetherctl("status").stdout


@pytest.mark.sample
def test_an_agent_in_a_sandbox_reaches_neither_us_nor_the_manager(daemon: ManagedDaemon) -> None:
    isolation = daemon.get("/api/status")["isolation"]
    assert not [why for why in isolation["missing"] if "sandbox" in why]
    for limits, sees in (({}, True), ({"sandbox": True}, False)):
        command = (
            f"test -e {daemon.data_dir}/tether.db && test -S {RUNTIME}/tetherd/control.sock && systemctl --user is-active"
            f" {SERVICE} && test -e /proc/{daemon.pid}/cgroup"
        )
        done = HOME / f"seen-{sees}"
        session_id = daemon.new_session(f"run {command}; echo $? > {done}", limits=limits)
        asked = daemon.wait_for_approval(session_id)
        daemon.post(f"/api/approvals/{asked['approval_id']}/decision", {"decision": "approve"})
        until(lambda done=done: done.exists() and done.read_text(), "the command")
        assert (done.read_text() == "0\n") == sees
        done.unlink()
        daemon.tetherctl("stop", session_id)
        assert daemon.wait_for_state(session_id, "ended")["ending"]["reason"] == "stopped"
        until(lambda: not daemon.agents() | daemon.shims(), "all of it to be gone")


def test_the_status_says_how_agents_are_kept(daemon: ManagedDaemon) -> None:
    isolation = daemon.get("/api/status")["isolation"]
    assert isolation["kind"] == "units"
    group = Path(f"{ROOT}{systemctl('show', '--property=ControlGroup', '--value', '--', '-.slice')}")
    there = (group / "cgroup.controllers").read_text().split()
    assert len(isolation["missing"]) == len({"memory", "pids", "cpu"} - set(there))
    daemon.drop_in("Environment=PATH=/nowhere")
    daemon.restart()
    isolation = daemon.get("/api/status")["isolation"]
    assert isolation["kind"] == "processes"
    assert "cannot run systemctl" in isolation["missing"][0]
    daemon.wait_for_text(daemon.new_session("@echo a"), "echo 1 ")
    assert daemon.agent_units() == {}


# -- the host, without a daemon ----------------------------------------------------------------------------------


@pytest.fixture
def pids_controller() -> None:
    _require("pids", "TasksMax")


@pytest.fixture
def memory_controller() -> None:
    _require("memory", "MemoryMax")


def _require(controller: str, what: str) -> None:
    if controller not in trio.run(user_manager).controllers:
        why = f"NOT TESTED, that {what} is enforced: the kernel gives this user's systemd no {controller} controller"
        warnings.warn(why, stacklevel=1)
        pytest.skip(why)


async def user_manager() -> UserManager:
    found = await find_user_manager(os.environ)
    assert isinstance(found, UserManager), found
    return found


async def test_a_launch_that_is_cut_off_leaves_a_held_run_or_an_unborn_one(tmp_path: Path) -> None:
    manager = await user_manager()
    async with holding(tmp_path) as agents:
        host = ShimHost(tmp_path, tmp_path / "run", 1, units=manager)
        fates: list[str] = []
        patience = 0.0
        while fates[-3:] != ["held"] * 3:  # some time after it has become too late to prevent it
            run_id = fresh_run()
            agents.runs.append(run_id)
            with trio.move_on_after(patience):
                await host.launch(run_id, python(SLEEP))
            patience += 0.015
            fates.append(fate := await host.settle(run_id))
            assert fate in ("held", "unborn")
            if fate == "unborn":
                await host.launch(run_id, python(SLEEP))
            async with host.attach(run_id, 0) as held:
                assert await read_lines(held, 1) == [b"up"]
        assert set(fates) == {"held", "unborn"}


async def test_an_agent_that_ends_at_once_has_its_status(tmp_path: Path) -> None:
    manager = await user_manager()
    async with holding(tmp_path) as agents:
        host = ShimHost(tmp_path, tmp_path / "run", 1, units=manager)
        for _ in range(20):
            run_id = fresh_run()
            agents.runs.append(run_id)
            await host.launch(run_id, python("print('a'); raise SystemExit(7)"))
            async with host.attach(run_id, 0) as held:
                assert await read_all(held) == ([b"a"], RunStatus(code=7))


async def test_a_program_that_cannot_be_run_is_said(tmp_path: Path) -> None:
    host = ShimHost(tmp_path, tmp_path / "run", 1, units=await user_manager())
    run_id = fresh_run()
    await host.launch(run_id, Launch(argv=("/nowhere/agent",), environment={}, directory="/"))
    async with host.attach(run_id, 0) as held:
        _, status = await read_all(held)
    assert status.error == "cannot run /nowhere/agent: No such file or directory"


async def test_paths_and_arguments_reach_the_agent_as_they_are(tmp_path: Path) -> None:
    """systemd expands $, ${}, % and quotes; nothing of it may happen."""
    nasty = ["$HOME", "${HOME}", "$$", "%h", "%%", "a b", '"', "'", "\\n", "", "; touch x", "ü\n"]
    odd = tmp_path / "a $HOME %h 'b"
    manager = await user_manager()
    async with holding(odd) as agents:
        host = ShimHost(odd, tmp_path / "run", 1, units=manager)
        run_id = fresh_run()
        agents.runs.append(run_id)
        await host.launch(run_id, python("import json, sys; print(json.dumps(sys.argv[1:]))", *nasty))
        async with host.attach(run_id, 0) as held:
            lines, _ = await read_all(held)
    assert json.loads(lines[0]) == nasty


async def test_the_unit_bears_the_limits(tmp_path: Path) -> None:
    limits = Limits(memory_max_bytes=2**30, memory_high_bytes=2**29, cpu_weight=50, tasks_max=64)
    manager = await user_manager()
    async with holding(tmp_path) as agents:
        host = ShimHost(tmp_path, tmp_path / "run", 1, units=manager)
        run_id = fresh_run()
        agents.runs.append(run_id)
        await host.launch(run_id, replace(python(SLEEP), limits=limits))
        names = ("MemoryMax", "MemoryHigh", "CPUWeight", "TasksMax")
        assert [shown(unit_of(run_id), name) for name in names] == [str(2**30), str(2**29), "50", "64"]
        usage = await host.usage(run_id)
        assert usage is not None
        assert (usage.unit, usage.tasks) == (unit_of(run_id), 2)
        assert usage.memory_bytes > 2**20
        await host.kill(run_id)
        until(lambda: shown(unit_of(run_id), "LoadState") == "not-found", "the unit to be gone")
        assert await host.usage(run_id) is None
        assert await host.settle(run_id) == "lost"


async def test_tasks_are_limited_where_the_kernel_can(tmp_path: Path, pids_controller: None) -> None:
    manager = await user_manager()
    code = "import os\nn = 0\ntry:\n  while n < 50:\n    n += 1\n    os.fork() or __import__('time').sleep(300)\nexcept OSError: print(n, flush=True)"
    async with holding(tmp_path) as agents:
        host = ShimHost(tmp_path, tmp_path / "run", 1, units=manager)
        run_id = fresh_run()
        agents.runs.append(run_id)
        await host.launch(run_id, replace(python(code), limits=Limits(tasks_max=8)))
        async with host.attach(run_id, 0) as held:
            (line,) = await read_lines(held, 1)
            assert int(line) <= 8


async def test_memory_is_limited_where_the_kernel_can(tmp_path: Path, memory_controller: None) -> None:
    manager = await user_manager()
    code = "print('up', flush=True); x = bytearray(300_000_000)"
    async with holding(tmp_path) as agents:
        host = ShimHost(tmp_path, tmp_path / "run", 1, units=manager)
        run_id = fresh_run()
        agents.runs.append(run_id)
        await host.launch(run_id, replace(python(code), limits=Limits(memory_max_bytes=60_000_000)))
        async with host.attach(run_id, 0) as held:
            _, status = await read_all(held)
        assert (status.signal, status.oom_kills) == (signal.SIGKILL, 1)


async def test_without_a_manager_it_is_said_why(tmp_path: Path) -> None:
    for environ, why in (
        ({}, "no XDG_RUNTIME_DIR"),
        ({"XDG_RUNTIME_DIR": str(tmp_path), "PATH": os.environ["PATH"]}, "no systemd of this user answers"),
        ({"XDG_RUNTIME_DIR": str(tmp_path), "PATH": str(tmp_path)}, "cannot run systemctl"),
    ):
        found = await find_user_manager(environ)
        assert not isinstance(found, UserManager)
        assert why in found.why


async def test_a_manager_that_starts_nothing_is_an_error_at_the_launch(tmp_path: Path) -> None:
    gone = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(tmp_path)}
    host = ShimHost(tmp_path, tmp_path / "run", 1, units=UserManager(gone, frozenset()))
    run_id = fresh_run()
    with pytest.raises(Unavailable, match="systemd did not start"):
        await host.launch(run_id, python(SLEEP))
    assert await host.settle(run_id) == "unborn"
