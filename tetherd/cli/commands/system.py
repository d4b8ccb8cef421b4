"""Commands about the daemon itself: start, shutdown, status, agents, token, version."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable

from tetherd.cli.call import Call, Json
from tetherd.cli.commands.sessions import show_session
from tetherd.cli.output import DONE, TRY_LATER, USAGE, Part, Refusal, Styled, ago
from tetherd.cli.user_manager import is_running
from tetherd.cli.words import state_word
from tetherd.client.client import ApiError, DaemonUnreachable
from tetherd.sizes import show_size
from tetherd.version import own_version

_SHUTDOWN_SECONDS = 30.0


def register_daemon(add: Callable[..., ArgumentParser]) -> None:
    command = add(
        "start",
        start,
        "run the daemon here until Ctrl-C",
        "tether start\ntether start --dev\ntether start --port 9000 --keep-agents",
    )
    command.add_argument("--dev", action="store_true", help="no token; loopback only")
    command.add_argument("--port", metavar="P", help="TCP port (8787)")
    command.add_argument("--host", metavar="H", help="address to listen at (loopback)")
    command.add_argument("--keep-agents", action="store_true", help="agents go on when the daemon stops")
    command.add_argument("--demo", action="store_true", help="begin with a session of the demo agent")
    command = add("shutdown", shutdown, "stop the daemon", "tetherctl shutdown\ntetherctl shutdown --yes")
    command.add_argument("--yes", action="store_true", help="do not ask")
    command = add(
        "status",
        status,
        "show how the daemon is, or one session",
        "tetherctl status\ntetherctl status s-4k",
    )
    command.add_argument("id", metavar="ID", nargs="?", help="a session")


def register(add: Callable[..., ArgumentParser], accept_json: Callable[[ArgumentParser], None]) -> None:
    add("agents", list_agents, "list the agents that can be started here", "tetherctl agents")
    command = add(
        "token",
        list_tokens,
        "make, list and revoke access tokens",
        "tetherctl token create laptop --role observer\ntetherctl token list\ntetherctl token revoke t-1",
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", dest="verb", required=True)
    create = verbs.add_parser("create", help="make a token; its secret is shown once")
    create.add_argument("name", metavar="NAME", help="what or whom it is for")
    create.add_argument("--role", choices=("owner", "approver", "observer", "agent"), default="observer")
    create.add_argument("--session", metavar="ID", help="the session of an agent's token")
    create.set_defaults(run=create_token)
    listing = verbs.add_parser("list", help="list all tokens, without their secrets")
    listing.set_defaults(run=list_tokens)
    revoke = verbs.add_parser("revoke", help="make a token worthless at once")
    revoke.add_argument("id", metavar="TOKEN_ID", help="as `token list` shows it")
    revoke.set_defaults(run=revoke_token)
    for verb in (create, listing, revoke):
        accept_json(verb)
    add("version", version_, "show the version", "tetherctl version")


# -- the daemon --------------------------------------------------------------------------------------------------


def start(call: Call) -> int:
    """Become the daemon. One that runs already is as good."""
    try:
        running = call.get("/api/status")
    except DaemonUnreachable:
        args = call.args
        flags = [f"--{name.replace('_', '-')}" for name in ("dev", "keep_agents", "demo") if getattr(args, name)]
        flags += [
            word for name in ("port", "host") if getattr(args, name) for word in (f"--{name}", getattr(args, name))
        ]
        call.execute(sys.executable, [sys.executable, "-m", "tetherd", *flags])
        return DONE
    return call.answer(running, f"tetherd is running already at {running['url'] or 'its control socket'}")


def shutdown(call: Call) -> int:
    """Stop the daemon, and return when it is gone."""
    status = call.get("/api/status")
    live = sum(count for state, count in status["sessions"].items() if state not in ("created", "ended"))
    running = f" {live} {'session runs' if live == 1 else 'sessions run'}." if live else ""
    call.confirm(f"Stop tetherd?{running}")
    answer = call.post("/api/shutdown")
    unit = status["unit"]
    deadline = time.monotonic() + _SHUTDOWN_SECONDS
    while time.monotonic() < deadline:
        if _has_ended(call, unit):
            kept = ["; the next command starts it again, unless: tetherctl service uninstall"] if unit else []
            return call.answer(answer, "tetherd has stopped", *kept)
        time.sleep(0.1)
    raise Refusal("tetherd is still stopping", "look again with: tetherctl status", TRY_LATER)


def _has_ended(call: Call, unit: str | None) -> bool:
    """A unit is asked for of its manager: its socket would start it again."""
    if unit is not None:
        return not is_running(unit)
    try:
        call.get("/api/status")
    except DaemonUnreachable:
        return True
    except ApiError:
        pass  # it is on its way out
    return False


def status(call: Call) -> int:
    if call.args.id is not None:
        return show_session(call)
    found = call.get("/api/status")
    terminal = call.terminal
    if terminal.as_json:
        terminal.record(found)
        return DONE
    resources = call.get("/api/resources")["resources"]
    terminal.line(
        f"tetherd {found['version']} at {found['url'] or 'its control socket'}, up {ago(found['started_at'])}"
    )
    terminal.line("sessions   ", *_counts(found["sessions"]))
    waiting = found["pending_approvals"]
    verb = "waits" if waiting == 1 else "wait"
    some = Styled("you", f"{waiting} {verb} for you")
    terminal.line("approvals  ", *((some, ": tetherctl approvals") if waiting else ("none waits",)))
    if bridges := [one for one in call.get("/api/bridges")["bridges"] if one["state"] != "off"]:
        terminal.line("bridges    ", *_bridges(bridges))
    terminal.line(f"data       {found['data_dir']}")
    if resources:
        memory, tasks = (sum(one[what] for one in resources) for what in ("memory_bytes", "tasks"))
        agents = "1 agent uses" if len(resources) == 1 else f"{len(resources)} agents use"
        terminal.line(f"uses       {agents} {show_size(memory)} of memory, {tasks} processes and threads")
    for missing in found["isolation"]["missing"]:
        terminal.line(f"missing    {missing}")
    for warning in found["warnings"]:
        terminal.line(Styled("bad", "warning    "), warning)
    return DONE


def _bridges(bridges: list[Json]) -> list[Part]:
    parts: list[Part] = []
    for one in bridges:
        state: Part = one["state"] if one["state"] == "running" else Styled("bad", one["state"])
        parts += [", " if parts else "", f"{one['name']} ", state, f" ({one['trouble']})" if one["trouble"] else ""]
    return parts


def _counts(sessions: dict[str, int]) -> list[Part]:
    parts: list[Part] = []
    for state, count in sessions.items():
        if count:
            parts += [", " if parts else "", f"{count} ", state_word(state)]
    return parts or ["none: tetherctl new [DIRECTORY] starts one"]


# -- agents, tokens, version -------------------------------------------------------------------------------------


def list_agents(call: Call) -> int:
    agents = call.get("/api/agents")["agents"]
    terminal = call.terminal
    if terminal.as_json:
        for agent in agents:
            terminal.record(agent)
        return DONE
    found = {True: "found", False: Styled("bad", "not found"), None: "joins by itself"}
    rows = [
        [
            agent["adapter"] + (" (default)" if agent["default"] else ""),
            found[agent["found"]],
            _version(agent),
            agent["login"] or "-",
            agent["description"],
        ]
        for agent in agents
    ]
    terminal.table(("AGENT", "HERE", "VERSION", "LOGIN", "WHAT IT IS"), rows)
    return DONE


def _version(agent: Json) -> Part:
    """An untested version stands out, and says what was tested."""
    version, tested = agent["version"], agent["tested_with"]
    if version is None or tested is None or version in tested.split(", "):
        return version or "-"
    return Styled("you", f"{version} (tested: {tested})")


def create_token(call: Call) -> int:
    args = call.args
    if (args.role == "agent") != (args.session is not None):
        raise Refusal("--session goes with --role agent, and only with it", exit_code=USAGE)
    body: Json = {"name": args.name, "role": args.role}
    if args.session:
        body["session_id"] = call.session_id(args.session)
    made = call.post("/api/tokens", body)
    call.answer(made, made["token"])
    call.terminal.note(f"token {made['token_id']} for {made['name']}, role {made['role']}; it is not shown again")
    return DONE


def list_tokens(call: Call) -> int:
    tokens = call.get("/api/tokens")["tokens"]
    terminal = call.terminal
    if terminal.as_json:
        for token in tokens:
            terminal.record(token)
        return DONE
    if not tokens:
        terminal.line("No tokens yet. Make one: tetherctl token create NAME --role observer")
        return DONE
    rows = [
        [
            token["token_id"],
            token["role"],
            token["session_id"] or "-",
            f"revoked {ago(token['revoked_at'])} ago"
            if token["revoked_at"]
            else f"made {ago(token['created_at'])} ago",
            token["name"],
        ]
        for token in tokens
    ]
    terminal.table(("ID", "ROLE", "SESSION", "AGE", "NAME"), rows)
    return DONE


def revoke_token(call: Call) -> int:
    revoked = call.client.request("DELETE", f"/api/tokens/{call.args.id}")
    return call.answer(revoked, f"revoked {call.args.id}")


def version_(call: Call) -> int:
    return call.answer({"version": own_version()}, f"tetherctl {own_version()}")
