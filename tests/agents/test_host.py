"""Agents behind shims: what survives what."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from tests.agents.holding import alive, fresh_run, holding, python, read_all, read_lines, released
from tetherd import shim
from tetherd.agents.host import ShimHost
from tetherd.agents.launcher import ShimCommand, spawn_detached
from tetherd.agents.process import Chunk, RunStatus, ShimLost
from tetherd.domain.ids import RunId
from tetherd.errors import Unavailable
from tetherd.framing import MAX_LINE, Line, LongLine
from tetherd.plugin import Launch

ECHO = "import sys\nfor line in sys.stdin: print(line, end='')"
SLEEP = "import time; print('up'); time.sleep(300)"
COUNT = "import sys\nfor n in range(int(sys.argv[1])): print(n)"


async def test_what_is_sent_is_acknowledged_and_read(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(ECHO))
        async with agents.host.attach(run_id, 0) as held:
            assert (held.last_seq, held.backlog, held.paused) == (0, 0, None)
            await held.send(1, b"one\n")
            await held.send(2, b"two\n")
            assert [await held.next_ack(), await held.next_ack()] == [1, 2]
            assert await read_lines(held, 2) == [b"one", b"two"]
            await held.close_input()
            assert await held.read() == RunStatus(code=0)
            with pytest.raises(ShimLost):
                await held.next_ack()
        await released(agents.run_dir(run_id))
        assert await agents.host.settle(run_id) == "ended"
        assert list((tmp_path / "run" / "shim").iterdir()) == []


async def test_a_frame_that_is_sent_again_reaches_the_agent_once(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(ECHO))
        for _ in range(3):
            async with agents.host.attach(run_id, 0) as held:
                for seq in range(1, 6):
                    await held.send(seq, b"%d\n" % seq)
                assert [await held.next_ack() for _ in range(5)] == [1, 2, 3, 4, 5]
        async with agents.host.attach(run_id, 0) as held:
            assert held.last_seq == 5
            await held.close_input()
            lines, _ = await read_all(held)
        assert lines == [b"1", b"2", b"3", b"4", b"5"]


async def test_a_frame_that_is_cut_off_reaches_the_agent_whole_or_not_at_all(tmp_path: Path) -> None:
    """The daemon dies in the middle of a large frame; the next one sends it again."""
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python("import sys\nfor line in sys.stdin: print(len(line))"))
        frame = b"x" * 4_000_000 + b"\n"
        for patience in (0.0, 0.001, 0.002, 0.004, 0.01):
            async with agents.host.attach(run_id, 0) as held:
                with trio.move_on_after(patience):
                    await held.send(1, frame)
        async with agents.host.attach(run_id, 0) as held:
            await held.send(1, frame)
            assert await held.next_ack() == 1
            await held.close_input()
            lines, _ = await read_all(held)
        assert lines == [b"4000001"]


async def test_every_line_is_read_once_whenever_the_daemon_detaches(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(COUNT, "200000"))
        lines: list[bytes] = []
        cursor, attaches, status = 0, 0, None
        while status is None:
            attaches += 1
            async with agents.later(attaches).attach(run_id, cursor) as held:
                for _ in range(attaches % 4 + 1):
                    got = await held.read()
                    if isinstance(got, RunStatus):
                        status = got
                        break
                    lines += [line.data for line in got.lines if isinstance(line, Line)]
                    cursor = got.cursor
        assert status == RunStatus(code=0)
        assert lines == [b"%d" % n for n in range(200_000)]
        assert attaches > 1


async def test_a_last_line_without_newline_is_a_line(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python("print('a\\nb', end='')"))
        async with agents.host.attach(run_id, 0) as held:
            assert await read_all(held) == ([b"a", b"b"], RunStatus(code=0))


async def test_the_exit_code_is_there_when_the_daemon_was_away(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python("import sys; print(sys.stdin.readline(), end=''); sys.exit(7)"))
        async with agents.host.attach(run_id, 0) as held:
            await held.send(1, b"bye\n")
            await held.next_ack()
        await released(agents.run_dir(run_id))
        later = agents.later(2)
        assert await later.settle(run_id) == "ended"
        async with later.attach(run_id, 0) as held:
            assert held.last_seq == 1
            await held.send(2, b"too late\n")
            await held.stop(1)
            assert await read_all(held) == ([b"bye"], RunStatus(code=7))
            with pytest.raises(ShimLost):
                await held.next_ack()


async def test_a_signal_that_ends_the_agent_is_told(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python("import os; os.kill(os.getpid(), 9)"))
        async with agents.host.attach(run_id, 0) as held:
            assert await held.read() == RunStatus(signal=9)


@pytest.mark.parametrize(
    "changed, error",
    [
        ({"argv": ("no-such-program",)}, "cannot run no-such-program: No such file or directory"),
        ({"argv": ("/etc/passwd",)}, "cannot run /etc/passwd: Permission denied"),
        ({"directory": "/no/where"}, "No such file or directory: /no/where"),
    ],
)
async def test_an_agent_that_cannot_be_run_says_why(tmp_path: Path, changed: dict[str, object], error: str) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(replace(python(SLEEP), **changed))
        async with agents.host.attach(run_id, 0) as held:
            status = await held.read()
        assert isinstance(status, RunStatus)
        assert status.code is None
        assert status.error is not None
        assert status.error.endswith(error)


async def test_the_backlog_counts_whole_lines_alone(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python("import time; print('one\\ntwo\\nhal', end=''); time.sleep(300)"))
        async with agents.host.attach(run_id, 0) as held:
            assert await read_lines(held, 2) == [b"one", b"two"]
        async with agents.host.attach(run_id, 0) as held:
            assert held.backlog == 8
            await held.read()
            assert held.backlog == 0
        async with agents.host.attach(run_id, 8) as held:
            assert held.backlog == 0


async def test_the_longest_line_is_whole_and_a_longer_one_is_skipped(tmp_path: Path) -> None:
    code = "import sys; w = sys.stdout.write\nfor n in map(int, sys.argv[1:]): w('x' * n); w('\\n')"
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(code, str(MAX_LINE), str(MAX_LINE + 1), "1"))
        lines: list[Line | LongLine] = []
        async with agents.host.attach(run_id, 0) as held:
            while isinstance(got := await held.read(), Chunk):
                lines += got.lines
                cursor = got.cursor
        first, second, third = lines
        assert isinstance(first, Line)
        assert len(first.data) == MAX_LINE
        assert second == LongLine(b"x" * 4096, MAX_LINE + 1)
        assert third == Line(b"x")
        assert cursor == 2 * MAX_LINE + 1 + 1 + 3


async def test_input_goes_on_when_the_agent_listens_again(tmp_path: Path) -> None:
    code = "import signal, sys\nsignal.sigwait([signal.SIGUSR1])\nn = len(sys.stdin.read())\nprint(n)"
    code = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\nprint('up')\n" + code
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(code))
        run = agents.run_dir(run_id).run()
        assert run is not None
        async with agents.host.attach(run_id, 0) as held, trio.open_nursery() as nursery:
            await read_lines(held, 1)

            async def send() -> None:
                for seq in range(1, 61):
                    await held.send(seq, b"x" * 1_000_000)
                await held.close_input()

            nursery.start_soon(send)
            for _ in range(33):
                await held.next_ack()
            os.kill(run["agent"]["pid"], signal.SIGUSR1)
            for _ in range(27):
                await held.next_ack()
            assert await read_lines(held, 1) == [b"60000000"]


async def test_a_newer_daemon_evicts_the_older_one(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(SLEEP))
        async with agents.host.attach(run_id, 0) as old:
            await read_lines(old, 1)
            async with agents.later(2).attach(run_id, 0) as new:
                with pytest.raises(ShimLost):
                    await old.read()
                with pytest.raises(ShimLost):
                    async with agents.host.attach(run_id, 0):
                        pass
                assert await read_lines(new, 1) == [b"up"]


async def test_the_error_log_keeps_the_newest(tmp_path: Path) -> None:
    code = "import sys\nfor n in range(60_000): print('%049d' % n, file=sys.stderr)"
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(code))
        async with agents.host.attach(run_id, 0) as held:
            await read_all(held)
        tail = await agents.host.stderr(run_id, 500_000)
        assert tail.split()[-1] == b"%049d" % 59_999
        assert len(tail) == 500_000
        assert agents.run_dir(run_id).err_log.stat().st_size <= shim.ERR_LIMIT
        assert await agents.host.stderr(RunId("nobody"), 100) == b""


async def test_a_run_that_was_never_started_is_unborn_and_can_be_launched(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = fresh_run()
        assert await agents.host.settle(run_id) == "unborn"
        agents.run_dir(run_id).path.mkdir(parents=True)
        assert await agents.host.settle(run_id) == "unborn"
        assert agents.run_dir(run_id).revoked.exists()
        agents.runs.append(run_id)
        await agents.host.launch(run_id, python(SLEEP))
        assert await agents.host.settle(run_id) == "held"
        with pytest.raises(Unavailable, match="held already"):
            await agents.host.launch(run_id, python(SLEEP))


async def test_a_shim_that_does_not_come_up_is_an_error(tmp_path: Path) -> None:
    async def nothing(_command: ShimCommand) -> None:
        pass

    host = ShimHost(tmp_path, tmp_path / "run", 1, spawn=nothing)
    run_id = fresh_run()
    with pytest.raises(Unavailable, match="did not start"):
        await host.launch(run_id, python(SLEEP))
    assert await host.settle(run_id) == "unborn"


async def test_a_run_of_another_abi_is_left_alone(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(SLEEP))
        run = agents.run_dir(run_id).run()
        assert run is not None
        shim.write_json(str(agents.run_dir(run_id).path / "run.json"), run | {"abi": 99})
        try:
            with pytest.raises(Unavailable, match="another tetherd"):
                async with agents.host.attach(run_id, 0):
                    pass
            assert len(alive(run_id)) == 1
        finally:
            shim.write_json(str(agents.run_dir(run_id).path / "run.json"), run)


async def test_space_below_the_cursor_is_given_back(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        code = "import time; print(('x' * 999 + '\\n') * 4000, end='', flush=True); time.sleep(300)"
        run_id = await agents.launch(python(code))
        async with agents.host.attach(run_id, 0) as held:
            await read_lines(held, 4000)
            journal = agents.run_dir(run_id).journal
            before = journal.stat()
            await agents.host.release(run_id, 3_000_000)
            after = journal.stat()
        assert after.st_size == before.st_size
        if after.st_blocks == before.st_blocks:
            pytest.skip("no holes on this file system")
        assert after.st_blocks * 512 < 1_200_000
        async with agents.host.attach(run_id, 3_000_000) as held:
            assert (await read_lines(held, 1000))[0] == b"x" * 999


async def test_our_own_death_does_not_touch_the_agent(tmp_path: Path) -> None:
    """The shim is nobody's child and of a session of its own; the agent again of its own."""
    async with holding(tmp_path) as agents:
        run_id = await agents.launch(python(SLEEP))
        run = agents.run_dir(run_id).run()
        assert run is not None
        holder, agent = run["shim"]["pid"], run["agent"]["pid"]
        stat = shim.stat_of(holder)
        assert stat is not None
        assert stat[0] != os.getpid()
        assert len({os.getsid(0), os.getsid(holder), os.getsid(agent)}) == 3


