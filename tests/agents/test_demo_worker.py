"""The demo agent, as a client on its pipes sees it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.agents.demo_client import HANG_SECONDS, Client, Json, Told


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
def connect(tmp_path: Path, directory: Path) -> Iterator[Callable[[], Client]]:
    clients: list[Client] = []

    def connect() -> Client:
        clients.append(Client(tmp_path / "home", directory))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[[], Client]) -> Client:
    return connect().start()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def ignores_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(mask, 16) >> (signal.SIGTERM - 1) & 1)


def git(directory: Path, *words: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    subprocess.run(("git", *identity, *words), cwd=directory, env=environment, check=True, capture_output=True)


@pytest.fixture
def repository(directory: Path) -> Path:
    (directory / "README.md").write_text("# A project")
    git(directory, "init", "-q")
    git(directory, "add", "README.md")
    git(directory, "commit", "-q", "-m", "first")
    return directory


def test_handshake_tells_who_it_is(connect: Callable[[], Client]) -> None:
    result = connect().ask("initialize", protocolVersion=1, clientCapabilities={})["result"]
    assert result["protocolVersion"] == 1
    assert result["agentInfo"]["name"] == "tetherd-demo"
    assert result["agentCapabilities"] == {
        "loadSession": True,
        "promptCapabilities": {"image": False, "audio": False, "embeddedContext": False},
    }


def test_approved_tour_edits_the_readme_and_runs_the_command(client: Client, repository: Path) -> None:
    (repository / "README.md").chmod(0o640)
    told = client.prompt("Tidy up the README")
    assert told.stop_reason == "end_turn"
    assert set(told.answer["result"]["usage"]) == {"inputTokens", "outputTokens", "totalTokens"}
    assert [update["kind"] for update in told.of("tool_call")] == ["read", "edit", "execute"]
    done = [update for update in told.of("tool_call_update") if update["status"] == "completed"]
    assert done[0]["content"][0]["content"]["text"] == "# A project"
    assert "README.md | 3 ++-" in done[2]["content"][0]["content"]["text"]
    new = (repository / "README.md").read_text()
    diff = {"type": "diff", "path": str(repository / "README.md"), "oldText": "# A project", "newText": new}
    assert new.startswith("# A project\n") and new.count("\n") == 2
    assert done[1]["content"] == told.requests[0]["params"]["toolCall"]["content"] == [diff]
    assert stat.S_IMODE((repository / "README.md").stat().st_mode) == 0o640
    assert sorted(entry.name for entry in repository.iterdir()) == [".git", "README.md"]
    assert told.requests[1]["params"]["toolCall"]["rawInput"]["command"] == "git diff --stat"
    assert told.of("agent_thought_chunk") and told.of("usage_update")
    assert len({update["messageId"] for update in told.of("agent_message_chunk")}) < len(told.updates)


def test_rejected_tour_changes_nothing_and_goes_on(client: Client, repository: Path) -> None:
    told = client.prompt("Tidy up the README", lambda params: "reject")
    assert told.stop_reason == "end_turn"
    assert [update["status"] for update in told.of("tool_call_update")] == ["completed", "failed", "failed"]
    assert "README.md stays as it is" in told.text and "I do not run it" in told.text
    assert (repository / "README.md").read_text() == "# A project"


def test_tour_of_an_empty_directory_makes_a_file(client: Client, directory: Path) -> None:
    told = client.prompt("hello")
    assert told.stop_reason == "end_turn"
    assert told.requests[0]["params"]["toolCall"]["content"][0]["oldText"] is None
    assert [entry.name for entry in directory.iterdir()] == ["NOTES.md"]
    assert told.of("tool_call_update")[-1]["status"] == "failed", "git has nothing to compare here"


def test_edit_of_a_file_that_was_changed_meanwhile_fails(client: Client, directory: Path) -> None:
    (directory / "a.txt").write_text("one\n")

    def choose(params: Json) -> str:
        (directory / "a.txt").write_text("two\n")
        return "allow"

    assert client.prompt("edit a.txt", choose).of("tool_call_update")[-1]["status"] == "failed"
    assert (directory / "a.txt").read_text() == "two\n"


@pytest.mark.parametrize("content", [b"\xff", b"x" * 2_000_000])
def test_what_is_no_small_text_is_not_edited(client: Client, directory: Path, content: bytes) -> None:
    (directory / "a.bin").write_bytes(content)
    told = client.prompt("edit a.bin")
    assert "I cannot edit a.bin" in told.text and not told.requests


@pytest.mark.parametrize("option, words", [("green", "You chose green."), ("skip", "skipped"), (None, "skipped")])
def test_question_is_answered_with_an_option(client: Client, option: str | None, words: str) -> None:
    told = client.prompt("ask", lambda params: option)
    options = told.requests[0]["params"]["options"]
    kinds = [(option["optionId"], option["kind"]) for option in options]
    assert kinds == [*((colour, "allow_once") for colour in ("red", "green", "blue")), ("skip", "reject_once")]
    assert words in told.text


def test_run_tells_output_and_exit_code(client: Client) -> None:
    last = client.prompt("run echo out; echo err >&2; exit 3").of("tool_call_update")[-1]
    assert (last["status"], last["rawOutput"]) == ("failed", {"exitCode": 3})
    assert last["content"][0]["content"]["text"] == "out\nerr\n"


def test_run_does_not_wait_for_what_a_command_left_behind(client: Client) -> None:
    last = client.prompt("run sleep 600 & echo $!").of("tool_call_update")[-1]
    os.kill(int(last["content"][0]["content"]["text"]), signal.SIGKILL)
    assert last["status"] == "completed"


def begin_family(client: Client) -> tuple[int, Told, list[int]]:
    """A command with a child in the background and one in a process group of its own; once all three run."""
    child = "import os, time; os.setpgid(0, 0); print(os.getpid(), flush=True); time.sleep(600)"
    script = f"echo $$; sleep 600 & echo $!; exec {shlex.join((sys.executable, '-c', child))}"
    number = client.begin(f"run sh -c {shlex.quote('(' + script + ') > pids; :')}")
    told = client.until(number, Told())
    client.answer(told.requests[0], "allow")
    pids = client.directory / "pids"
    eventually(lambda: pids.exists() and pids.read_text().count("\n") == 3)
    return number, told, [int(pid) for pid in pids.read_text().split()]


def test_cancel_in_mid_command_leaves_no_survivor(client: Client) -> None:
    number, told, pids = begin_family(client)
    client.cancel()
    client.until(number, told)
    assert told.stop_reason == "cancelled"
    assert told.of("tool_call_update")[-1]["status"] == "failed"
    eventually(lambda: not any(map(is_running, pids)))
    assert client.prompt("echo on").stop_reason == "end_turn"


def test_sigterm_takes_the_command_along(client: Client) -> None:
    _, _, pids = begin_family(client)
    client.process.terminate()
    assert client.process.wait(HANG_SECONDS) == 128 + signal.SIGTERM
    eventually(lambda: not any(map(is_running, pids)))


def test_cancel_waits_for_the_answer_that_is_owed(client: Client) -> None:
    number = client.begin("hold")
    told = client.until(number, Told())
    client.cancel()
    client.answer(told.requests[0], None)
    assert client.until(number, told).stop_reason == "cancelled"
    assert "verdict" not in told.text


def test_cancel_without_a_turn_means_nothing(client: Client) -> None:
    client.cancel()
    assert client.prompt("echo x").stop_reason == "end_turn"


def test_second_prompt_is_refused_while_one_runs(client: Client) -> None:
    number = client.begin("hold")
    told = client.until(number, Told())
    assert client.until(client.begin("echo x"), Told()).answer["error"]["code"] == -32600
    client.answer(told.requests[0], "allow")
    assert "verdict: approve" in client.until(number, told).text


def test_rejection_may_have_a_reason(client: Client) -> None:
    number = client.begin("hold")
    told = client.until(number, Told())
    client.answer(told.requests[0], "reject", _meta={"reason": "too early"})
    assert client.until(number, told).text == "verdict: reject too early"


def test_two_permissions_are_answered_in_reverse(client: Client) -> None:
    number = client.begin("two")
    told = client.until(number, client.until(number, Told()))
    client.answer(told.requests[1], "reject")
    client.answer(told.requests[0], "allow")
    assert client.until(number, told).text == "first approve, second reject; answered second, first"


def test_load_after_a_kill_replays_what_was_said(client: Client, connect: Callable[[], Client], tmp_path: Path) -> None:
    client.prompt("lines 3")
    client.until(client.begin("hold"), Told())
    client.process.kill()
    client.process.wait()
    file = tmp_path / "home" / f"{client.session_id}.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open("ab") as torn:
        torn.write(b'{"sessionUpdate":"agent_message_ch')
    for _ in range(2):
        again = connect()
        again.session_id = client.session_id
        params = {"sessionId": client.session_id, "cwd": str(client.directory), "mcpServers": []}
        told = again.until(again.send("session/load", **params), Told())
        assert told.answer["result"] == {}
        assert [update["content"]["text"] for update in told.of("user_message_chunk")][:2] == ["lines 3", "hold"]
        assert told.text.startswith("line 1\nline 2\nline 3\n")
        again.prompt("echo more")
    assert told.text.count("echo") == 1, "what came after the torn line is kept"


@pytest.mark.parametrize("session_id", ["demo-0000", "../home", "", "a/b"])
def test_load_of_an_unknown_session_is_refused(client: Client, session_id: str) -> None:
    answer = client.ask("session/load", sessionId=session_id, cwd=str(client.directory), mcpServers=[])
    assert answer["error"]["code"] == -32002


@pytest.mark.parametrize(
    "line, code",
    [
        (b"{nonsense", -32700),
        (b'{"id":"\xff"}', -32700),
        (b"[" * 100_000, -32700),
        (b"42", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"2.0","id":7,"method":"session/fly"}', -32601),
        (b'{"jsonrpc":"2.0","id":7,"method":"session/new","params":{"cwd":"here"}}', -32602),
        (b'{"jsonrpc":"2.0","id":7,"method":"session/prompt","params":[]}', -32602),
        (b'{"jsonrpc":"2.0","id":7,"method":"session/prompt","params":{"sessionId":"no","prompt":[]}}', -32002),
    ],
)
def test_a_bad_line_is_answered_and_the_next_one_read(client: Client, line: bytes, code: int) -> None:
    client.send_line(line)
    answer = client.receive()
    assert answer["error"]["code"] == code
    assert answer["id"] == (7 if b'"id":7' in line else None)
    assert client.prompt("echo x").stop_reason == "end_turn"


@pytest.mark.parametrize("text", ["", " x ", "é\u2028\u2029😀\x00\r\n@hold\n", "lone \ud800", "ä" * 200_000])
def test_prompts_arrive_whole(client: Client, text: str) -> None:
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
    assert client.prompt(f"echo {text}").text == f"echo {len(text)} {digest}"


def test_lines_are_messages_of_their_own(client: Client) -> None:
    told = client.prompt("lines 250 100 1")
    assert told.text == "".join(f"line {number}\n" for number in range(1, 251))
    assert len({update["messageId"] for update in told.of("agent_message_chunk")}) == 250


def test_pieces_long_and_many(client: Client) -> None:
    chunks = client.prompt("chunks 30 1000").of("agent_message_chunk")
    assert len(chunks) == 30 and len({update["messageId"] for update in chunks}) == 1
    assert client.prompt("long 3000000").text == "a" * 3_000_000
    flood = client.prompt("flood 1").of("agent_message_chunk")
    assert sum(len(update["content"]["text"]) for update in flood) > 900_000


def test_acts_after_each_other(client: Client) -> None:
    assert client.prompt("@lines 2\n@hold\nno act\n@sleep 0.001").text == "line 1\nline 2\nverdict: approveslept 0.001"


def test_garbage_comes_between_messages(client: Client) -> None:
    number = client.begin("garbage")
    lines = [client.lines.get(timeout=HANG_SECONDS) for _ in range(7)]
    assert lines[0] == b"this is not JSON\n" and lines[2] == b"\xff\xfe\x00\n"
    assert b"demo_unheard_of" in lines[6]
    assert client.until(number, Told()).stop_reason == "end_turn"


def test_lines_on_stderr(client: Client) -> None:
    client.prompt("@stderr 3\n@exit")
    assert client.stderr.read() == b"stderr line 1\nstderr line 2\nstderr line 3\n"
    assert client.process.wait(HANG_SECONDS) == 0


def test_crash_ends_in_mid_turn(client: Client) -> None:
    told = client.prompt("crash 42")
    assert told.text == "crashing with 42" and not told.answer
    assert client.process.wait(HANG_SECONDS) == 42


def test_end_of_stdin_ends_the_turn_and_the_agent(client: Client) -> None:
    number = client.begin("hold")
    told = client.until(number, Told())
    client.stdin.close()
    assert client.until(number, told).stop_reason == "cancelled"
    assert client.process.wait(HANG_SECONDS) == 0
    assert client.stderr.read() == b""


def test_deaf_agent_leaves_its_stdin_alone(client: Client) -> None:
    assert client.prompt("deafen").stop_reason == "end_turn"
    fcntl.fcntl(client.stdin, fcntl.F_SETFL, os.O_NONBLOCK)
    with pytest.raises(BlockingIOError):
        for _ in range(1000):
            os.write(client.stdin.fileno(), b"x" * 4096)
    client.process.terminate()
    assert client.process.wait(HANG_SECONDS) == 128 + signal.SIGTERM


def test_stubborn_agent_must_be_killed(client: Client) -> None:
    client.begin("stubborn")
    assert client.receive()["params"]["update"]["content"]["text"] == "stubborn from now on"
    assert ignores_sigterm(client.process.pid)
    client.process.terminate()
    client.cancel()
    assert client.process.poll() is None


def test_daemon_outlives_its_agent(client: Client) -> None:
    pid = int(client.prompt("@daemonize\n@exit").text.removeprefix("daemon "))
    try:
        assert client.process.wait(HANG_SECONDS) == 0
        assert os.getsid(pid) not in (pid, client.process.pid, os.getsid(0))
        assert ignores_sigterm(pid)
    finally:
        os.kill(pid, signal.SIGKILL)
