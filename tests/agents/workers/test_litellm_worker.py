"""LiteLLM through every step in one process: its start takes seconds, so there is one for all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.agents.workers.kinds import KEY, LITELLM
from tests.agents.workers.worker_client import Told, open_worker
from tests.emulators.model_api import open_model_api
from tests.emulators.script import prompt

HANG_SECONDS = 120.0


@pytest.fixture(autouse=True)
def installed() -> None:
    LITELLM.require()


async def test_every_step(tmp_path: Path) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "a.txt").write_text("one\ntwo\n")
    edit = {"tool": "edit", "input": {"path": "a.txt", "old": "two", "new": "2"}}
    run = {"tool": "bash", "input": {"command": "echo done; env"}}
    with trio.fail_after(HANG_SECONDS):
        async with (
            open_model_api(KEY) as api,
            open_worker(LITELLM.argv(), directory, LITELLM.settings(api.url)) as worker,
        ):
            told = await worker.prompt(
                prompt({"think": "hm", "say": "hello there", "chunks": 3, "call": [run, edit]}, {"say": "ok"}),
                lambda call: "allow" if call["kind"] == "execute" else "reject",
            )
            assert (told.stop_reason, told.text, told.thoughts) == ("end_turn", "hello thereok", "hm")
            assert [status for status, _ in told.ends] == ["completed", "failed"]
            ran, edited = api.turns[-1].results
            assert "done\n" in ran.text and KEY not in ran.text
            assert "The person rejected this." in edited.text
            assert told.answer["result"]["usage"]["totalTokens"] == 2084
            assert told.of("usage_update")[-1]["cost"]["amount"] == 0.00584

            told = Told()
            number = await worker.begin(prompt({"say": "half an answer", "chunks": 2, "hold": "gate"}))
            await worker.hear(told, "half an")
            await worker.cancel()
            await worker.until(number, told)
            assert told.stop_reason == "cancelled"

            told = await worker.prompt(prompt({"status": 429, "headers": {"retry-after": "3600"}}))
            assert "(429); it asks to wait 3600 s: as the script says" in told.failure
            told = await worker.prompt(prompt({"say": "half of it", "chunks": 2, "cut": 1}))
            assert "broke in the middle of the answer" in told.failure

            assert (await worker.prompt(prompt({"say": "fine"}))).text == "fine"
            assert api.turns[-1].answers[-2:] == ["half an", "half "]
        assert api.turns[2].outcome == "abandoned"
