"""tether-mcp: the MCP server on stdin and stdout."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence

import trio

from tetherd import paths
from tetherd.client.client import Client, DaemonUnreachable
from tetherd.mcp.desk import Desk
from tetherd.mcp.server import build_server

SURFACE = "mcp"


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Serve until stdin ends. Exit code 3 when the daemon is not there."""
    parser = argparse.ArgumentParser(prog="tether-mcp", description="Joins programs that speak MCP to tetherd.")
    parser.parse_args(argv)
    socket = paths.control_socket(environ)
    try:
        owner = Client.connect(socket, surface=SURFACE)
    except DaemonUnreachable as error:
        sys.stderr.write(f"tether-mcp: {error}\nstart it:  tether start\n")
        return 3
    # before the SDK sets logging up by itself: stdout is the protocol's alone
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    server = build_server(Desk(owner, lambda token: Client(socket, token, surface=SURFACE)))
    trio.run(server.run_stdio_async)
    return 0


if __name__ == "__main__":
    sys.exit(main())
