"""What recordings keep, and what they never hold."""

from __future__ import annotations

import json
import re

import pytest

from tests.agents.record import TRANSCRIPTS
from tests.agents.trimming import trimmed

LONG = "All of this is the vendor's own prose. " * 10


def kept(message: object, direction: str = "out") -> object:
    (record,) = trimmed([{"dir": direction, "msg": message}], {"/tmp/x/project": "/project", "/tmp/x": "/recording"})
    return record["msg"]


def test_long_texts_are_the_vendors_and_cut() -> None:
    assert kept({"text": LONG}) == {"text": f"{LONG[:60]} (cut)"}
    ours = "script: [" + "1, " * 100 + "1]"
    assert kept({"text": ours}) == {"text": ours}
    assert kept({"text": LONG}, "in") == {"text": LONG}


def test_of_catalogues_one_entry_stays() -> None:
    models = [{"value": "m", "description": "a model of models"}, {"value": "n"}]
    assert kept({"models": models, "skills": ["one", "two"]}) == {
        "models": [{"value": "m", "description": "(description)"}],
        "skills": ["one"],
    }


def test_places_of_the_machine_are_replaced_the_longest_first() -> None:
    given = {
        "/tmp/x/a": "cat /tmp/x/project/f",
        "slug": "projects/-tmp-x-project/y",
        "socket": "/tmp/cc-socks/417.sock",
    }
    assert kept(given) == {
        "/recording/a": "cat /project/f",
        "slug": "projects/-project/y",
        "socket": "/tmp/cc-socks/1.sock",
    }


def test_what_is_drawn_gets_a_number_and_stays_one_thing() -> None:
    drawn, derived = "0b6c1e6f-6f5c-4e0e-9f0a-5d1d7e2f8a34", "fec67a4e-467f-5cf6-9c9e-021c650b01a1"
    call = "toolu_" + "ab" * 12
    given = {"a": drawn, "b": [drawn, call], "c": derived, "task_id": "b3f81qy2q", "said": "b3f81qy2q has ended"}
    first = "00000000-0000-4000-8000-000000000001"
    assert kept(given) == {
        "a": first,
        "b": [first, f"toolu_{2:024x}"],
        "c": derived,
        "task_id": "task-1",
        "said": "task-1 has ended",
    }


def test_clocks_stand_still() -> None:
    assert kept({"duration_ms": 417, "end_time": 5, "pid": 8, "count": 3, "isMs": True, "timestamp": "2026"}) == {
        "duration_ms": 1,
        "end_time": 1,
        "pid": 1,
        "count": 3,
        "isMs": True,
        "timestamp": "2026-11-25T12:00:00.000Z",
    }


@pytest.mark.parametrize("path", sorted(TRANSCRIPTS.glob("claude-*.jsonl")), ids=lambda path: path.stem)
def test_the_recordings_hold_nothing_of_the_machine(path: object) -> None:
    said = TRANSCRIPTS.joinpath(str(path)).read_text()
    assert not re.search(r"/tmp/tmp|/root/|tetherd-test-agents|sk-of-the-recorder", said)
    for line in said.splitlines():
        assert set(json.loads(line)) == {"dir", "msg"}
