"""The daemon as a process: how it begins, how it ends, and whom it lets do what."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from tests.e2e.daemon import Daemon, Json, free_port, fresh_daemon, idle_daemon, messages, of_type, until
from tetherd.client.client import ApiError, Client

STREAMS, DEAF = 20, 5
CONFIGURATION = 78


def _refusal(client: Client, method: str, path: str, body: Json | None = None) -> int:
    with pytest.raises(ApiError) as refused:
        client.request(method, path, body)
    return refused.value.status


def test_the_demo_says_what_to_do_next_and_approving_edits_the_file() -> None:
    with fresh_daemon("--demo") as daemon:
        until(lambda: "next, in another terminal:" in daemon.output, "the welcome")
        said = dict(line.split(":  ", 1) for line in daemon.output.splitlines() if ":  " in line)
        assert daemon.url in daemon.output
        assert "waits for your decision: Edit README.md" in daemon.output
        daemon.run(["/bin/sh", "-c", said["next, in another terminal"]]).check_returncode()
        diff = said["and see what it did"].strip()
        until(lambda: "+Looked after" in daemon.run(["/bin/sh", "-c", diff]).stdout, "the edit")


def test_a_demo_is_not_started_on_data_that_is_in_use() -> None:
    with fresh_daemon() as daemon:
        daemon.new_session()
        daemon.stop()
        daemon.start("--demo")
        until(lambda: daemon.output.count("tetherctl list") == 2, "the second welcome")
        assert [session["name"] for session in daemon.get("/api/sessions")["sessions"]] == ["Test"]


def test_a_creation_that_is_repeated_makes_one_session() -> None:
    with fresh_daemon() as daemon:
        client = daemon.client
        body = {"name": "once", "agent_type": "custom", "prompt": "go"}
        made = [client.request("POST", "/api/sessions", body, key="k") for _ in range(2)]
        daemon.kill()
        daemon.start()
        made.append(client.request("POST", "/api/sessions", body, key="k"))
        assert len({session["session_id"] for session in made}) == 1
        assert [len(session["queued"]) for session in made] == [1, 1, 1]
        assert client.request("POST", "/api/sessions", body, key="other")["session_id"] != made[0]["session_id"]


def test_a_second_daemon_on_the_same_data_names_the_first() -> None:
    with fresh_daemon() as daemon:
        second = daemon.run([sys.executable, "-m", "tetherd", "--port", str(free_port())])
        assert daemon.process is not None
        assert second.returncode == CONFIGURATION, second.stderr
        assert f"pid {daemon.process.pid}" in second.stderr
        assert daemon.get("/api/status")["url"] == daemon.url


def test_a_port_that_is_taken_is_a_matter_of_configuration() -> None:
    with idle_daemon() as daemon, socket.socket() as other:
        other.bind(("127.0.0.1", daemon.port))
        other.listen()
        assert daemon.spawn().wait(30) == CONFIGURATION
        assert str(daemon.port) in daemon.log
        assert "Traceback" not in daemon.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_agents_are_stopped_with_the_daemon(number: int) -> None:
    with fresh_daemon() as daemon:
        session_id = daemon.new_session("@hold")
        daemon.wait_for_approval()
        assert daemon.shims()
        assert daemon.agents()
        code, _ = daemon.stop(number)
        assert code == 0
        assert not daemon.shims() | daemon.agents()
        daemon.start()
        assert daemon.session(session_id)["ending"]["reason"] == "stopped"


def test_agents_go_on_when_they_are_kept() -> None:
    with fresh_daemon("--keep-agents") as daemon:
        session_id = daemon.new_session("@hold")
        asked = daemon.wait_for_approval()
        agents = daemon.agents()
        assert daemon.stop(signal.SIGINT)[0] == 0
        assert daemon.agents() == agents
        daemon.start()
        daemon.post(f"/api/approvals/{asked['approval_id']}/decision", {"decision": "reject", "reason": "not today"})
        daemon.wait_for_text(session_id, "verdict: reject not today")


def test_it_stops_in_time_whoever_still_listens() -> None:
    with fresh_daemon() as daemon:
        session_id = daemon.new_session("@lines 20000")
        followers = [_follow(daemon, is_deaf=number < DEAF) for number in range(STREAMS)]
        readers = [threading.Thread(target=_drain, args=(one,), daemon=True) for one in followers[DEAF:]]
        for reader in readers:
            reader.start()
        until(lambda: not daemon.session(session_id)["turn_open"], "20000 lines")
        code, seconds = daemon.stop()
        print(f"SIGTERM with {STREAMS} streams, {DEAF} of them deaf: exit {code} after {seconds:.1f} s")
        for reader in readers:
            reader.join(10)
        for follower in followers:
            follower.close()
        assert code == 0
        assert seconds < 15
        assert not daemon.shims() | daemon.agents()


def _follow(daemon: Daemon, *, is_deaf: bool) -> socket.socket:
    follower = socket.socket()
    if is_deaf:
        follower.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    follower.connect(("127.0.0.1", daemon.port))
    head = f"GET /api/events?after=0 HTTP/1.1\r\nHost: localhost:{daemon.port}\r\nAuthorization: Bearer {daemon.token}"
    follower.sendall(f"{head}\r\n\r\n".encode())
    return follower


def _drain(follower: socket.socket) -> None:
    try:
        while follower.recv(65536):
            pass
    except OSError:  # reset: that, too, is an end
        pass


def test_an_agents_token_neither_decides_nor_sees_others() -> None:
    with fresh_daemon() as daemon:
        made = daemon.post("/api/sessions", {"name": "Mine", "agent_type": "custom"})
        other = daemon.new_session("@hold")
        held = daemon.wait_for_approval(other)["approval_id"]
        own, agent = f"/api/sessions/{made['id']}", Client(("127.0.0.1", daemon.port), made["token"])
        asked = agent.request("POST", f"{own}/events", {"type": "permission_request", "data": {"title": "May I?"}})
        mine = daemon.wait_for_approval(made["id"])["approval_id"]
        decision: Json = {"decision": "approve"}
        assert _refusal(agent, "POST", f"/api/approvals/{mine}/decision", decision) == 403
        answer: Json = {"request_id": asked["request_id"], "allow": True}
        assert _refusal(agent, "POST", f"{own}/permission", answer) == 403
        assert _refusal(agent, "GET", f"/api/sessions/{other}") == 404
        assert _refusal(agent, "GET", f"/api/approvals/{held}") == 404
        assert _refusal(agent, "POST", f"/api/approvals/{held}/decision", decision) in (403, 404)
        assert _refusal(agent, "GET", f"/api/sessions/{other}/events/poll") == 404
        assert _refusal(Client(("127.0.0.1", daemon.port)), "GET", own) == 401
        assert [one["state"] for one in daemon.get("/api/approvals")["approvals"]] == ["pending", "pending"]


def test_what_people_send_is_polled_exactly_once_through_a_kill() -> None:
    with fresh_daemon() as daemon:
        made = daemon.post("/api/sessions", {"name": "Mine", "agent_type": "custom"})
        own, agent = f"/api/sessions/{made['id']}", Client(("127.0.0.1", daemon.port), made["token"])
        agent.request("POST", f"{own}/events", {"type": "output", "data": {"text": "hello"}})
        seen: list[str] = []
        since = 0
        for number in range(6):
            daemon.post(f"{own}/input", {"text": f"words {number}"})
            if number == 3:
                daemon.kill()
                daemon.start()
            polled = agent.request("GET", f"{own}/events/poll?since_seq={since}")
            seen += [event["data"]["text"] for event in polled["events"]]
            since = polled["next_seq"]
        polled = agent.request("GET", f"{own}/events/poll?since_seq={since}&wait_s=0.2")
        assert polled["events"] == []
        assert seen == [f"words {number}" for number in range(6)]
        events = daemon.events(made["id"])
        assert len(of_type(events, "input_delivered")) == 6
        assert messages(events) == ["hello"]


def test_a_follower_that_resumes_misses_nothing_while_the_daemon_restarts() -> None:
    with fresh_daemon("--keep-agents") as daemon:
        session_id = daemon.new_session("@lines 3000 100 50")
        time.sleep(0.3)
        daemon.stop()
        daemon.start("--keep-agents")
        until(lambda: not daemon.session(session_id)["turn_open"], "3000 lines")
        assert messages(daemon.events(session_id)) == [f"line {number}\n" for number in range(1, 3001)]


def test_nobody_else_may_read_its_data() -> None:
    with fresh_daemon("--demo") as daemon:
        daemon.wait_for_approval()
        for place in (daemon.data_dir, daemon.home / "config", daemon.home / "run"):
            open_to_others = subprocess.run(
                ["find", str(place), "-not", "-type", "l", "-perm", "/077", "-not", "-path", "*/demo/*"],
                text=True,
                capture_output=True,
                check=True,
            ).stdout.split()
            assert not open_to_others


def test_a_detached_agent_cannot_be_frozen() -> None:
    with fresh_daemon() as daemon:
        session_id = daemon.new_session("@hold")
        daemon.wait_for_approval()
        with pytest.raises(ApiError) as refused:
            daemon.post(f"/api/sessions/{session_id}/freeze")
        assert (refused.value.status, refused.value.code) == (409, "cannot_freeze")
        assert not daemon.session(session_id)["frozen"]
        isolation = daemon.get("/api/status")["isolation"]
        assert isolation["kind"] == "processes"
        assert "no limits" in isolation["missing"][0]
