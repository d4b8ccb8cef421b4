"""The composition root: what the daemon is made of, nested by lifetime.

Nesting is the order of stopping: the database closes last, the servers go before it, the sessions first of all.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import trio

from tetherd import paths
from tetherd.agents.ancestry import is_agent_process
from tetherd.agents.environment import agent_environment
from tetherd.agents.host import ShimHost
from tetherd.agents.trust import Trust
from tetherd.api.app import create_app
from tetherd.api.listeners import Listener, open_socket, open_tcp
from tetherd.api.server import serve
from tetherd.api.settings import ApiSettings
from tetherd.api.site import WEB_DIR
from tetherd.bridge import Bridge
from tetherd.config import Config
from tetherd.control import DaemonStatus
from tetherd.errors import Misconfigured
from tetherd.logconfig import get_logger
from tetherd.plugin import AgentAdapter, adapter_names
from tetherd.runtime.bridges import BridgeHost, BridgeWorld
from tetherd.runtime.supervisor import SessionSupervisor
from tetherd.runtime.world import World
from tetherd.storage.bridge_state import BridgeStore
from tetherd.storage.database import open_database
from tetherd.storage.devices import DeviceStore
from tetherd.storage.eventlog import EventLog
from tetherd.storage.runs import RunStore
from tetherd.storage.tokens import TokenStore
from tetherd.storage.views import Views
from tetherd.version import own_version

CATCH_UP_SECONDS = 1.0
SERVER_GRACE_SECONDS = 1.0

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
    config: Config,
    adapters: Mapping[str, AgentAdapter],
    bridges: Mapping[str, Bridge],
    environ: Mapping[str, str],
    options: Options,
    on_ready: Callable[[Daemon], Any],
) -> None:
    """Run until SIGTERM, SIGINT or a request to stop. Raises Misconfigured or Fatal.

    `on_ready` is an async function; it runs in a task of its own once every session has been picked up.
    """
    _require_safe(config, options)
    stop = trio.Event()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(open_database(config.data_dir))
        stack.enter_context(listening := _Listeners())
        await listening.open(config, environ)
        daemon_epoch = await database.next_daemon_epoch()
        tokens = await TokenStore.open(database, options.secrets)
        devices = await DeviceStore.open(database)
        events = await EventLog.open(database)
        runs = RunStore(database)
        host = ShimHost(config.data_dir, paths.runtime_dir(environ), daemon_epoch)
        world = World(
            log=events,
            views=Views(database),
            runs=runs,
            agents=host,
            adapters=adapters,
            trust=Trust(config.trusted_directories),
            settings={name: own.settings for name, own in config.adapters.items()},
            environments={
                name: agent_environment(environ, {**config.agent_environment, **own.environment})
                for name, own in config.adapters.items()
            },
        )
        url = f"http://localhost:{listening.port}"
        supervisor = SessionSupervisor(world, _describer(config, url, events), config.adapter)
        chats = BridgeHost(
            bridges,
            BridgeWorld(
                state_for=lambda name: BridgeStore(database, name),
                newest=lambda: events.last_seq,
                directories=config.chat_directories,
                adapters=frozenset(adapter_names(adapters)),
                default_adapter=config.adapter,
                data_dir=config.data_dir,
            ),
        )
        app = create_app(supervisor, tokens, devices, chats, _api_settings(config, options, listening.port, stop))
        is_fresh = events.last_seq == 0
        async with _signals(stop), trio.open_nursery() as services:
            servers_stop = trio.Event()
            await services.start(_serve, app, listening.take(), servers_stop)
            async with supervisor.running():
                await supervisor.recover()
                for run_id in await host.unknown_runs(await runs.known()):
                    log.warning("a run that nobody knows is stopped", run=run_id)
                    services.start_soon(host.stop_unknown, run_id)
                log.info("ready", url=url, data_dir=str(config.data_dir), pid=os.getpid())
                async with chats.running(supervisor, config.bridges), trio.open_nursery() as greeting:
                    greeting.start_soon(on_ready, Daemon(supervisor, url, config.data_dir, is_fresh))
                    await stop.wait()
                    greeting.cancel_scope.cancel()
                log.info("stopping", keep_agents=options.keep_agents)
                if not options.keep_agents:
                    await supervisor.stop_all()
            with trio.move_on_after(CATCH_UP_SECONDS):
                await events.stop_following()
            servers_stop.set()
    if chats.left_behind:
        # trio would wait for their tasks for ever; all that is ours is written and closed
        os._exit(0)


async def _serve(
    app: Any, listeners: list[Listener], stop: trio.Event, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    await serve(app, listeners, stop=stop, grace_seconds=SERVER_GRACE_SECONDS, task_status=task_status)


class _Listeners:
    """The sockets, from their opening to the moment when the server owns them."""

    def __init__(self) -> None:
        self._held: list[Listener] = []
        self.port = 0

    async def open(self, config: Config, environ: Mapping[str, str]) -> None:
        self._held += await open_tcp(config.hosts, config.port)
        self.port = self._held[0].stream.socket.getsockname()[1]
        self._held.append(await open_socket(paths.control_socket(environ)))

    def take(self) -> list[Listener]:
        held, self._held = self._held, []
        return held

    def __enter__(self) -> _Listeners:
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self.take():
            listener.close()


@asynccontextmanager
async def _signals(stop: trio.Event) -> AsyncIterator[None]:
    """The first signal asks to stop; the second one ends everything at once, and agents are left as they are."""

    async def listen(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:
            task_status.started()
            async for _ in received:
                if stop.is_set():
                    nursery.cancel_scope.cancel()
                stop.set()

    async with trio.open_nursery() as nursery:
        await nursery.start(listen)
        yield
        nursery.cancel_scope.cancel()


def _require_safe(config: Config, options: Options) -> None:
    if options.dev and not config.is_loopback_only:
        raise Misconfigured("--dev needs no token, so it listens on loopback only: leave out --host")
    if not config.is_loopback_only and config.token is None:
        raise Misconfigured("listening beyond loopback needs a token: set TETHER_AGENT_TOKEN")


def _api_settings(config: Config, options: Options, port: int, stop: trio.Event) -> ApiSettings:
    public_url = config.public_url or f"http://localhost:{port}"
    names = {"localhost", *(f"[{host}]" if ":" in host else host for host in config.hosts)}
    return ApiSettings(
        allowed_hosts=frozenset(
            {f"{name}:{port}" for name in names}
            | (names if port == 80 else set())
            | ({public_url.partition("://")[2]} if config.public_url else set())
        ),
        port=port,
        public_url=public_url,
        dev=options.dev,
        socket_uid=os.geteuid(),
        is_agent_process=is_agent_process,
        request_stop=stop.set,
        default_adapter=config.adapter,
        web_dir=WEB_DIR,
    )


def _describer(config: Config, url: str, events: EventLog) -> Callable[[int, dict[Any, int]], DaemonStatus]:
    started_at = datetime.now(UTC)

    def describe(pending_approvals: int, sessions: dict[Any, int]) -> DaemonStatus:
        return DaemonStatus(
            version=own_version(),
            url=url,
            started_at=started_at,
            data_dir=str(config.data_dir),
            epoch=events.epoch,
            seq=events.last_seq,
            sessions=sessions,
            pending_approvals=pending_approvals,
            warnings=config.warnings,
        )

    return describe
