"""The composition root: what the daemon is made of, nested by lifetime.

Nesting is the order of stopping: the database closes last, the servers go before it, the sessions first of all.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import trio

from tetherd import paths
from tetherd.agents.ancestry import is_agent_process
from tetherd.agents.host import ShimHost
from tetherd.agents.sandboxing import Sandbox, find_sandbox
from tetherd.agents.units import NoUnits, UserManager, find_user_manager
from tetherd.api.app import create_app
from tetherd.api.listeners import Listener
from tetherd.api.listening import Listening
from tetherd.api.server import serve
from tetherd.api.settings import ApiSettings
from tetherd.api.site import WEB_DIR
from tetherd.bridge import Bridge
from tetherd.config import Config
from tetherd.control import DaemonStatus, GetStatus, Isolation
from tetherd.current_config import CurrentConfig
from tetherd.domain.session import LIVE
from tetherd.errors import Misconfigured, Unavailable
from tetherd.logconfig import configure_logging, get_logger
from tetherd.metrics import Metrics
from tetherd.plugin import AgentAdapter, adapter_names
from tetherd.policyfile import NAME as POLICY_FILE
from tetherd.runtime.anchor import note_head
from tetherd.runtime.bridges import BridgeHost, BridgeWorld
from tetherd.runtime.restart import Restart, run_with_restarts
from tetherd.runtime.rulebook import RuleBook
from tetherd.runtime.ruledesk import RuleDesk
from tetherd.runtime.supervisor import SessionSupervisor
from tetherd.runtime.world import World
from tetherd.service import Service
from tetherd.storage.audit import AuditStore
from tetherd.storage.bridge_state import BridgeStore
from tetherd.storage.database import open_database
from tetherd.storage.devices import DeviceStore
from tetherd.storage.eventlog import EventLog
from tetherd.storage.grants import GrantStore
from tetherd.storage.runs import RunStore
from tetherd.storage.tokens import TokenStore
from tetherd.storage.views import Views
from tetherd.version import own_version

CATCH_UP_SECONDS = 1.0
SERVER_GRACE_SECONDS = 1.0
STATUS_SECONDS = 5.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How this process was asked to run, beyond its settings. `secrets` open everything, as the root token."""

    dev: bool = False
    keep_agents: bool = False
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that answers: what whoever started it may use. `is_fresh`: nothing was ever done with its data."""

    supervisor: SessionSupervisor
    url: str
    data_dir: Path
    is_fresh: bool


async def run_daemon(
    current: CurrentConfig,
    adapters: Mapping[str, AgentAdapter],
    bridges: Mapping[str, Bridge],
    environ: Mapping[str, str],
    options: Options,
    service: Service,
    on_ready: Callable[[Daemon], Any],
) -> None:
    """Run until SIGTERM, SIGINT or a request to stop. Raises Misconfigured or Fatal.

    `on_ready` is an async function; it runs in a task of its own once every session has been picked up.
    """
    config = current.config
    _require_safe(config, options)
    wishes = _Wishes(service)
    async with AsyncExitStack() as stack:
        service.extend_start()
        database = await stack.enter_async_context(open_database(config.data_dir))
        await stack.enter_async_context(service.beating())
        stack.enter_context(listening := Listening(service.sockets))
        await listening.open(config, paths.control_socket(environ))
        daemon_epoch = await database.next_daemon_epoch()
        tokens = await TokenStore.open(database, options.secrets)
        devices = await DeviceStore.open(database)
        events = await EventLog.open(database)
        runs = RunStore(database)
        rules = RuleBook(
            GrantStore(database),
            config.config_dir / POLICY_FILE,
            own=_own_directories(config, environ),
            newest=lambda: events.newest_at,
        )
        await rules.open()
        manager = await find_user_manager(environ)
        units = manager if isinstance(manager, UserManager) else None
        sandbox = await find_sandbox(environ, config.data_dir, units)
        host = ShimHost(config.data_dir, paths.runtime_dir(environ), daemon_epoch, units=units, sandbox=sandbox)
        world = World(
            log=events,
            rules=rules,
            views=Views(database),
            runs=runs,
            agents=host,
            adapters=adapters,
            trust=current.trust,
            settings=current.settings,
            environments=current.environments,
            limits=lambda adapter: current.config.limits_of(adapter),
        )
        url = f"http://localhost:{listening.port}"
        isolation = _isolation(manager, sandbox)
        log.info("agents are kept", kind=isolation.kind, missing="; ".join(isolation.missing) or "nothing")
        describe = _describer(current, url, events, rules, service, isolation, listening.warnings)
        supervisor = SessionSupervisor(world, describe, lambda: current.config.adapter)
        keeper, audit = RuleDesk(rules, world.views), AuditStore(database)
        chats = BridgeHost(
            bridges,
            BridgeWorld(
                rules=keeper,
                state_for=lambda name: BridgeStore(database, name),
                newest=lambda: events.last_seq,
                directories=config.chat_directories,
                adapters=frozenset(adapter_names(adapters)),
                default_adapter=config.adapter,
                data_dir=config.data_dir,
            ),
        )
        metrics = Metrics(events.last_seq)
        database.on_commit.append(metrics.committed)
        scrape = partial(metrics.render, supervisor, chats)
        api_settings = _api_settings(current, options, listening, wishes, scrape)
        app = create_app(supervisor, tokens, devices, chats, keeper, audit, api_settings)
        is_fresh = events.last_seq == 0
        async with wishes.heard(), trio.open_nursery() as services:
            servers_stop = trio.Event()
            await services.start(_serve, app, listening.take(), servers_stop)
            async with supervisor.running():
                await supervisor.recover()
                for run_id in await host.unknown_runs(await runs.known()):
                    log.warning("a run that nobody knows is stopped", run=run_id)
                    services.start_soon(host.stop_unknown, run_id)
                for warning in listening.warnings:
                    log.warning("settings", why=warning)
                watching = await services.start(_watch, rules, supervisor, audit)
                log.info("ready", url=url, data_dir=str(config.data_dir), pid=os.getpid())
                service.ready()
                async with chats.running(supervisor, config.bridges), trio.open_nursery() as ready:
                    ready.start_soon(on_ready, Daemon(supervisor, url, config.data_dir, is_fresh))
                    ready.start_soon(_tell_status_forever, service, supervisor)
                    ready.start_soon(_reload_forever, wishes, current, options, chats, service)
                    count = partial(metrics.count_forever, supervisor)
                    ready.start_soon(run_with_restarts, "metrics", count, Restart.PERMANENT)
                    await wishes.stop.wait()
                    ready.cancel_scope.cancel()
                watching.cancel()
                service.stopping()
                log.info("stopping", keep_agents=options.keep_agents)
                if not options.keep_agents:
                    await supervisor.stop_all()
            with trio.move_on_after(CATCH_UP_SECONDS):
                await events.stop_following()
            servers_stop.set()
    if chats.left_behind:
        # trio would wait for their tasks for ever; all that is ours is written and closed
        os._exit(0)


async def _tell_status_forever(service: Service, supervisor: SessionSupervisor) -> None:
    """One line for `systemctl status`; while the disk is slow it stays as it was."""
    while service.is_managed:
        try:
            status = await supervisor.ask(GetStatus())
        except Unavailable as error:
            service.status(str(error))
        else:
            live = sum(count for state, count in status.sessions.items() if state in LIVE)
            service.status(f"{live} sessions run, {status.pending_approvals} approvals wait at {status.url}")
        await trio.sleep(STATUS_SECONDS)


async def _reload_forever(
    wishes: _Wishes, current: CurrentConfig, options: Options, chats: BridgeHost, service: Service
) -> None:
    """Each time that it is wished, read the settings again. Wrong ones change nothing."""
    while True:
        await wishes.reload.wait()
        wishes.reload = trio.Event()
        service.reloading()
        try:
            changed, waiting = current.take(await trio.to_thread.run_sync(current.read))
        except Misconfigured as error:
            log.error("settings not reloaded", why=str(error))
        else:
            config = current.config
            configure_logging(config.log_level, config.log_format, secrets=(*options.secrets, *config.bridge_secrets))
            await chats.apply(config.bridges)
            log.info("settings reloaded", changed=", ".join(changed) or "nothing")
            if waiting:
                log.warning("these settings count from the next start on", settings=", ".join(waiting))
        service.ready()


async def _watch(
    rules: RuleBook,
    supervisor: SessionSupervisor,
    audit: AuditStore,
    task_status: trio.TaskStatus[trio.CancelScope],
) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(note_head, audit)
        task_status.started(nursery.cancel_scope)
        await rules.watch(supervisor.policy_changed)


async def _serve(
    app: Any, listeners: list[Listener], stop: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    await serve(app, listeners, stop=stop, grace_seconds=SERVER_GRACE_SECONDS, task_status=task_status)


class _Wishes:
    """What signals and the API ask of the daemon: to stop, and to read its settings again."""

    def __init__(self, service: Service) -> None:
        self.stop = trio.Event()
        self.reload = trio.Event()
        self._service = service
        self._leave = trio.Event()

    def leave(self) -> None:
        """Stop for good: a manager that was not told would start us again."""
        self._leave.set()

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[None]:
        """While this is open signals are wishes. The first one that ends asks to stop; the second one ends everything
        at once, and agents are left as they are."""

        async def listen(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as received:
                task_status.started()
                async for number in received:
                    if number == signal.SIGHUP and not _hangs_up():
                        self.reload.set()
                        continue
                    if self.stop.is_set():
                        nursery.cancel_scope.cancel()
                    self.stop.set()

        async def wait_to_leave() -> None:
            await self._leave.wait()
            if not await self._service.stop_unit():
                self.stop.set()

        async with trio.open_nursery() as nursery:
            await nursery.start(listen)
            nursery.start_soon(wait_to_leave)
            yield
            nursery.cancel_scope.cancel()


def _hangs_up() -> bool:
    """On a terminal SIGHUP says that it was closed."""
    return sys.stdin.isatty()


def _require_safe(config: Config, options: Options) -> None:
    if options.dev and not config.is_loopback_only:
        raise Misconfigured("--dev needs no token, so it listens on loopback only: leave out --host")


def _api_settings(
    current: CurrentConfig,
    options: Options,
    listening: Listening,
    wishes: _Wishes,
    metrics: Callable[[int, str], Awaitable[tuple[bytes, str]]],
) -> ApiSettings:
    names = {"localhost", *(f"[{host}]" if ":" in host else host for host in listening.hosts)}
    port = listening.port
    own_url = current.config.public_url
    public_url = own_url or f"http://localhost:{port}"
    return ApiSettings(
        allowed_hosts=frozenset(
            {f"{name}:{port}" for name in names}
            | (names if port == 80 else set())
            | ({public_url.partition("://")[2]} if own_url else set())
        ),
        port=port,
        public_url=public_url,
        dev=options.dev,
        socket_uid=os.geteuid(),
        is_agent_process=is_agent_process,
        request_stop=wishes.leave,
        default_adapter=lambda: current.config.adapter,
        metrics=metrics,
        web_dir=WEB_DIR,
    )


def _own_directories(config: Config, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What decides lies in these: an agent that reaches for them is always asked about."""
    return tuple(str(path) for path in (config.config_dir, config.data_dir, paths.runtime_dir(environ)))


