"""Paired devices: made known, listed, shut out."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import TypeAdapter
from quart import Response

from tetherd.api.auth import cookie_names, is_secure
from tetherd.api.device_bodies import DeviceBody, DeviceList, Me, NewPairing, PairedDevice, PairingBody, PairingWish
from tetherd.api.route import Call, Route, Who
from tetherd.domain.authority import Forbidden
from tetherd.domain.ids import Role

# Browsers keep no cookie for longer (RFC 6265bis, 400 days); that a device was idle for too long is the store's to say.
COOKIE_SECONDS = 400 * 24 * 3600


async def get_me(call: Call) -> Me:
    """Who the daemon takes the caller for."""
    actor = call.actor
    return Me(
        role=actor.principal.role,
        name=actor.principal.name,
        surface=actor.surface,
        device_id=call.caller.device_id,
        device=actor.device,
        session_id=actor.principal.session_id,
    )


async def make_pairing(call: Call, body: NewPairing) -> PairingBody:
    """Make a code for a new device: good once, for five minutes."""
    offer, long, short = call.pairings.offer(body.role)
    link = f"{call.settings.public_url}/#pair={quote(long)}"
    return PairingBody(link=link, code=short, role=offer.role, expires_at=offer.expires_at)


async def pair(call: Call, body: PairingWish) -> PairedDevice:
    """Become a paired device. One half of its proof comes as a cookie, the other, `key`, in the answer."""
    offer = call.pairings.take(body.code)
    view, cookie, key = await call.devices.create(body.name, offer.role)
    made = PairedDevice.made(view, key)
    response = Response(_PAIRED.dump_json(made), 201, content_type="application/json")
    secure, plain = cookie_names(call.settings.port)
    is_https = is_secure(call.request)
    response.set_cookie(
        secure if is_https else plain,
        cookie,
        max_age=COOKIE_SECONDS,
        path="/api/",
        secure=is_https,
        httponly=True,
        samesite="Strict",
    )
    # quart-trio sends what a handler gives as it is; the shape in the API's description is the annotation's
    return response  # type: ignore[return-value]


_PAIRED = TypeAdapter(PairedDevice)


async def list_devices(call: Call) -> DeviceList:
    """All devices that were ever paired, oldest first."""
    current = call.caller.device_id
    return DeviceList(devices=tuple(DeviceBody.of(view, current) for view in await call.devices.list()))


async def revoke_device(call: Call, device_id: str) -> DeviceBody:
    """Shut a device out; streams that it has open end now. A device may always shut itself out."""
    if call.actor.principal.role is not Role.OWNER and device_id != call.caller.device_id:
        raise Forbidden("other devices are their owner's")
    revoked = DeviceBody.of(await call.devices.revoke(device_id), call.caller.device_id)
    call.streams.recheck()
    return revoked


ROUTES = (
    Route(method="GET", path="/me", handler=get_me),
    Route(
        method="POST",
        path="/pairings",
        handler=make_pairing,
        status=201,
        who=Who.OWNER,
        refuses=frozenset({429}),
    ),
    Route(method="POST", path="/pair", handler=pair, status=201, who=Who.ANYBODY),
    Route(method="GET", path="/devices", handler=list_devices, who=Who.OWNER),
    Route(method="DELETE", path="/devices/{device_id}", handler=revoke_device, who=Who.PERSON),
)
