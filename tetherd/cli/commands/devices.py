"""Commands about paired devices: pair, devices."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable

from tetherd.cli.call import Call
from tetherd.cli.output import DONE, Styled, ago

ROLES = ("owner", "approver", "observer")


def register(add: Callable[..., ArgumentParser], accept_json: Callable[[ArgumentParser], None]) -> None:
    command = add(
        "pair",
        pair,
        "let a phone or a browser in: a code for the web app",
        "tetherctl pair\ntetherctl pair --role approver",
        "The code is good once, for five minutes. A phone needs an address that it can\n"
        "reach: the setting TETHER_AGENT_PUBLIC_URL.",
    )
    command.add_argument("--role", choices=ROLES, default="owner", help="what the device may do (owner)")
    command = add(
        "devices",
        list_devices,
        "list paired devices, and shut them out",
        "tetherctl devices list\ntetherctl devices revoke d-0123abcd",
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", dest="verb", required=True)
    listing = verbs.add_parser("list", help="list all devices that were ever paired")
    listing.set_defaults(run=list_devices)
    revoke = verbs.add_parser("revoke", help="shut a device out at once")
    revoke.add_argument("id", metavar="DEVICE_ID", help="as `devices list` shows it")
    revoke.set_defaults(run=revoke_device)
    for verb in (listing, revoke):
        accept_json(verb)


def pair(call: Call) -> int:
    made = call.post("/api/pairings", {"role": call.args.role})
    terminal = call.terminal
    if terminal.as_json:
        terminal.record(made)
        return DONE
    if terminal.is_live:
        for line in _qr(made["link"]):
            terminal.line(Styled("paper", line))
    terminal.line(f"open     {made['link']}")
    terminal.line(f"or type  {made['code']}  on the page of the web app")
    terminal.note(f"good once, for five minutes; the device will be an {made['role']}'s")
    return DONE


def _qr(text: str) -> list[str]:
    """The link as a QR code, two rows of it a line: blocks are light, so that it is read on a dark terminal."""
    import segno  # here alone: every other command starts faster without it

    rows = [[bool(dark) for dark in row] for row in segno.make(text, error="l", micro=False).matrix_iter(border=2)]
    rows += [[False] * len(rows[0])] * (len(rows) % 2)
    return [
        "".join(_HALVES[pair] for pair in zip(*both, strict=True)) for both in zip(rows[::2], rows[1::2], strict=True)
    ]


_HALVES = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
"""By whether the upper and the lower module are dark."""


def list_devices(call: Call) -> int:
    devices = call.get("/api/devices")["devices"]
    terminal = call.terminal
    if terminal.as_json:
        for device in devices:
            terminal.record(device)
        return DONE
    if not devices:
        terminal.line("No device was paired yet. Let one in: tetherctl pair")
        return DONE
    rows = [
        [
            device["device_id"],
            device["role"],
            f"revoked {ago(device['revoked_at'])} ago"
            if device["revoked_at"]
            else f"seen {ago(device['seen_at'])} ago",
            device["name"],
        ]
        for device in devices
    ]
    terminal.table(("ID", "ROLE", "WHEN", "NAME"), rows)
    return DONE


def revoke_device(call: Call) -> int:
    revoked = call.client.request("DELETE", f"/api/devices/{call.args.id}")
    return call.answer(revoked, f"revoked {call.args.id}")
