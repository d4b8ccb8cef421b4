"""Which processes are an agent's."""

from __future__ import annotations

import os
import subprocess
import sys

from tetherd.agents.ancestry import is_agent_process
from tetherd.agents.environment import agent_environment

SLEEP = (sys.executable, "-c", "print('up', flush=True); import time; time.sleep(60)")


def pid_is_agents(environment: dict[str, str], argv: tuple[str, ...] = SLEEP) -> bool:
    process = subprocess.Popen(argv, env={**os.environ, **environment}, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        with process.stdout:
            process.stdout.readline()
            return is_agent_process(process.pid)
    finally:
        process.kill()
        process.wait()


def test_a_process_with_a_runs_mark_is_an_agents() -> None:
    assert pid_is_agents({"TETHER_RUN_ID": "r-1"})
    assert not pid_is_agents({})
    assert not pid_is_agents({"X_TETHER_RUN_ID": "r-1"})


def test_a_child_of_a_marked_process_is_an_agents_even_without_the_mark() -> None:
    child = (
        "import os, subprocess, sys; p = subprocess.Popen(['sleep', '60'], env={}); print(p.pid, flush=True); p.wait()"
    )
    process = subprocess.Popen(
        (sys.executable, "-c", child), env={**os.environ, "TETHER_RUN_ID": "r-1"}, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout:
        grandchild = int(process.stdout.readline())
    try:
        assert is_agent_process(grandchild)
    finally:
        os.kill(grandchild, 9)
        process.wait()


def test_a_process_that_is_gone_counts_as_an_agents_and_we_do_not() -> None:
    gone = subprocess.Popen(("true",))
    gone.wait()
    assert is_agent_process(gone.pid)
    assert not is_agent_process(os.getpid())
    assert not is_agent_process(os.getppid())


def test_agents_get_a_shells_environment_and_none_of_our_secrets() -> None:
    ours = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "TETHER_AGENT_TOKEN": "t",
        "NOTIFY_SOCKET": "/n",
        "AWS_SECRET": "x",
        "HOME": "/h",
    }
    assert agent_environment(ours, {}) == {"PATH": "/bin", "LC_ALL": "C", "HOME": "/h"}
