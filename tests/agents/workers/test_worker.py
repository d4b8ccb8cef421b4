"""The real workers, each a process of its own, against the scripted model."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio

from tests.agents.workers.kinds import CLAUDE, KEY, LITELLM, Kind
from tests.agents.workers.worker_client import Told, Worker, open_worker
from tests.emulators.loopback import Exchange, open_loopback
from tests.emulators.model_api import ModelApi, open_model_api
from tests.emulators.script import prompt
from tetherd import shim
from tetherd.agents.workers.core.content import UNTOLD
from tetherd.agents.workers.core.toolcall import INTERRUPTED

HANG_SECONDS = 60.0

Open = Callable[..., AbstractAsyncContextManager[Worker]]


# every start of LiteLLM takes seconds: its whole matrix is for `make test-agents`, the rest in test_litellm_worker.py
@pytest.fixture(params=[CLAUDE, pytest.param(LITELLM, marks=pytest.mark.agents)], ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    chosen.require()
    return chosen


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "secret.txt").write_text("hidden\n")
    os.mkfifo(directory / "pid")
    return directory


@pytest.fixture
async def api() -> ModelApi:
    async with open_model_api(KEY) as api:
        with trio.fail_after(HANG_SECONDS):
            yield api


@pytest.fixture
def open_one(kind: Kind, api: ModelApi, directory: Path) -> Open:
    """A worker of this kind, with a session begun or loaded."""

    def open_one(
        session_id: str | None = None, model: str | None = None, *more: str
    ) -> AbstractAsyncContextManager[Worker]:
        return open_worker(kind.argv(model, *more), directory, kind.settings(api.url), session_id)

    return open_one


def run(command: str) -> dict[str, object]:
    return {"call": [{"tool": "bash", "input": {"command": command}}]}


SLEEPING = run("setsid sh -c 'echo $$ > pid; exec sleep 600' & wait")
EDIT = {"tool": "edit", "input": {"path": "a.txt", "old": "two", "new": "2"}}


async def command_runs(directory: Path) -> int:
    """Once SLEEPING runs: the pid of what it left in a session of its own."""
    return int(await trio.to_thread.run_sync((directory / "pid").read_text, abandon_on_cancel=True))


def is_alive(pid: int) -> bool:
    stat = shim.stat_of(pid)
    return stat is not None and stat[1] not in "ZX"


async def test_text_comes_in_pieces_and_the_next_prompt_knows_what_was_said(open_one: Open, api: ModelApi) -> None:
    async with open_one() as worker:
        told = await worker.prompt(prompt({"think": "hm", "say": "hello there", "chunks": 3}, text="first"))
        again = await worker.prompt(prompt({"say": "fine"}, text="second"))
    assert (told.stop_reason, told.text, told.thoughts) == ("end_turn", "hello there", "hm")
    assert len(told.of("agent_message_chunk")) == 3
    assert len({update["messageId"] for update in told.of("agent_message_chunk")}) == 1
    assert again.text == "fine"
    assert api.turns[-1].answers == ["hello there"]
    assert [text.splitlines()[0] for text in api.turns[-1].prompts] == ["first", "second"]


async def test_tools_an_approval_and_a_refusal_with_its_reason(open_one: Open, api: ModelApi, directory: Path) -> None:
    def choose(call: dict[str, object]) -> str:
        return "allow" if call["kind"] == "execute" else "reject"

    script = prompt(
        {"say": "I look.", "call": [{"tool": "read", "input": {"path": "a.txt"}}]},
        run("echo built > out.txt; echo done; env"),
        {"call": [EDIT, {"tool": "telepathy"}]},
        {"say": "All right."},
    )
    async with open_one() as worker:
        told = await worker.prompt(script, choose)
    assert (told.stop_reason, told.text) == ("end_turn", "I look.All right.")
    assert [ask["params"]["toolCall"]["kind"] for ask in told.asked] == ["execute", "edit"]
    assert told.asked[1]["params"]["toolCall"]["content"][0]["newText"] == "one\n2\n"
    assert [status for status, _ in told.ends] == ["completed", "completed", "failed", "failed"]
    assert (directory / "out.txt").read_text() == "built\n"
    assert (directory / "a.txt").read_text() == "one\ntwo\n"
    read, ran, edited, guessed = api.turns[-1].results
    assert read.text == "1\tone\n2\ttwo"
    assert "done\n" in ran.text and KEY not in ran.text
    assert "The person rejected this." in edited.text
    assert "there is no tool 'telepathy'" in guessed.text


async def test_the_reason_of_a_refusal_reaches_the_model(open_one: Open, api: ModelApi) -> None:
    async with open_one() as worker:
        number = await worker.begin(prompt({"call": [EDIT]}, {"say": "ok"}))
        told = await worker.until(number, Told())
        await worker.decide(told.asked[0], "reject", "two is right")
        await worker.until(number, told)
    assert "The person rejected this. Their reason: two is right" in api.turns[-1].results[0].text


async def test_a_look_outside_is_asked_for(open_one: Open, api: ModelApi, directory: Path) -> None:
    os.symlink("../secret.txt", directory / "link.txt")
    script = prompt({"call": [{"tool": "read", "input": {"path": "link.txt"}}]}, {"say": "ok"})
    async with open_one() as worker:
        refused = await worker.prompt(script, lambda call: "reject")
        assert "hidden" not in api.turns[-1].results[0].text
        allowed = await worker.prompt(script + " ", lambda call: "allow")
    asked = refused.asked[0]["params"]["toolCall"]
    assert (asked["kind"], asked["title"]) == ("read", f"Read {directory.parent / 'secret.txt'}")
    assert allowed.ends == [("completed", "1\thidden")]


async def test_a_cancel_in_mid_stream_ends_the_request_and_keeps_what_was_said(open_one: Open, api: ModelApi) -> None:
    async with open_one() as worker:
        number = await worker.begin(prompt({"say": "half an answer", "chunks": 2, "hold": "gate"}))
        told = Told()
        await worker.hear(told, "half an")
        await worker.cancel()
        await worker.until(number, told)
        await worker.prompt(prompt({"say": "ok"}))
    assert (told.stop_reason, told.text) == ("cancelled", "half an")
    assert api.turns[-1].answers == ["half an"]
    assert api.turns[0].outcome == "abandoned"


async def test_a_cancel_in_mid_command_leaves_no_survivor(open_one: Open, api: ModelApi, directory: Path) -> None:
    async with open_one() as worker:
        number = await worker.begin(prompt({**SLEEPING, "call": [*SLEEPING["call"], EDIT]}))  # type: ignore[misc]
        told = await worker.until(number, Told())
        await worker.decide(told.asked[0], "allow")
        pid = await command_runs(directory)
        assert is_alive(pid)
        await worker.cancel()
        await worker.until(number, told)
        assert not is_alive(pid)
        assert await worker.prompt(prompt({"say": "ok"}))
    assert told.stop_reason == "cancelled"
    assert told.ends == [("failed", "cancelled")]
    assert [result.text.removeprefix("ERROR: ") for result in api.turns[-1].results] == [INTERRUPTED] * 2
    assert (directory / "a.txt").read_text() == "one\ntwo\n"


async def test_a_cancel_while_a_person_is_asked(open_one: Open, api: ModelApi, directory: Path) -> None:
    async with open_one() as worker:
        number = await worker.begin(prompt({"call": [EDIT]}, {"say": "never"}))
        told = await worker.until(number, Told())
        await worker.decide(told.asked[0], None)
        await worker.cancel()
        await worker.until(number, told)
        # an answer that comes too late means nothing
        await worker.decide(told.asked[0], "allow")
        assert (await worker.prompt(prompt({"say": "ok"}))).text == "ok"
    assert (told.stop_reason, told.ends) == ("cancelled", [("failed", "cancelled")])
    assert (directory / "a.txt").read_text() == "one\ntwo\n"
    assert len(api.turns) == 2


async def test_killed_with_a_question_open_the_session_goes_on_in_another_process(
    open_one: Open, api: ModelApi, directory: Path
) -> None:
    async with open_one() as worker:
        first = await worker.prompt(prompt({"say": "hello"}))
        told = await worker.until(await worker.begin(prompt({"say": "I edit.", "call": [EDIT]})), Told())
        assert told.asked
        worker.program.process.kill()
    async with open_one(worker.session_id) as again:
        told = await again.prompt(prompt({"say": "again", "call": [EDIT]}, {"say": "done"}))
    assert (told.stop_reason, told.text) == ("end_turn", "againdone")
    assert api.turns[-1].answers == ["hello", "I edit.", "again"]
    assert api.turns[-1].results[0].text.removeprefix("ERROR: ") == UNTOLD
    assert (directory / "a.txt").read_text() == "one\n2\n"
    before, after = (costs(one) for one in (first, told))
    assert 0 < before[-1] < after[0] < after[-1]


def costs(told: Told) -> list[float]:
    """The sums over the session, as they were told."""
    return [update["cost"]["amount"] for update in told.of("usage_update")]


async def test_a_loaded_session_tells_its_history_and_what_it_has_cost(open_one: Open, kind: Kind) -> None:
    async with open_one() as worker:
        script = prompt({"say": "I look.", "call": [{"tool": "read", "input": {"path": "a.txt"}}]}, {"say": "ok"})
        first = await worker.prompt(script)
    async with open_one(worker.session_id) as again:
        second = await again.prompt(prompt({"say": "fine"}))
    said = [record.message for record in again.program.records if record.direction == "out"]
    kinds = [one["params"]["update"]["sessionUpdate"] for one in said if one.get("method") == "session/update"]
    assert kinds[:5] == [
        "user_message_chunk",
        "agent_message_chunk",
        "tool_call",
        "tool_call_update",
        "agent_message_chunk",
    ]
    assert costs(second)[0] == costs(first)[-1] < costs(second)[-1]
    usage = second.answer["result"]["usage"]
    assert (usage["inputTokens"], usage["outputTokens"], usage["totalTokens"]) == (1000, 42, 1042)


async def test_a_model_without_a_known_price_costs_nothing_that_is_told(open_one: Open, kind: Kind) -> None:
    async with open_one(None, kind.unknown_model) as worker:
        told = await worker.prompt(prompt({"say": "hello"}))
    assert told.stop_reason == "end_turn"
    assert told.of("usage_update") == []
    assert told.answer["result"]["usage"]["totalTokens"] == 1042


FAILURES = [
    ({"status": 400, "message": "bad thing"}, "does not take the request (400): bad thing", 1),
    ({"status": 401, "message": f"revoked: {KEY}"}, "does not take the key (401): revoked: ***", 1),
    ({"status": 404, "message": "no model"}, "does not know the model", 1),
    ({"status": 429, "headers": {"retry-after": "3600"}}, "(429); it asks to wait 3600 s", 1),
    ({"status": 529, "headers": {"retry-after": "0"}, "message": "full"}, "is overloaded (529): full", 3),
    ({"say": "half of it", "chunks": 2, "cut": 1}, "broke in the middle of the answer", 1),
    ({"say": "half", "stream_error": "overloaded_error"}, "", 1),
]


async def test_whatever_fails_is_a_failed_turn_with_its_reason_and_the_session_goes_on(
    open_one: Open, api: ModelApi
) -> None:
    async with open_one() as worker:
        for step, words, requests in FAILURES:
            before = len(api.turns)
            told = await worker.prompt(prompt(step))
            assert words in told.failure, step
            assert len(api.turns) - before == requests, step
            assert KEY not in told.failure
        told = await worker.prompt(prompt({"say": "fine"}))
    assert (told.stop_reason, told.text) == ("end_turn", "fine")
    assert "half of it"[:5] in api.turns[-1].answers[0]


async def test_what_passes_is_tried_again_and_people_are_told(open_one: Open, api: ModelApi) -> None:
    script = prompt({"status": 529, "message": KEY, "headers": {"retry-after": "0"}, "times": 2}, {"say": "now"})
    async with open_one() as worker:
        told = await worker.prompt(script)
    assert (told.stop_reason, told.text) == ("end_turn", "now")
    assert told.thoughts.count("Trying again") == 2
    assert KEY not in told.thoughts
    assert len(api.turns) == 3


async def test_without_a_key_or_a_network_the_turn_says_so(kind: Kind, api: ModelApi, directory: Path) -> None:
    async with open_worker(kind.argv(), directory, kind.settings(api.url, None)) as worker:
        told = await worker.prompt("hello")
        assert told.failure.startswith(f"There is no API key. Set {kind.key}")
    async with open_worker(kind.argv(), directory, kind.settings("http://127.0.0.1:9")) as worker:
        told = await worker.prompt("hello")
        assert "cannot be reached" in told.failure
    assert api.turns == []


async def test_an_image_reaches_the_model(open_one: Open, api: ModelApi) -> None:
    data = base64.b64encode(b"\x89PNG of the test").decode()
    async with open_one() as worker:
        number = await worker.begin(prompt({"say": "a cat"}), {"type": "image", "mimeType": "image/png", "data": data})
        told = await worker.until(number, Told())
    assert told.text == "a cat"
    assert api.turns[-1].has(data)


async def test_the_settings_reach_the_model(open_one: Open, api: ModelApi, kind: Kind) -> None:
    async with open_one(None, None, "--effort=low") as worker:
        await worker.prompt("hello")
    body = api.turns[0].body
    assert body["model"] == kind.model.rpartition("/")[2]
    assert [tool.get("name") or tool["function"]["name"] for tool in body["tools"]] == [
        "read",
        "write",
        "edit",
        "glob",
        "grep",
        "bash",
    ]
    assert api.turns[0].has(str(worker.directory))


@pytest.mark.parametrize("ending", ["the end of its input", "SIGTERM"])
async def test_its_end_ends_the_command_too(open_one: Open, api: ModelApi, directory: Path, ending: str) -> None:
    async with open_one() as worker:
        told = await worker.until(await worker.begin(prompt(SLEEPING)), Told())
        await worker.decide(told.asked[0], "allow")
        pid = await command_runs(directory)
        process = worker.program.process
        if ending == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        else:
            assert process.stdin is not None
            await process.stdin.aclose()
        assert await process.wait() == (143 if ending == "SIGTERM" else 0)
        assert not is_alive(pid)
    async with open_one(worker.session_id) as again:
        await again.prompt(prompt({"say": "ok"}))
    assert api.turns[-1].results[0].text.removeprefix("ERROR: ") == INTERRUPTED


async def test_an_effort_is_told_to_claude(api: ModelApi, directory: Path) -> None:
    async with open_worker(CLAUDE.argv(None, "--effort=low"), directory, CLAUDE.settings(api.url)) as worker:
        await worker.prompt("hello")
    assert api.turns[0].body["output_config"] == {"effort": "low"}


async def test_an_answer_that_ends_without_its_end_is_a_failed_turn(directory: Path) -> None:
    """Not cut off: the server says that this was all."""

    async def half(exchange: Exchange) -> None:
        await exchange.begin(200, {"content-type": "text/event-stream"})
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "half"}}
        for one in ({"type": "message_start", "message": {"usage": {}}}, start, text):
            await exchange.send(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode())
        await exchange.end()

    with trio.fail_after(HANG_SECONDS):
        async with (
            open_loopback(half) as url,
            open_worker(CLAUDE.argv(), directory, CLAUDE.settings(url)) as worker,
        ):
            told = await worker.prompt("hello")
    assert told.text == "half"
    assert "broke in the middle of the answer (it has no end)" in told.failure
