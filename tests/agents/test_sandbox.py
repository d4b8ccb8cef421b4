"""What an agent in a sandbox sees, and what it cannot bring back."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from tests.agents.holding import ENVIRONMENT, alive, fresh_run, holding, python, read_all, read_lines, released
from tetherd.agents.host import ShimHost
from tetherd.agents.process import RunStatus
from tetherd.agents.sandboxing import NO_SANDBOX, Sandbox, command, find_sandbox
from tetherd.domain.limits import Limits
from tetherd.errors import Unavailable
from tetherd.plugin import Launch, Resumed

IN_A_SANDBOX = Limits(sandbox=True)


@dataclass
class Box:
    """A state directory with a secret and a workspace in it, and a runtime directory with a socket."""

    state: Path
    work: Path
    runtime: Path

    @property
    def sandbox(self) -> Sandbox:
        return Sandbox(hidden=(self.state,), private=(self.runtime,))

    def run(self, script: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A shell's script inside, in the workspace."""
        front = command((self.state,), (self.runtime,), [str(self.work), *environ.values()])
        return subprocess.run(
            (*front, "/bin/sh", "-c", script),
            cwd=self.work,
            env=ENVIRONMENT | environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.fixture
def box(tmp_path: Path) -> Box:
    found = trio.run(find_sandbox, {"HOME": str(tmp_path)}, tmp_path, None)
    if found.why_not:
        pytest.skip(f"NOT TESTED, the sandbox: {found.why_not}")
    box = Box(tmp_path / "state", tmp_path / "state" / "demo", tmp_path / "run")
    box.work.mkdir(parents=True)
    box.runtime.mkdir(exist_ok=True)
    (box.state / "secret").write_text("s3cret")
    (box.work / "file").write_text("mine")
    return box


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        (tmp_path / "run").mkdir(exist_ok=True)
        listening.bind(str(tmp_path / "run" / "bus"))
        listening.listen()
        yield listening


async def test_our_directories_are_hidden_and_the_workspace_is_not(box: Box) -> None:
    done = box.run(f"ls {box.state}; pwd; cat file; echo new > file; touch {box.state}/x")
    assert done.stdout.splitlines() == ["demo", str(box.work), "mine"]
    assert "Read-only file system" in done.stderr
    assert (box.work / "file").read_text() == "new\n"
    assert (box.state / "secret").read_text() == "s3cret"


async def test_the_bus_is_not_to_be_reached_and_the_runtime_directory_is_the_agents_own(
    box: Box, bus: socket.socket
) -> None:
    code = "import socket; socket.socket(socket.AF_UNIX).connect('{}')"
    for path in (f"{box.runtime}/bus", f"/proc/{os.getpid()}/root{box.runtime}/bus"):
        assert "FileNotFoundError" in box.run(f'{sys.executable} -c "{code.format(path)}"').stderr
    assert box.run(f"touch {box.runtime}/own && ls -A {box.runtime}").stdout == "own\n"
    assert [file.name for file in box.runtime.iterdir()] == ["bus"]
    kept = box.run(f'{sys.executable} -c "{code.format(box.runtime / "bus")}"', SSH_AUTH_SOCK=f"{box.runtime}/bus")
    assert (kept.returncode, kept.stderr) == (0, "")


@pytest.mark.parametrize("script", ["umount {0}", "umount -l {0}", "unshare -Urm umount {0}", "unshare -m umount {0}"])
async def test_what_is_hidden_stays_hidden(box: Box, script: str) -> None:
    done = box.run(script.format(box.state) + f"; unshare -Urm cat {box.state}/secret; cat {box.state}/secret")
    assert done.returncode != 0
    assert "s3cret" not in done.stdout + done.stderr


async def test_other_processes_are_not_seen_and_there_are_no_capabilities(box: Box) -> None:
    done = box.run("ls /proc | grep -c '^[0-9]'; grep -E 'Cap(Prm|Eff|Bnd)|NoNewPrivs' /proc/self/status; kill -0 $$")
    count, *rest = done.stdout.split()
    assert int(count) <= 5
    assert [word for word in rest if not word.endswith(":")] == ["0" * 16] * 3 + ["1"]


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
)
async def test_it_ends_as_its_program_does(box: Box, script: str, code: int) -> None:
    assert box.run(script).returncode == code


def test_a_program_that_is_not_there_is_said(box: Box) -> None:
    done = subprocess.run((*command((), (), []), "/nowhere/agent"), capture_output=True, text=True, cwd="/")
    assert (done.returncode, done.stderr.startswith("/nowhere/agent cannot be had")) == (126, True)


# -- behind a shim -----------------------------------------------------------------------------------------------


async def test_an_agent_in_a_sandbox_is_held_like_any_other(box: Box, tmp_path: Path) -> None:
    code = f"import os, sys\nprint(os.path.exists('{box.state}/secret'))\nfor line in sys.stdin: print(line, end='')"
    async with holding(box.state) as agents:
        host = ShimHost(box.state, box.runtime, 1, sandbox=box.sandbox)
        run_id = fresh_run()
        agents.runs.append(run_id)
        await host.launch(run_id, replace(python(code), limits=IN_A_SANDBOX, directory=str(box.work)))
        async with host.attach(run_id, 0) as held:
            await held.send(1, b"hello\n")
            assert await read_lines(held, 2) == [b"False", b"hello"]
            await held.close_input()
            assert await read_all(held) == ([], RunStatus(code=0))
    spec = json.loads((agents.run_dir(run_id).spec).read_text())
    assert spec["limits"] == {"sandbox": True}


async def test_stopping_leaves_nothing_of_it(box: Box) -> None:
    code = "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork() == 0: os.setsid()\n"
    async with holding(box.state) as agents:
        host = ShimHost(box.state, box.runtime, 1, sandbox=box.sandbox)
        run_id = fresh_run()
        agents.runs.append(run_id)
        await host.launch(run_id, replace(python(code + "print('up')\ntime.sleep(300)"), limits=IN_A_SANDBOX))
        async with host.attach(run_id, 0) as held:
            await read_lines(held, 2)
            await held.stop(0.1)
            _, status = await read_all(held)
            assert status.signal == 9 or status.code == 137
        await released(agents.run_dir(run_id))
        assert alive(run_id) == set()


async def test_where_there_is_none_it_is_refused_and_never_left_out(tmp_path: Path) -> None:
    host = ShimHost(tmp_path, tmp_path / "run", 1, sandbox=Sandbox(why_not="no namespaces"))
    run_id = fresh_run()
    with pytest.raises(Unavailable, match="no sandbox here: no namespaces"):
        await host.launch(run_id, replace(python("print('up')"), limits=IN_A_SANDBOX))
    assert not (tmp_path / "runs").exists()


def test_both_ways_of_starting_are_inside() -> None:
    launch = Launch(argv=("a", "b"), environment={}, directory="/w", resumed=Resumed(("a", "c"), "*"))
    wrapped = Sandbox(hidden=(Path("/h"),)).wrap(launch)
    assert wrapped.resumed is not None
    assert wrapped.argv[-2:] == ("a", "b")
    assert wrapped.resumed.argv[-2:] == ("a", "c")
    assert wrapped.argv[:-2] == wrapped.resumed.argv[:-2] == command((Path("/h"),), (), ["/w"])
    with pytest.raises(Unavailable):
        NO_SANDBOX.wrap(launch)
