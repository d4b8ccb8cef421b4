"""tether-mcp: any agent that speaks MCP joins by these tools."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from tetherd.client.client import ApiError
from tetherd.errors import TetherError
from tetherd.mcp.desk import Desk, UnknownSession, Waits
from tetherd.version import own_version

INSTRUCTIONS = """\
Join a person who follows from afar. Call create_session once, tell what you do with send_output, ask with
request_approval before anything that cannot be undone, and call check_input when you have finished or need to know
more: what the person wrote comes back there."""

SessionId = Annotated[str, Field(description="what create_session gave")]
READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)
WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)


class Made(BaseModel):
    session_id: str
    name: str


class Sent(BaseModel):
    """`seq` is its place in the log: it is stored."""

    seq: int


class Decision(BaseModel):
    """pending: nobody has answered (wait=false); closed: it went away unanswered, by an interrupt for example."""

    decision: Literal["approve", "reject", "closed", "pending"]
    request_id: str
    by: str | None = None
    reason: str | None = None
    choice: list[str] = []
    text: str | None = None
    updated_input: dict[str, Any] | None = None


class Input(BaseModel):
    """`inputs` in the order in which they were written."""

    inputs: list[str]
    interrupted: bool
    session_ended: bool


class Status(BaseModel):
    session_id: str
    name: str
    state: str
    waiting_for: list[str]


def build_server(desk: Desk) -> MCPServer[Any]:
    """The server with all tools. Every failure is a ToolError that says what to do."""
    server: MCPServer[Any] = MCPServer("tetherd", version=own_version(), instructions=INSTRUCTIONS, log_level="WARNING")

    @server.tool(annotations=WRITES)
    async def create_session(
        name: Annotated[str, Field(description="what you are doing, in a few words", max_length=80)],
        agent_type: Annotated[str, Field(description="what kind of program you are", max_length=80)] = "mcp",
    ) -> Made:
        """Begin a session that people can follow, answer and steer."""
        with _explained():
            return Made(**await desk.create(name, agent_type))

    @server.tool(annotations=WRITES)
    async def send_output(session_id: SessionId, text: str) -> Sent:
        """Show people what you do or have found. Markdown is fine."""
        with _explained():
            return Sent(seq=(await desk.push(session_id, "output", {"text": text}))["seq"])

    @server.tool(annotations=WRITES)
    async def request_approval(
        context: Context[Any, Any],
        session_id: SessionId,
        title: Annotated[str, Field(description="one line: what is to be decided")],
        command: Annotated[str | None, Field(description="the exact command, where it is one")] = None,
        options: Annotated[
            list[str] | None, Field(description="makes it a question with these answers; [] asks for free text")
        ] = None,
        wait: Annotated[bool, Field(description="false: return at once with decision pending")] = True,
    ) -> Decision:
        """Ask a person, and wait for the answer however long it takes. Do not act before it is approve."""
        with _explained():
            if options is None:
                asked = {"title": title} | ({"command": command} if command else {})
                pushed = await desk.push(session_id, "permission_request", asked)
            else:
                pushed = await desk.push(session_id, "question", {"text": title, "options": options})
            request_id = str(pushed["request_id"])
            if not wait:
                return Decision(decision="pending", request_id=request_id)
            return Decision(request_id=request_id, **await desk.decision(session_id, request_id, _telling(context)))

    @server.tool(annotations=READS)
    async def get_decision(context: Context[Any, Any], session_id: SessionId, request_id: str) -> Decision:
        """Wait for the answer to a request_approval that did not wait."""
        with _explained():
            return Decision(request_id=request_id, **await desk.decision(session_id, request_id, _telling(context)))

    @server.tool(annotations=READS)
    async def check_input(
        context: Context[Any, Any],
        session_id: SessionId,
        wait_seconds: Annotated[int, Field(ge=0, le=3600, description="how long to wait for something")] = 0,
    ) -> Input:
        """What people have written since the last call, and whether they want you to stop what you do."""
        with _explained():
            return Input(**await desk.input(session_id, wait_seconds, _telling(context)))

    @server.tool(annotations=READS)
    async def get_session_status(session_id: SessionId) -> Status:
        """How the session stands, and what it waits for."""
        with _explained():
            return Status(**await desk.status(session_id))

    @server.tool(annotations=WRITES)
    async def finish_session(session_id: SessionId, failed: bool = False, detail: str | None = None) -> Sent:
        """End the session: the work is done, or has failed with a detail."""
        with _explained():
            data = {"status": "failed" if failed else "done"} | ({"detail": detail} if detail else {})
            return Sent(seq=(await desk.push(session_id, "status", data))["seq"])

    return server


def _telling(context: Context[Any, Any]) -> Waits:
    """Progress while somebody is waited for, so that the client does not take us for dead."""
    steps = 0

    async def tell(words: str) -> None:
        nonlocal steps
        steps += 1
        await context.report_progress(steps, message=words)

    return tell


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what goes wrong into words for the model."""
    try:
        yield
    except ApiError as error:
        hint = f" ({error.hint})" if error.hint else ""
        raise ToolError(f"tetherd refused: {error}{hint}") from error
    except (TetherError, UnknownSession) as error:
        raise ToolError(str(error)) from error
