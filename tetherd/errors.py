"""Every error that tetherd raises, by who must act.

Leaves carry data, not prose; they live beside what they speak of and derive from one of the four branches here.
"""

from __future__ import annotations


class TetherError(Exception):
    """Root of all errors that are ours. Never raised itself."""


class Rejected(TetherError):
    """The caller may not do this now. Caller: choose otherwise. HTTP 4xx.

    `code` is the stable word of the problem document, `status` its HTTP status, `hint` what to do instead.
    """

    code = "rejected"
    status = 409
    hint: str | None = None

    def facts(self) -> dict[str, object]:
        """Further members of the problem document, JSON-ready."""
        return {}


class Unavailable(TetherError):
    """Somebody else failed; later may work. Code: retry with backoff. HTTP 503, exit 75."""

    code = "unavailable"
    status = 503
    hint: str | None = None


class Misconfigured(TetherError):
    """A person must change a file or a token. Never retried. Exit 78."""


class Fatal(TetherError):
    """We are wrong or the disk is. Stop; the service manager restarts us. Exit 70."""
