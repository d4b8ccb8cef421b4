"""How a worker begins: its arguments, its places, its wires."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import trio

from tetherd.agents.workers.core.agent import Agent
from tetherd.agents.workers.core.outgoing import own_stdout
from tetherd.agents.workers.core.provider import Provider
from tetherd.agents.workers.core.server import Server
from tetherd.agents.workers.tools.all import TOOLS

SHORTEST_SECRET = 8
"""Something shorter is no key, and striking it out would spoil every sentence."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, help="the model, in the provider's words")
    parser.add_argument("--effort", help="how hard the model tries; its own measure by default")
    parser.add_argument("--fork-of", metavar="CONVERSATION", help="new sessions begin with a copy of it")
    parser.add_argument(
        "--hidden", nargs="*", default=[], metavar="NAME", help="environment variables that commands do not get"
    )


def start(provider: Provider, title: str, given: argparse.Namespace) -> int:
    """Serve on stdin and stdout; returns the exit code."""
    hidden: Sequence[str] = given.hidden
    secrets = [os.environ.get(name, "") for name in hidden]
    agent = Agent(
        name=f"tetherd-{provider.name}",
        title=title,
        provider=provider,
        tools=TOOLS,
        home=home(os.environ) / provider.name,
        environment={key: value for key, value in os.environ.items() if key not in hidden},
        fork_of=given.fork_of,
        secrets=tuple(secret for secret in secrets if len(secret) >= SHORTEST_SECRET),
    )
    return trio.run(Server(agent, sys.stdin.fileno(), own_stdout()).run)


def home(environ: Mapping[str, str]) -> Path:
    """Where conversations are: `$XDG_DATA_HOME/tether/conversations`, else below ~/.local/share."""
    given = environ.get("XDG_DATA_HOME", "")
    base = Path(given) if os.path.isabs(given) else Path.home() / ".local" / "share"
    return base / "tether" / "conversations"
