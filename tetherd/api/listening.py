"""Everything that the daemon listens on, until the server owns it.

A socket that the service manager opened is taken as it is; what it did not open we open ourselves.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path

from tetherd.api.listeners import Listener, adopt, open_socket, open_tcp
from tetherd.config import Config
from tetherd.errors import Misconfigured


class Listening:
    """The sockets, from their opening to the moment when the server owns them. `hosts` and `port` are TCP's."""

    def __init__(self, inherited: Sequence[socket.socket] = ()) -> None:
        self._held = [adopt(sock) for sock in inherited]
        self.hosts: tuple[str, ...] = ()
        self.port = 0
        self.warnings: tuple[str, ...] = ()

    async def open(self, config: Config, control_socket: Path) -> None:
        """Raises Misconfigured: an address is taken, or is open to others and needs a token."""
        if not any(listener.kind == "tcp" for listener in self._held):
            self._held += await open_tcp(config.hosts, config.port)
        if not any(listener.kind == "socket" for listener in self._held):
            self._held.append(await open_socket(control_socket))
        names = [listener.stream.socket.getsockname() for listener in self._held if listener.kind == "tcp"]
        self.hosts, self.port = tuple(str(name[0]) for name in names), int(names[0][1])
        if config.token is None and not all(ipaddress.ip_address(host).is_loopback for host in self.hosts):
            raise Misconfigured("listening beyond loopback needs a token: set TETHER_AGENT_TOKEN")
        self.warnings = self._differences(config)

    def _differences(self, config: Config) -> tuple[str, ...]:
        """A socket unit that was written for other settings."""
        if set(self.hosts) <= set(config.hosts) and self.port == config.port:
            return ()
        where = ", ".join(f"{host} port {self.port}" for host in self.hosts)
        return (f"systemd listens at {where}, which is not what the settings say: tetherctl service install",)

    def take(self) -> list[Listener]:
        held, self._held = self._held, []
        return held

    def __enter__(self) -> Listening:
        return self

    def __exit__(self, *_: object) -> None:
        for listener in self.take():
            listener.close()
