"""Who asks: tokens, paired devices, the control socket, and foreign pages."""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import trio
from quart import Request

from tetherd.api.settings import ApiSettings
from tetherd.control import Tokens
from tetherd.devices import Devices
from tetherd.domain.authority import Forbidden
from tetherd.domain.ids import Actor, Principal, Role, Surface
from tetherd.errors import Rejected

SURFACE_HEADER = "X-Tether-Surface"
KEY_HEADER = "X-Tetherd-Key"
SOCKET_SURFACES: dict[str, Surface] = {"cli": "cli", "mcp": "mcp"}
"""What a client of the control socket may say it is."""

PROC_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
ESTABLISHED = "01"  # include/net/tcp_states.h

Address = tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int]


class Unauthenticated(Rejected):
    """Nobody that we know."""

    code = "unauthenticated"
    status = 401
    hint = "send the header Authorization: Bearer TOKEN"


class Misdirected(Rejected):
    """Asked for under a name that is not ours: DNS rebinding looks like this."""

    code = "misdirected"
    status = 421
    hint = "use one of our own names, or add this one to the allowed hosts"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who was let in; `is_valid` asks again, for streams that outlive a token.

    `device_id` of a paired device, None of all others.
    """

    actor: Actor
    is_valid: Callable[[], bool]
    device_id: str | None = None


def require_our_name(request: Request, settings: ApiSettings) -> None:
    """Raise Misdirected unless a TCP client asked for one of our names. On the socket `Host` means nothing."""
    if _is_socket(request):
        return
    hosts = request.headers.getlist("Host")
    if len(hosts) != 1 or hosts[0].lower() not in settings.allowed_hosts:
        raise Misdirected("this is not the host that you asked for")


def refuse_foreign_pages(request: Request) -> None:
    """Raise Forbidden for what a browser sent on behalf of a page that is not ours."""
    origin = request.headers.get("Origin")
    if origin is not None:
        if _is_socket(request):
            raise Forbidden("no web page reaches the control socket")
        if origin.lower().partition("://")[2] != request.headers.get("Host", "").lower():
            raise Forbidden("the request comes from a page of another origin")
    if request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
        raise Forbidden("the request comes from a page of another site")


async def identify(request: Request, tokens: Tokens, devices: Devices, settings: ApiSettings) -> Caller:
    """Whoever asks. Reads no body. Raises Unauthenticated or Forbidden."""
    secret = _bearer(request)
    if _is_socket(request):
        return _on_socket(request, secret, tokens, settings)
    if secret is not None:
        return _with_token(secret, tokens, "api")
    if (key := request.headers.get(KEY_HEADER)) is not None:
        return await _paired(request, key, devices, settings)
    if settings.dev and await _is_our_own_process(request, settings.socket_uid):
        return _owner("web" if _is_our_page(request) else "api")
    raise Unauthenticated("a token is needed here")


def _on_socket(request: Request, secret: str | None, tokens: Tokens, settings: ApiSettings) -> Caller:
    peer: Any = request.scope.get("tether.peer")
    if peer is None or peer.uid != settings.socket_uid:
        raise Forbidden("the control socket is for processes of its own user")
    surface = SOCKET_SURFACES.get(request.headers.get(SURFACE_HEADER, "cli"))
    if surface is None:
        raise Forbidden(f"{SURFACE_HEADER} is one of {', '.join(SOCKET_SURFACES)}")
    is_agent = settings.is_agent_process(peer.pid)
    if secret is not None:
        caller = _with_token(secret, tokens, surface)
        if not is_agent or caller.actor.principal.role is Role.AGENT:
            return caller
    if is_agent:
        # It runs as our user, so nothing but its ancestry tells it from the person whom it asks.
        raise Forbidden("a process that an agent started needs its session's token here")
    return _owner(surface)


def _with_token(secret: str, tokens: Tokens, surface: Surface) -> Caller:
    principal = tokens.authenticate(secret)
    if principal is None:
        raise Unauthenticated("this token is unknown or was revoked")
    return Caller(Actor(principal=principal, surface=surface), lambda: tokens.authenticate(secret) is not None)


async def _paired(request: Request, key: str, devices: Devices, settings: ApiSettings) -> Caller:
    """Both halves or nothing: the cookie also comes from a page on another port, the header from none but ours."""
    for name in cookie_names(settings.port):
        cookie = request.cookies.get(name)
        device = None if cookie is None else devices.authenticate(cookie, key)
        if cookie is not None and device is not None:
            await devices.saw(cookie)
            # as `name` of the principal: what a device may do is its owner's, and its own name is told beside it
            principal = Principal(role=device.role, name=str(device.role))
            actor = Actor(principal=principal, surface="web", device=device.name)
            return Caller(actor, partial(_is_paired, devices, cookie, key), device.device_id)
    raise Unauthenticated("this device is not paired, or no longer")


def _is_paired(devices: Devices, cookie: str, key: str) -> bool:
    return devices.authenticate(cookie, key) is not None


def cookie_names(port: int) -> tuple[str, str]:
    """The cookie over HTTPS and over plain HTTP; of this daemon, since cookies know hosts but not ports."""
    return f"__Secure-tetherd-{port}", f"tetherd-{port}"


def is_secure(request: Request) -> bool:
    """Did the browser come by HTTPS, to whatever stands before us? The page's own origin says so."""
    return request.headers.get("Origin", "").lower().startswith("https://")


