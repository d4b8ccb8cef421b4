"""tetherd: the daemon's command line."""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import trio

from tetherd import paths
from tetherd.bridge import load_bridges
from tetherd.config import CONFIG_FILE, Config, make_token, read_config
from tetherd.current_config import CurrentConfig
from tetherd.daemon import Daemon, Options, run_daemon
from tetherd.errors import Fatal, Misconfigured
from tetherd.logconfig import configure_logging, get_logger
from tetherd.plugin import load_adapters
from tetherd.service import Service, take_service
from tetherd.version import own_version
from tetherd.welcome import start_demo, welcome_lines

CONFIGURATION = 78
FATAL = 70

log = get_logger("tetherd")


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the daemon until it is asked to stop; returns the exit code."""
    args = _parser().parse_args(argv)
    os.umask(0o077)
    faulthandler.enable()  # the watchdog's SIGABRT then shows in the journal where the loop stood
    service = take_service()
    code = 0
    try:
        adapters, bridges = load_adapters(), load_bridges()
        flags = {
            key: value for key, value in (("TETHER_AGENT_PORT", args.port), ("TETHER_AGENT_HOST", args.host)) if value
        }
        place = paths.config_dir(environ)
        read = partial(read_config, environ, Path.cwd(), place, flags=flags, adapters=adapters, bridges=bridges)
        config = read()
        options, fresh_token = _options(config, args, service)
        if fresh_token is not None:
            config = read()  # which has it now
        configure_logging(config.log_level, config.log_format, secrets=(*options.secrets, *config.bridge_secrets))
        for warning in config.warnings:
            log.warning("settings", why=warning)

        async def on_ready(daemon: Daemon) -> None:
            if service.is_managed:
                if fresh_token is not None:  # not shown: what we print stands in the journal
                    log.info("a token for clients over TCP was made", file=str(config.config_dir / CONFIG_FILE))
                return
            demo = await start_demo(daemon) if args.demo else None
            print("\n".join(welcome_lines(daemon, demo, fresh_token, config.config_dir)), flush=True)  # noqa: T201

        current = CurrentConfig(config, environ, adapters, bridges, read)
        given = (current, adapters, bridges, environ, options, service, on_ready)
        trio.run(run_daemon, *given, strict_exception_groups=True)
    except* Misconfigured as group:
        code = _give_up(group, CONFIGURATION, service)
    except* Fatal as group:
        code = _give_up(group, FATAL, service)
    return code


def _options(config: Config, args: argparse.Namespace, service: Service) -> tuple[Options, str | None]:
    """The options, and the token that was made just now, if one was."""
    fresh = None
    secrets = [config.token.get_secret_value()] if config.token else []
    if not secrets and not args.dev and config.is_loopback_only:
        fresh = make_token(config.config_dir)
        secrets = [fresh]
    # a service manager restarts and upgrades us: agents must not notice
    keep = args.keep_agents or service.is_managed
    return Options(dev=args.dev, keep_agents=keep, secrets=tuple(secrets)), fresh


def _give_up(group: BaseExceptionGroup[BaseException], code: int, service: Service) -> int:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    sys.stderr.write(f"tetherd: {error}\n")
    service.status(str(error))
    if code == CONFIGURATION:  # nobody starts us again: whoever waits is told now
        service.turn_away(str(error))
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tetherd", description="Supervises coding agents until it is stopped.")
    parser.add_argument("-V", "--version", action="version", version=f"tetherd {own_version()}")
    parser.add_argument("--dev", action="store_true", help="no token; loopback only")
    parser.add_argument("--port", metavar="P", help="TCP port (8787)")
    parser.add_argument("--host", metavar="H", help="address to listen at (loopback)")
    parser.add_argument("--keep-agents", action="store_true", help="agents go on when the daemon stops")
    parser.add_argument("--demo", action="store_true", help="begin with a session of the demo agent")
    return parser


if __name__ == "__main__":
    sys.exit(main())