async def test_the_agent_gets_what_is_in_its_launch_and_no_more(tmp_path: Path) -> None:
    code = """
import json, os, signal
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "fds": sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:-1],
    "ignored": int(status["SigIgn"], 16), "blocked": int(status["SigBlk"], 16), "umask": int(status["Umask"], 8),
    "environment": dict(os.environ), "cwd": os.getcwd()}))
"""
    async with holding(tmp_path) as agents:
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        launch = Launch(argv=python(code).argv, environment=environment, directory=str(tmp_path))
        umask = os.umask(0o027)
        try:
            run_id = await agents.launch(launch)
        finally:
            os.umask(umask)
        async with agents.host.attach(run_id, 0) as held:
            (line,) = await read_lines(held, 1)
        got = json.loads(line)
        assert got["fds"] == [0, 1, 2]
        assert got["environment"] == environment | {"TETHER_RUN_ID": run_id}
        assert got["cwd"] == str(tmp_path)
        assert got["umask"] == 0o027
        assert got["blocked"] == 0
        python_ignores = (1 << signal.SIGPIPE - 1) | (1 << signal.SIGXFSZ - 1)
        classic = (1 << 31) - 1  # 32 and 33 are the C library's own: nobody can set them, a child inherits them
        assert got["ignored"] & classic & ~python_ignores == 0
        for file in agents.run_dir(run_id).path.iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