def _isolation(manager: UserManager | NoUnits, sandbox: Sandbox) -> Isolation:
    boxless = (f"no sandbox: {sandbox.why_not}",) if sandbox.why_not else ()
    if isinstance(manager, UserManager):
        return Isolation("units", manager.missing + boxless)
    why = f"no limits, no freezing and no control group for each agent: {manager.why}"
    return Isolation("processes", (why, *boxless))


def _describer(
    current: CurrentConfig,
    url: str,
    events: EventLog,
    rules: RuleBook,
    service: Service,
    isolation: Isolation,
    warnings: tuple[str, ...],
) -> Callable[[int, dict[Any, int]], DaemonStatus]:
    started_at = datetime.now(UTC)

    def describe(pending_approvals: int, sessions: dict[Any, int]) -> DaemonStatus:
        return DaemonStatus(
            version=own_version(),
            url=url,
            started_at=started_at,
            data_dir=str(current.config.data_dir),
            unit=service.unit,
            isolation=isolation,
            epoch=events.epoch,
            seq=events.last_seq,
            sessions=sessions,
            pending_approvals=pending_approvals,
            warnings=(
                *current.config.warnings,
                *warnings,
                *((f"the last good rules hold: {rules.fault}",) if rules.fault else ()),
            ),
        )

    return describe
