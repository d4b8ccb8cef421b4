"""Chat bridges: how they are, a look at their platform, a code that lets somebody in."""

from __future__ import annotations

from tetherd.api.route import Call, Route, Who
from tetherd.control import PairingCode
from tetherd.schema import Nothing
from tetherd.schema_daemon import BridgeCheck, BridgeList


async def list_bridges(call: Call) -> BridgeList:
    """The chat bridges that are installed, and how each is."""
    return BridgeList(bridges=await call.bridges.list())


async def check_bridge(call: Call, bridge: str, body: Nothing) -> BridgeCheck:
    """Ask the platform whether all is in order: the token, the chat, each right that is needed."""
    return BridgeCheck(findings=await call.bridges.check(bridge))


async def pair_bridge(call: Call, bridge: str, body: Nothing) -> PairingCode:
    """A code that lets whoever sends it to the bot in a private chat give commands. One at a time, good once."""
    return await call.bridges.pair(bridge)


_REFUSES = frozenset({404, 409})

ROUTES = (
    Route(method="GET", path="/bridges", handler=list_bridges, who=Who.PERSON),
    Route(method="POST", path="/bridges/{bridge}/check", handler=check_bridge, who=Who.PERSON, refuses=_REFUSES),
    Route(
        method="POST",
        path="/bridges/{bridge}/pairing",
        handler=pair_bridge,
        status=201,
        who=Who.OWNER,
        refuses=_REFUSES,
    ),
)