DAEMON = """
import os, signal, sys, trio
from pathlib import Path
from tetherd.agents.host import ShimHost
from tetherd.plugin import Launch
async def main():
    directory, run_id, *argv = sys.argv[1:]
    host = ShimHost(Path(directory), Path(directory) / "run", 1)
    await host.launch(run_id, Launch(argv=tuple(argv), environment={"PATH": os.environ["PATH"]}, directory="/"))
    async with host.attach(run_id, 0) as held:
        await held.send(1, b"before\\n")
        await held.next_ack()
        os.killpg(0, signal.SIGKILL)
trio.run(main)
"""


async def test_an_agent_outlives_its_daemon_and_the_daemons_process_group(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        run_id = fresh_run()
        agents.runs.append(run_id)
        argv = (sys.executable, "-c", DAEMON, str(tmp_path), run_id, *python(ECHO).argv)
        daemon = await trio.run_process(argv, start_new_session=True, check=False)
        assert daemon.returncode == -signal.SIGKILL
        later = agents.later(2)
        assert await later.settle(run_id) == "held"
        async with later.attach(run_id, 0) as held:
            assert held.last_seq == 1
            await held.send(2, b"after\n")
            await held.close_input()
            assert await read_all(held) == ([b"before", b"after"], RunStatus(code=0))


async def test_a_launch_that_is_cut_off_leaves_a_held_run_or_an_unborn_one(tmp_path: Path) -> None:
    async with holding(tmp_path) as agents:
        for patience in (0.0, 0.005, 0.015, 0.025, 0.03, 0.035, 0.04, 0.05, 0.1):
            run_id = fresh_run()
            agents.runs.append(run_id)
            with trio.move_on_after(patience):
                await agents.host.launch(run_id, python(SLEEP))
            fate = await agents.host.settle(run_id)
            assert fate in ("held", "unborn")
            if fate == "unborn":
                await agents.host.launch(run_id, python(SLEEP))
            async with agents.host.attach(run_id, 0) as held:
                assert await read_lines(held, 1) == [b"up"]


async def test_a_shim_that_comes_after_the_launcher_gave_up_starts_nothing(tmp_path: Path) -> None:
    async def give_up(command: ShimCommand) -> None:
        (command.directory / "revoked").touch()
        await spawn_detached(command)

    host, run_id = ShimHost(tmp_path, tmp_path / "run", 1, spawn=give_up), fresh_run()
    with trio.fail_after(30), pytest.raises(Unavailable, match="did not start"):
        await host.launch(run_id, python(SLEEP))
    assert await host.settle(run_id) == "unborn"
    assert alive(run_id) == set()
