"""The README, typed as it stands."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.e2e.daemon import Daemon, Json, fresh_daemon, messages, until

README = Path(__file__).parents[2] / "README.md"
START, END = "<!-- tour: a test types these -->", "<!-- end of the tour -->"


def _tour() -> list[str]:
    block = README.read_text().partition(START)[2].partition(END)[0]
    return re.findall(r"^    \$ (.+)$", block, re.MULTILINE)


def _calls() -> list[str]:
    """The REST calls, each as a shell command."""
    section = README.read_text().partition("## Join with a program of your own")[2].partition("\n## ")[0]
    return [call.strip() for call in re.findall(r"^ {4}(curl (?:.*\\\n)*.*)$", section, re.MULTILINE)]


def _type(daemon: Daemon, command: str, cwd: Path) -> str:
    """Type it once what it is about is there."""
    if command.startswith(("tetherctl approve", "tetherctl reject")) and command != "tetherctl approvals":
        daemon.wait_for_approval()
    if not command.startswith("tetherctl"):
        until(lambda: not any(one["turn_open"] for one in daemon.get("/api/sessions")["sessions"]), "agents to be idle")
    done = daemon.run(["/bin/bash", "-c", command], cwd=cwd)
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_tour_of_the_readme_works_as_it_is_written() -> None:
    commands = _tour()
    assert len(commands) >= 7
    with fresh_daemon("--demo") as daemon:
        project = daemon.home / "project"
        subprocess.run(["git", "init", "--quiet", str(project)], check=True)
        daemon.wait_for_approval()
        said = {command: _type(daemon, command, project) for command in commands}
        assert "Edit README.md" in said["tetherctl approvals"]
        assert "Demo" in said["tetherctl list"]
        assert said["git status --short"].split() == ["??", "NOTES.md"]
        demo = next(one for one in daemon.get("/api/sessions")["sessions"] if one["name"] == "Demo")
        assert "All right, I do not run it." in messages(daemon.events(demo["session_id"]))
        assert "Looked after" in (daemon.data_dir / "demo" / "README.md").read_text()


def test_the_rest_calls_of_the_readme_work_as_they_are_written() -> None:
    create, push, poll = _calls()
    with fresh_daemon() as daemon:

        def call(command: str, **variables: str) -> Json:
            words = " ".join(f"{name}='{value}'" for name, value in variables.items())
            command = command.replace("localhost:8787", f"localhost:{daemon.port}")
            done = daemon.run(["/bin/bash", "-c", f"{words}; {command.replace('curl ', 'curl -fsS ', 1)}"])
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            answer: Json = json.loads(done.stdout)
            return answer

        made = call(create, TOKEN=daemon.token)
        known = {"SESSION_TOKEN": made["token"], "ID": made["id"]}
        assert call(push, **known)["seq"] > 0
        daemon.post(f"/api/sessions/{made['id']}/input", {"text": "go on"})
        polled = call(poll, **known)
        assert [event["data"] for event in polled["events"]] == [{"text": "go on"}]
        assert messages(daemon.events(made["id"])) == ["hello"]
