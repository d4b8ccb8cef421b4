"""Paired devices: what is known of them, and by what they are known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tetherd.domain.ids import Role


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A paired device as it is listed: never its secrets. `seen_at` within the hour."""

    device_id: str
    name: str
    role: Role
    created_at: datetime
    seen_at: datetime
    revoked_at: datetime | None


class Devices(Protocol):
    """Paired devices: each is known by two secrets, both shown once and kept as hashes."""

    async def create(self, name: str, role: Role) -> tuple[DeviceView, str, str]:
        """A new device, its cookie half and its header half."""

    async def list(self) -> tuple[DeviceView, ...]:
        """All that were ever paired, oldest first."""

    async def revoke(self, device_id: str) -> DeviceView:
        """Forget both of its secrets at once. Raises NotFound."""

    def authenticate(self, cookie: str, key: str) -> DeviceView | None:
        """Whose they are, both together; None for anything else. No I/O, constant-time in the secrets."""

    async def saw(self, cookie: str) -> None:
        """The device with this cookie half was here."""
