"""A worker and clients that do not keep to the protocol. No model is asked here."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.agents.workers.kinds import CLAUDE, KEY
from tests.agents.workers.worker_client import Told, Worker, open_worker
from tests.emulators.model_api import open_model_api
from tests.emulators.script import prompt
from tetherd.agents.workers.messages import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    NOT_FOUND,
    PARSE_ERROR,
)
from tetherd.framing import MAX_LINE

HANG_SECONDS = 60.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    return directory


@pytest.fixture
async def worker(directory: Path) -> AsyncIterator[Worker]:
    with trio.fail_after(HANG_SECONDS):
        async with open_worker(CLAUDE.argv(), directory, CLAUDE.settings("http://127.0.0.1:9", None)) as worker:
            yield worker


async def say_line(worker: Worker, line: bytes) -> dict[str, Any]:
    """The next message after a raw line."""
    stdin = worker.program.process.stdin
    assert stdin is not None
    await stdin.send_all(line + b"\n")
    return await worker.program.until(lambda message: True)


NONSENSE = [
    (b"this is not JSON", PARSE_ERROR),
    (b"\xff\xfe\x00", PARSE_ERROR),
    (b"{", PARSE_ERROR),
    (b"[" * 100_000, PARSE_ERROR),
    (b"42", INVALID_REQUEST),
    (b"[]", INVALID_REQUEST),
    (b"{}", INVALID_REQUEST),
    (b'{"method":7,"id":1}', METHOD_NOT_FOUND),
    (b'{"method":"of_tomorrow","id":"x"}', METHOD_NOT_FOUND),
    (b'{"method":"session/prompt","id":1}', NOT_FOUND),
    (b'{"method":"session/prompt","id":1,"params":[]}', NOT_FOUND),
    (b'{"method":"session/new","id":1,"params":{"cwd":7}}', INVALID_PARAMS),
    (b'{"method":"session/new","id":1,"params":{"cwd":"relative"}}', INVALID_PARAMS),
    (b'{"method":"session/new","id":1,"params":{"cwd":"/none/such"}}', INVALID_PARAMS),
    (b'{"method":"session/new","id":1,"params":{"cwd":"/\\u0000"}}', INVALID_PARAMS),
    (b'{"method":"session/load","id":1,"params":{"cwd":"/"}}', INVALID_PARAMS),
    (b'{"method":"session/load","id":1,"params":{"cwd":"/","sessionId":"../x"}}', NOT_FOUND),
    (b'{"method":"session/load","id":1,"params":{"cwd":"/","sessionId":"unheard-of"}}', NOT_FOUND),
    (b"x" * (MAX_LINE + 1), PARSE_ERROR),
]


async def test_nonsense_is_answered_and_the_worker_goes_on(worker: Worker) -> None:
    for line, code in NONSENSE:
        answer = await say_line(worker, line)
        assert answer["error"]["code"] == code, line[:80]
    assert (await worker.prompt("hello")).failure.startswith("There is no API key")
    assert worker.program.said("err") == []


async def test_what_needs_no_answer_gets_none(worker: Worker) -> None:
    stdin = worker.program.process.stdin
    assert stdin is not None
    for message in (
        {"method": "session/cancel"},
        {"method": "session/cancel", "params": {"sessionId": worker.session_id}},
        {"method": "of_tomorrow"},
        {"id": 77, "result": {}},
        {"id": "x", "error": {}},
        {"id": None, "result": 7},
    ):
        await stdin.send_all(json.dumps(message).encode() + b"\n\n")
    answer = await worker.ask("initialize", protocolVersion=1)
    assert answer["result"]["agentCapabilities"]["promptCapabilities"]["image"] is True


@pytest.mark.parametrize(
    "blocks", [[], [{"type": "text", "text": " "}], [{"type": "audio"}], [{"type": "image", "mimeType": "image/tiff"}]]
)
async def test_what_no_model_takes_is_refused_before_it_is_asked(worker: Worker, blocks: list[dict[str, Any]]) -> None:
    answer = await worker.ask("session/prompt", sessionId=worker.session_id, prompt=blocks)
    assert answer["error"]["code"] == INVALID_PARAMS


async def test_one_prompt_at_a_time(directory: Path) -> None:
    with trio.fail_after(HANG_SECONDS):
        async with (
            open_model_api(KEY) as api,
            open_worker(CLAUDE.argv(), directory, CLAUDE.settings(api.url)) as worker,
        ):
            first = await worker.begin(prompt({"say": "ab", "chunks": 2, "hold": "gate"}))
            await api.held("gate")
            second = await worker.until(await worker.begin("second"), Told())
            assert second.answer["error"]["code"] == INVALID_REQUEST
            place = {"cwd": str(directory), "mcpServers": []}
            loaded = await worker.ask("session/load", sessionId=worker.session_id, **place)
            assert loaded["error"]["code"] == INVALID_REQUEST
            api.release("gate")
            assert (await worker.until(first, Told())).stop_reason == "end_turn"


async def test_a_conversation_that_another_process_has_open_is_not_loaded(worker: Worker, directory: Path) -> None:
    async with open_worker(CLAUDE.argv(), directory, CLAUDE.settings("http://127.0.0.1:9", None)) as other:
        answer = await other.ask("session/load", sessionId=worker.session_id, cwd=str(directory), mcpServers=[])
    assert "another process" in answer["error"]["message"]


async def test_two_sessions_of_one_process_are_two_conversations(worker: Worker, directory: Path) -> None:
    first = worker.session_id
    await worker.start()
    assert worker.session_id != first
    answer = await worker.ask("session/load", sessionId=first, cwd=str(directory), mcpServers=[])
    assert answer["result"] == {}


async def test_conversations_are_the_owners_alone(worker: Worker, directory: Path) -> None:
    home = directory.parent / "home" / ".local/share/tether/conversations/claude_api"
    (kept,) = home.iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


async def test_a_disk_that_takes_nothing_fails_the_turn_and_not_the_worker(worker: Worker, directory: Path) -> None:
    home = directory.parent / "home" / ".local/share/tether/conversations/claude_api"
    (kept,) = home.iterdir()
    size = kept.stat().st_size
    before = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    answer = await worker.prompt("hello")
    assert "File too large" in answer.failure
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, before)
    assert "no API key" in (await worker.prompt("hello")).failure
    assert kept.read_bytes().count(b"\n") == 2  # the first line, and the prompt that was kept


async def test_a_client_that_never_reads_does_not_keep_it_alive(directory: Path) -> None:
    home = directory.parent / "home"
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), **CLAUDE.settings("http://127.0.0.1:9", None)}
    with trio.fail_after(HANG_SECONDS):
        process = await trio.lowlevel.open_process(
            CLAUDE.argv(), cwd=directory, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin and process.stdout
        async with process.stdin, process.stdout, trio.open_nursery() as nursery:
            # more than finds room on its way: the worker stops reading as long as its answers find no reader
            nursery.start_soon(flood, process.stdin)
            assert await process.stdout.receive_some(1)
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 128 + signal.SIGTERM


async def flood(stdin: trio.abc.SendStream) -> None:
    with suppress(trio.BrokenResourceError):
        await stdin.send_all(b'{"id":1,"method":"initialize"}\n' * 100_000)
