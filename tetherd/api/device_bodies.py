"""Bodies of the API that are about paired devices."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import StringConstraints

from tetherd.devices import DeviceView
from tetherd.domain.ids import Frozen, Role, SessionId, Surface
from tetherd.schema import Body, Name


class NewPairing(Body):
    """What the new device will be: an owner's, an approver's, or an observer's."""

    role: Literal[Role.OWNER, Role.APPROVER, Role.OBSERVER] = Role.OWNER


class PairingBody(Frozen):
    """`link` and `code` are two ways to the same pairing, good once; both are shown this once."""

    link: str
    code: str
    role: Role
    expires_at: datetime


class PairingWish(Body):
    code: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    name: Name


class DeviceBody(Frozen):
    """`seen_at` within the hour; `current` is the device that asks."""

    device_id: str
    name: str
    role: Role
    created_at: datetime
    seen_at: datetime
    revoked_at: datetime | None
    current: bool

    @classmethod
    def of(cls, view: DeviceView, current: str | None) -> Self:
        return cls(**asdict(view), current=view.device_id == current)


class PairedDevice(DeviceBody):
    """`key` is the half that goes into the header X-Tetherd-Key; the other half came as a cookie."""

    key: str

    @classmethod
    def made(cls, view: DeviceView, key: str) -> Self:
        return cls(**asdict(view), current=True, key=key)


class DeviceList(Frozen):
    devices: tuple[DeviceBody, ...]


class Me(Frozen):
    """Who the daemon takes the caller for."""

    role: Role
    name: str
    surface: Surface
    device_id: str | None
    device: str | None
    session_id: SessionId | None
