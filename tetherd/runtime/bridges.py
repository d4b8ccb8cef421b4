"""The bridges of this daemon, each in a restart scope of its own.

A bridge may raise, hang or be taken away: its siblings and the sessions notice nothing. Each runs in a system task
and not in our nursery, for a nursery waits for its children, and one whose cleanup hangs in a shielded scope would
hold everybody up; after END_SECONDS it is left behind.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import trio

from tetherd.bridge import Bridge, BridgePort, BridgeState, Change
from tetherd.control import BridgeFinding, BridgeOff, BridgeView, Control, NotFound, PairingCode
from tetherd.errors import Fatal, Misconfigured, TetherError
from tetherd.keepers import RuleKeeper
from tetherd.logconfig import get_logger
from tetherd.runtime.restart import Restart, run_with_restarts

END_SECONDS = 2.0
CHECK_SECONDS = 30.0
PAIRING_MINUTES = 10
PAIRING = "pairing"
"""What the pairing code is remembered as: `{code, expires_at, tries}`; the bridge counts tries and removes it."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeWorld:
    """What bridges are given. `newest` gives the log's newest seq."""

    rules: RuleKeeper
    state_for: Callable[[str], BridgeState]
    newest: Callable[[], int]
    directories: tuple[Path, ...]
    adapters: frozenset[str]
    default_adapter: str
    data_dir: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(slots=True)
class _Running:
    """One bridge that was started. `ended` is set when its task is over."""

    port: BridgePort
    since: datetime
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)
    state: Literal["running", "waiting", "parked"] = "running"
    trouble: str | None = None
    failures: int = 0
    fatal: BaseException | None = None


class BridgeHost:
    """See control.Bridges. `plugs` are the installed bridges by name."""

    def __init__(self, plugs: Mapping[str, Bridge], world: BridgeWorld) -> None:
        self._plugs = plugs
        self._world = world
        self._running: dict[str, _Running] = {}
        self._control: Control | None = None
        self._fatal = trio.Event()
        self.left_behind: list[str] = []
        """Bridges that would not end: this process can only be left the hard way."""

    @asynccontextmanager
    async def running(self, control: Control, values: Mapping[str, Mapping[str, Any]]) -> AsyncIterator[None]:
        """While this is open the bridges that are set up run. A Fatal of one of them climbs out."""
        self._control = control
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_for_fatal)
            try:
                await self.apply(values)
                yield
            finally:
                with trio.CancelScope(shield=True):
                    await self._end_all(self._running)
            nursery.cancel_scope.cancel()

    async def apply(self, values: Mapping[str, Mapping[str, Any]]) -> None:
        """Start, restart and end bridges, so that those run which these settings ask for. Others notice nothing.

        `values` are each bridge's own, by its name.
        """
        wanted = {
            name: values.get(name, {})
            for name, plug in self._plugs.items()
            if all(field in values.get(name, {}) for field in plug.required)
        }
        gone = {
            name: running
            for name, running in self._running.items()
            if name not in wanted or running.port.settings != wanted[name]
        }
        await self._end_all(gone)
        for name, own in wanted.items():
            if name not in self._running:
                self._start(name, own)

    # -- Bridges -------------------------------------------------------------------------------------------------

    async def list(self) -> tuple[BridgeView, ...]:
        return tuple([await self._view(name) for name in sorted(self._plugs)])

    async def check(self, name: str) -> tuple[BridgeFinding, ...]:
        port = self._port(name)
        try:
            with trio.fail_after(CHECK_SECONDS):
                return tuple(await self._plugs[name].check(port))
        except (TetherError, trio.TooSlowError) as error:
            why = str(error) or "no answer in time"
            return (BridgeFinding(f"{name} answers", ok=False, advice=why),)

    async def pair(self, name: str) -> PairingCode:
        port = self._port(name)
        code = secrets.token_hex(5).upper()
        expires_at = self._world.now() + timedelta(minutes=PAIRING_MINUTES)
        value: dict[str, Any] = {"code": code, "expires_at": expires_at.isoformat(), "tries": 0}
        await port.state.commit(Change(remember={PAIRING: value}))
        return PairingCode(code, expires_at)

    async def _view(self, name: str) -> BridgeView:
        running = self._running.get(name)
        if running is None:
            return BridgeView(name, "off", None, 0, 0, 0, None)
        cursor = await running.port.state.cursor()
        lag = self._world.newest() - cursor.seq if cursor else 0
        owed = await running.port.state.owed()
        return BridgeView(name, running.state, running.since, max(0, lag), owed, running.failures, running.trouble)

    def _port(self, name: str) -> BridgePort:
        if name not in self._plugs:
            raise NotFound(f"no bridge {name}")
        if name not in self._running:
            plug = self._plugs[name]
            missing = " and ".join(setting.key for setting in plug.settings if setting.field in plug.required)
            raise BridgeOff(f"{name} is not set up: set {missing}")
        return self._running[name].port

    # -- their lives ---------------------------------------------------------------------------------------------

    def _start(self, name: str, own: Mapping[str, Any]) -> None:
        assert self._control is not None
        running = _Running(self._make_port(name, own), self._world.now())
        self._running[name] = running
        trio.lowlevel.spawn_system_task(self._live, name, running)
        log.info("bridge started", bridge=name)

    def _make_port(self, name: str, own: Mapping[str, Any]) -> BridgePort:
        assert self._control is not None

        def report(trouble: str | None) -> None:
            running = self._running.get(name)
            if running is not None and running.state != "parked":
                running.trouble = trouble
                running.state = "waiting" if trouble else "running"

        return BridgePort(
            control=self._control,
            rules=self._world.rules,
            state=self._world.state_for(name),
            settings=own,
            directories=self._world.directories,
            adapters=self._world.adapters,
            default_adapter=self._world.default_adapter,
            files_dir=self._world.data_dir / "files" / name,
            now=self._world.now,
            report=report,
        )

    async def _live(self, name: str, running: _Running) -> None:
        """A system task: nothing may climb out of it."""

        def failed(error: BaseException) -> None:
            running.failures += 1
            running.state = "parked" if isinstance(error, Misconfigured) else "waiting"
            running.trouble = str(error) or type(error).__name__

        try:
            with running.scope:
                await run_with_restarts(
                    f"bridge {name}", lambda: self._plugs[name].run(running.port), Restart.PERMANENT, failed
                )
        except* Fatal as group:
            running.fatal = group
            self._fatal.set()
        finally:
            running.ended.set()

    async def _watch_for_fatal(self) -> None:
        await self._fatal.wait()
        for running in self._running.values():
            if running.fatal is not None:
                raise running.fatal

    async def _end_all(self, gone: Mapping[str, _Running]) -> None:
        """End these; returns within END_SECONDS, whatever they do."""
        gone = dict(gone)
        for running in gone.values():
            running.scope.cancel()
        with trio.move_on_after(END_SECONDS):
            for running in gone.values():
                await running.ended.wait()
        for name, running in gone.items():
            self._running.pop(name, None)
            if not running.ended.is_set():
                log.error("a bridge does not end and is left behind", bridge=name)
                self.left_behind.append(name)
