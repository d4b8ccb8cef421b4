"""Figures for Prometheus.

What happens is counted as it happens, from the log and from the writer; how things stand is asked at each scrape. A
session is a label only while its agent runs. Counters begin anew with each start of the daemon, as Prometheus expects.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from tetherd.control import (
    Bridges,
    BridgeView,
    Control,
    Cursor,
    DaemonStatus,
    Entry,
    GetApproval,
    GetStatus,
    ListResources,
    NotFound,
    ResourcesView,
)
from tetherd.domain.approval import ByActor
from tetherd.domain.events import ApprovalResolved
from tetherd.domain.session import SessionState

COMMIT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
WAIT_BUCKETS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600)
"""Seconds: a person's, from the next glance to the next morning."""


class Metrics:
    """All figures of one daemon."""

    def __init__(self, after: int) -> None:
        """`after`: the log's newest seq; what is behind it is counted."""
        self._counted = after
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._now = _Now()
        self._registry.register(self._now)
        self._commits = Histogram(
            "tether_commit_seconds",
            "How long the writer took for one commit.",
            buckets=COMMIT_BUCKETS,
            registry=self._registry,
        )
        self._events = Counter("tether_events", "Events that were logged.", ["type"], registry=self._registry)
        self._resolved = Counter(
            "tether_approvals_resolved",
            "Approvals that were closed, by whom.",
            ["by", "answer"],
            registry=self._registry,
        )
        self._waits = Histogram(
            "tether_approval_wait_seconds",
            "How long an agent waited for a person's answer.",
            buckets=WAIT_BUCKETS,
            registry=self._registry,
        )

    def committed(self, seconds: float) -> None:
        """The writer has made a commit."""
        self._commits.observe(seconds)

    async def count_forever(self, control: Control) -> None:
        """Count what is logged, each entry once, also when this begins again after a failure."""
        async with control.follow(Cursor(self._counted), live=False) as batches:
            async for batch in batches:
                for one in batch:
                    if isinstance(one, Entry):
                        self._counted = one.seq
                        self._events.labels(one.kind).inc()
                        if one.kind == "approval_resolved":
                            await self._count_approval(control, one)

    async def _count_approval(self, control: Control, entry: Entry) -> None:
        event = entry.event()
        assert isinstance(event, ApprovalResolved)
        self._resolved.labels(event.by.kind, event.answer.decision if event.answer else "none").inc()
        if isinstance(event.by, ByActor):
            try:
                asked = await control.ask(GetApproval(event.approval_id))
            except NotFound:  # its session was deleted meanwhile
                return
            self._waits.observe((datetime.fromisoformat(entry.at) - asked.requested_at).total_seconds())

    async def render(self, control: Control, bridges: Bridges, streams: int, accept: str) -> tuple[bytes, str]:
        """The text of a scrape, and its content type, in the format that `accept` prefers."""
        status, resources = await control.ask(GetStatus()), await control.ask(ListResources())
        encode, content_type = choose_encoder(accept)
        self._now.take(status, resources, await bridges.list(), streams)
        return encode(self._registry), content_type


class _Now(Collector):
    """How things stand at a scrape."""

    def __init__(self) -> None:
        self._status: DaemonStatus | None = None
        self._resources: tuple[ResourcesView, ...] = ()
        self._bridges: tuple[BridgeView, ...] = ()
        self._streams = 0

    def take(
        self,
        status: DaemonStatus,
        resources: tuple[ResourcesView, ...],
        bridges: tuple[BridgeView, ...],
        streams: int,
    ) -> None:
        """What the next collection tells."""
        self._status, self._resources, self._bridges, self._streams = status, resources, bridges, streams

    def collect(self) -> Iterator[Metric]:
        if self._status is None:  # registering asks once, for the names
            return
        sessions = GaugeMetricFamily("tether_sessions", "Sessions by their state.", labels=["state"])
        for state in SessionState:
            sessions.add_metric([state.value], self._status.sessions.get(state, 0))
        yield sessions
        yield GaugeMetricFamily(
            "tether_approvals_pending", "Approvals that wait for a person.", self._status.pending_approvals
        )
        yield GaugeMetricFamily("tether_streams", "Clients that follow the log.", self._streams)
        yield GaugeMetricFamily("tether_log_seq", "The newest entry of the log.", self._status.seq)
        memory = GaugeMetricFamily("tether_agent_memory_bytes", "What an agent's processes hold.", labels=["session"])
        tasks = GaugeMetricFamily("tether_agent_tasks", "An agent's processes and threads.", labels=["session"])
        cpu = CounterMetricFamily("tether_agent_cpu_seconds", "Processor time since its start.", labels=["session"])
        for used in self._resources:
            memory.add_metric([used.session_id], used.memory_bytes)
            tasks.add_metric([used.session_id], used.tasks)
            cpu.add_metric([used.session_id], used.cpu_seconds)
        yield from (memory, tasks, cpu)
        running = GaugeMetricFamily("tether_bridge_running", "1 while a bridge that is set up runs.", labels=["bridge"])
        lag = GaugeMetricFamily("tether_bridge_lag", "Log entries that a bridge has yet to see.", labels=["bridge"])
        owed = GaugeMetricFamily("tether_bridge_owed", "Messages that the platform has yet to get.", labels=["bridge"])
        for bridge in self._bridges:
            if bridge.state != "off":
                running.add_metric([bridge.name], bridge.state == "running")
                lag.add_metric([bridge.name], bridge.lag)
                owed.add_metric([bridge.name], bridge.owed)
        yield from (running, lag, owed)
