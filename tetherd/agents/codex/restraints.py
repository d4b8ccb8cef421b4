"""What makes Codex ask: the settings of a thread and of its turns.

"untrusted" alone does not: a thread that may write trusts its project by itself and obeys the project's own rules,
starts its MCP servers and passes whatever the user once allowed for good. All of it was seen with Codex 0.169.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from tetherd.agents.jsonlines import table
from tetherd.plugin import JsonObject, LaunchSpec

APPROVAL_POLICY = "untrusted"
REVIEWER = "user"
SANDBOXES: Mapping[str, JsonObject] = {
    "danger-full-access": {"type": "dangerFullAccess"},
    "workspace-write": {"type": "workspaceWrite", "excludeSlashTmp": True, "excludeTmpdirEnvVar": True},
    "read-only": {"type": "readOnly"},
}
"""A turn's sandbox by our setting, the default first: there what a person approves runs as it stands.

Codex's sandbox is no boundary for approved commands, since those that fail in it are run again outside; and a sandbox
that is killed leaves empty folders (.git, .codex) in whatever it may write, so it may not write in /tmp at all.
"""

SWITCHED_OFF = (
    "apps",  # connectors of the account: nobody asks before those that only read
    "image_generation",
    "multi_agent",  # agents of the agent: an interrupt does not reach them
    "multi_agent_v2",
    "plugins",  # bring MCP servers that stand in no list that we can read
    "skill_mcp_dependency_install",
    "unified_exec_tty",  # a terminal that was allowed once takes whatever is typed into it later
    "view_image",  # reads any file of the machine without a question
)
"""Features that act without a question, or where we cannot stop them."""


class Allowances(BaseModel):
    """What the user's settings allow and the overrides take back: trusted projects, MCP servers, their tools.

    Names alone: the settings themselves hold keys and tokens.
    """

    trusted: list[str] = []
    servers: dict[str, list[str]] = {}


def allowances_in(config: JsonObject) -> Allowances:
    """`config` as config/read tells it."""
    servers = table(config, "mcp_servers")
    return Allowances(
        trusted=list(table(config, "projects")),
        servers={name: list(table(table(servers, name), "tools")) for name in servers},
    )


def thread_settings(spec: LaunchSpec, allowances: Allowances) -> JsonObject:
    """Parameters of thread/start and thread/resume.

    The thread begins read-only, since one that may write makes its project trusted, for good, in the user's settings.
    """
    settings: JsonObject = {
        "cwd": spec.directory,
        "approvalPolicy": APPROVAL_POLICY,
        "approvalsReviewer": REVIEWER,
        "sandbox": "read-only",
        "config": _overrides(spec, allowances),
    }
    if model := spec.settings.get("model"):
        settings["model"] = model
    return settings


def turn_settings(spec: LaunchSpec) -> JsonObject:
    """Parameters of turn/start: the sandbox of approved commands, and once more who is asked."""
    settings: JsonObject = {
        "approvalPolicy": APPROVAL_POLICY,
        "approvalsReviewer": REVIEWER,
        "sandboxPolicy": SANDBOXES[spec.settings.get("sandbox") or next(iter(SANDBOXES))],
    }
    if effort := spec.settings.get("effort"):
        settings["effort"] = effort
    return settings


def _overrides(spec: LaunchSpec, allowances: Allowances) -> JsonObject:
    # Trust is looked up by directory, by work tree and by repository: all that the user ever trusted is named here.
    trusted = dict.fromkeys((*allowances.trusted, spec.directory))
    overrides: JsonObject = {
        "projects": {path: {"trust_level": "untrusted"} for path in trusted},
        "web_search": "disabled",
        "features": dict.fromkeys(SWITCHED_OFF, False),
    }
    if allowances.servers:
        overrides["mcp_servers"] = {name: _asking_server(tools) for name, tools in allowances.servers.items()}
    return overrides


def _asking_server(tools: list[str]) -> JsonObject:
    """An MCP server whose every tool is asked about, also one that only reads or that the user has allowed."""
    asking: JsonObject = {"default_tools_approval_mode": "prompt"}
    if tools:
        asking["tools"] = {name: {"approval_mode": "prompt"} for name in tools}
    return asking