def _owner(surface: Surface) -> Caller:
    principal = Principal(role=Role.OWNER, name="local owner")
    return Caller(Actor(principal=principal, surface=surface), lambda: True)


def _bearer(request: Request) -> str | None:
    """The secret of the Authorization header, None without one. Tokens in addresses are not looked for."""
    headers = request.headers.getlist("Authorization")
    if not headers:
        return None
    scheme, _, secret = headers[0].partition(" ")
    secret = secret.strip()
    if len(headers) > 1 or scheme.lower() != "bearer" or not secret.isascii() or not secret:
        raise Unauthenticated("the Authorization header is not `Bearer TOKEN`")
    return secret


def _is_our_page(request: Request) -> bool:
    """Browsers say so by themselves, and let no page say it that is not ours."""
    return request.headers.get("Sec-Fetch-Site") == "same-origin"


def _is_socket(request: Request) -> bool:
    return bool(request.scope.get("tether.listener") == "socket")


# -- who holds the other end of a loopback connection ------------------------------------------------------------


async def _is_our_own_process(request: Request, uid: int) -> bool:
    client, server = request.scope.get("client"), request.scope.get("server")
    if not client or not server or server[1] is None:
        return False
    try:
        ends = _address(client[0], client[1]), _address(server[0], server[1])
    except ValueError:
        return False
    return await trio.to_thread.run_sync(_owner_of_connection, *ends) == uid


def _owner_of_connection(client: Address, server: Address) -> int | None:
    for table in PROC_TABLES:
        try:
            with table.open(encoding="ascii") as lines:
                uid = owner_in(lines, client, server)
        except OSError:  # a host without IPv6 has no tcp6
            continue
        if uid is not None:
            return uid
    return None


def owner_in(table: Iterable[str], client: Address, server: Address) -> int | None:
    """Uid of the socket that is bound to `client` and connected to `server`, as proc_net_tcp(5) lists it."""
    for line in table:
        fields = line.split()
        if len(fields) < 8 or fields[3] != ESTABLISHED:
            continue
        if _listed_address(fields[1]) == client and _listed_address(fields[2]) == server:
            return int(fields[7])
    return None


def _listed_address(text: str) -> Address:
    """`0100007F:1F90`: words of four bytes, each in the machine's own order, then the port."""
    words, _, port = text.partition(":")
    raw = bytes.fromhex(words)
    if sys.byteorder == "little":
        raw = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    return _plain(ipaddress.ip_address(raw)), int(port, 16)


def _address(host: str, port: int) -> Address:
    return _plain(ipaddress.ip_address(host)), port


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """A socket of family IPv6 that speaks IPv4 is listed with a mapped address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
