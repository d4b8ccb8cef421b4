"""The scripted model API as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.emulators.model_api import open_model_api
from tests.emulators.script import prompt

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.emulators.model_api", "--accept-key", "right"]


def request(text: str) -> dict[str, Any]:
    return {
        "model": "m",
        "max_tokens": 9,
        "stream": True,
        "tools": [{}],
        "messages": [{"role": "user", "content": text}],
    }


async def test_it_runs_by_hand_and_opens_gates_by_name() -> None:
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            process = await trio.lowlevel.open_process(COMMAND, stdout=subprocess.PIPE, cwd=ROOT)
            assert process.stdout is not None
            url = (await process.stdout.receive_some()).decode().strip()
            async with httpx.AsyncClient(base_url=url, timeout=60, headers={"x-api-key": "right"}) as http:
                bodies: list[str] = []
                arrived = trio.Event()

                async def turn() -> None:
                    held = await http.post("/v1/messages", json=request(prompt({"say": "ab", "hold": "g"})))
                    bodies.append(held.text)
                    arrived.set()

                nursery.start_soon(turn)
                assert (await http.get("/_holding/g")).status_code == 200
                assert bodies == []
                assert (await http.get("/_requests")).json()["requests"][0]["outcome"] is None
                await http.post("/_release/g")
                await arrived.wait()
                assert bodies[0].endswith('data: {"type": "message_stop"}\n\n')
                assert (
                    await http.post("/v1/messages", json=request("x"), headers={"x-api-key": "wrong"})
                ).status_code == 401
            process.terminate()
            await process.wait()
            await process.stdout.aclose()


async def test_it_keeps_as_much_as_it_is_told() -> None:
    with trio.fail_after(60):
        async with open_model_api(keep=2) as api, httpx.AsyncClient(base_url=api.url) as http:
            for number in range(5):
                await http.post("/v1/messages", json=request(f"number {number}"))
            assert [turn.prompts for turn in api.turns] == [["number 3"], ["number 4"]]
