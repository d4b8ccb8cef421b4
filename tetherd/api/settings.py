"""What the API must know of the daemon around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Fixed while the daemon runs.

    metrics: a scrape's text and content type, for so many open streams and an Accept header.
    default_adapter: what a session gets that names none, as the settings say now.
    allowed_hosts: what `Host` may say on TCP, in lower case, with the port where it is not the scheme's own.
    public_url: where people's browsers find us, without a slash at its end.
    dev: TCP needs no token, if the client is a process of socket_uid on this host.
    is_agent_process: does this pid descend from a shim? Called for each request on the control socket, may read
    /proc, must not block longer than that.
    web_dir: where the built web app is, if it is.
    body_limit, text_limit and images_limit (for a body that carries images) in bytes, stream_limit in streams that are
    open at once.
    """

    allowed_hosts: frozenset[str]
    port: int
    public_url: str
    dev: bool
    socket_uid: int
    is_agent_process: Callable[[int], bool]
    request_stop: Callable[[], None]
    default_adapter: Callable[[], str]
    metrics: Callable[[int, str], Awaitable[tuple[bytes, str]]]
    web_dir: Path
    body_limit: int = 1024 * 1024
    text_limit: int = 1024 * 1024
    images_limit: int = 15 * 1024 * 1024
    stream_limit: int = 500
