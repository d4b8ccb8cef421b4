"""What a scrape tells."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_families
from prometheus_client.parser import text_string_to_metric_families as families

from tests.e2e.daemon import fresh_daemon, until
from tests.fakes.http_api import SOCKET, Api
from tetherd.domain.ids import Role

DASHBOARD = Path(__file__).parent.parent / "contrib" / "grafana" / "tether.json"


def values(text: str, parse=families) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """By the name with its labels, in order of their names."""
    return {
        "".join([one.name, *(f" {key}={one.labels[key]}" for key in sorted(one.labels))]): one.value
        for family in parse(text)
        for one in family.samples
    }


@asynccontextmanager
async def counting(api: Api) -> AsyncIterator[None]:
    """What is logged meanwhile has been counted at the end."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(api.metrics.count_forever, api.control)
        yield
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_who_may_scrape() -> None:
    api = Api()
    for token, status in ((api.owner, 200), (api.token(Role.OBSERVER), 200), (None, 401), ("tether_wrong", 401)):
        assert (await api.call("GET", "/metrics", token=token)).status == status
    agent = (await api.session())["token"]
    assert (await api.call("GET", "/metrics", token=agent)).status == 403
    assert (await api.call("GET", "/metrics", token=None, scope=SOCKET)).status == 200
    assert (await api.call("GET", "/metrics", headers={"Origin": "http://evil.example"})).status == 403
    assert (await api.call("POST", "/metrics", {})).status == 405


async def test_both_formats_can_be_read_and_hold_the_same() -> None:
    api = Api()
    plain = await api.call("GET", "/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    other = await api.call("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert other.headers["Content-Type"].startswith("application/openmetrics-text")
    for text, parse in ((plain, families), (other, open_families)):
        found = values(text.raw.decode(), parse)
        assert found["tether_sessions state=running"] == 0
        assert found["tether_approvals_pending"] == 0
        assert found["tether_streams"] == 0


async def test_commits_and_resources_are_told() -> None:
    api = Api()
    made = await api.session()
    api.metrics.committed(0.002)
    api.metrics.committed(3.0)
    found = values((await api.call("GET", "/metrics")).raw.decode())
    assert found["tether_commit_seconds_count"] == 2
    assert found["tether_commit_seconds_bucket le=0.0025"] == 1
    session = f"session={made['session_id']}"
    assert found[f"tether_agent_memory_bytes {session}"] == 2**20
    assert found[f"tether_agent_cpu_seconds_total {session}"] == 1.5
    assert found[f"tether_agent_tasks {session}"] == 3


async def test_events_are_counted_once_also_after_a_failure() -> None:
    api = Api()
    made = await api.session()
    for name in ("a", "b"):
        async with counting(api):
            await api.call("PATCH", f"/api/sessions/{made['session_id']}", {"name": name})
    found = values((await api.call("GET", "/metrics")).raw.decode())
    assert found["tether_events_total type=session_created"] == 1
    assert found["tether_events_total type=session_renamed"] == 2


def test_a_daemon_tells_who_answered_and_how_long_it_took() -> None:
    with fresh_daemon() as daemon:
        session_id = daemon.new_session("@hold")
        asked = daemon.wait_for_approval()

        def scraped() -> dict[str, float]:
            done = daemon.run(["curl", "-sS", "-H", f"Authorization: Bearer {daemon.token}", f"{daemon.url}/metrics"])
            return values(done.stdout)

        before = scraped()
        assert before["tether_approvals_pending"] == 1
        assert before["tether_sessions state=awaiting_approval"] == 1
        assert before[f"tether_agent_memory_bytes session={session_id}"] > 2**20
        assert before["tether_approval_wait_seconds_count"] == 0
        daemon.post(f"/api/approvals/{asked['approval_id']}/decision", {"decision": "approve"})
        key = "tether_approvals_resolved_total answer=approve by=actor"
        after = until(lambda: (found := scraped()).get(key) and found, "the count")
        assert after["tether_approval_wait_seconds_count"] == 1
        assert after["tether_approvals_pending"] == 0
        assert after["tether_commit_seconds_count"] > before["tether_commit_seconds_count"] > 0
        assert after["process_resident_memory_bytes"] > 2**20


@pytest.mark.parametrize("panel", json.loads(DASHBOARD.read_text())["panels"], ids=lambda panel: str(panel["title"]))
async def test_the_dashboard_asks_for_figures_that_there_are(panel: dict[str, object]) -> None:
    api = Api()
    async with counting(api):
        await api.session()
    text = (await api.call("GET", "/metrics")).raw.decode()
    names = {one.name for family in families(text) for one in family.samples} | {
        family.name + suffix for family in families(text) for suffix in ("", "_total", "_bucket", "_sum", "_count")
    }
    asked = set(re.findall(r"\b(?:tether|process)_[a-z_]+", json.dumps(panel["targets"])))
    assert asked
    assert asked <= names
