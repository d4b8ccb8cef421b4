"""The daemon: health, status, agents, tokens, stop."""

from __future__ import annotations

from tetherd.api.route import Call, Route, Who
from tetherd.control import DaemonStatus, GetStatus, ListAgents, ListResources
from tetherd.domain.ids import SessionId
from tetherd.schema import Nothing
from tetherd.schema_daemon import (
    AgentList,
    CreatedToken,
    Health,
    NewToken,
    ResourcesList,
    ResourcesQuery,
    Stopping,
    TokenBody,
    TokenList,
)
from tetherd.version import own_version


async def get_health(call: Call) -> Health:
    """Is anybody there? Says nothing else to strangers, and asks nobody: it answers while we recover."""
    return Health(version=own_version())


async def get_status(call: Call) -> DaemonStatus:
    """The daemon, and where its log stands: a follower may begin at `epoch`.`seq`."""
    return await call.control.ask(GetStatus())


async def shut_down(call: Call, body: Nothing) -> Stopping:
    """Stop the daemon. What becomes of its agents is a matter of how it was started."""
    call.settings.request_stop()
    return Stopping()


async def list_agents(call: Call) -> AgentList:
    """The kinds of agent that can be started here."""
    return AgentList(agents=await call.control.ask(ListAgents()))


async def list_resources(call: Call, query: ResourcesQuery) -> ResourcesList:
    """What agents use of the machine now: memory, processor time, processes and threads."""
    session_id = SessionId(query.session) if query.session else None
    return ResourcesList(resources=await call.control.ask(ListResources(session_id)))


async def list_tokens(call: Call) -> TokenList:
    """All tokens, without their secrets, oldest first."""
    return TokenList(tokens=tuple(TokenBody.of(view) for view in await call.tokens.list()))


async def create_token(call: Call, body: NewToken) -> CreatedToken:
    """Make a token. Its secret is shown this once."""
    session_id = (await call.session(SessionId(body.session_id))).session.session_id if body.session_id else None
    view, secret = await call.tokens.create(body.name, body.role, session_id, call.actor)
    return CreatedToken.made(view, secret)


async def revoke_token(call: Call, token_id: str) -> TokenBody:
    """Make a token worthless, for streams that are open, too."""
    revoked = TokenBody.of(await call.tokens.revoke(token_id))
    call.streams.recheck()
    return revoked


ROUTES = (
    Route(method="GET", path="/health", handler=get_health, who=Who.ANYBODY),
    Route(method="GET", path="/status", handler=get_status, who=Who.PERSON),
    Route(method="POST", path="/shutdown", handler=shut_down, status=202, who=Who.OWNER),
    Route(method="GET", path="/agents", handler=list_agents, who=Who.PERSON, has_etag=True),
    Route(method="GET", path="/resources", handler=list_resources, who=Who.PERSON, refuses=frozenset({404})),
    Route(method="GET", path="/tokens", handler=list_tokens, who=Who.OWNER),
    Route(
        method="POST",
        path="/tokens",
        handler=create_token,
        status=201,
        who=Who.OWNER,
        refuses=frozenset({404}),
    ),
    Route(method="DELETE", path="/tokens/{token_id}", handler=revoke_token, who=Who.OWNER),
)
