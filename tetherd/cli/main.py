"""tetherctl: the command line. `tether` is the same program."""

from __future__ import annotations

import io
import os
import sys
from argparse import SUPPRESS, Action, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TextIO

from tetherd.cli.call import Call
from tetherd.cli.commands import approvals, audit, bridges, devices, follow, logs, rules, service, sessions, system
from tetherd.cli.output import (
    ALREADY_RESOLVED,
    CONFIGURATION,
    DONE,
    FAILED,
    NOT_FOUND,
    TRY_LATER,
    UNREACHABLE,
    USAGE,
    Refusal,
    Terminal,
)
from tetherd.cli.printable import printable
from tetherd.client.client import ApiError, Client, DaemonUnreachable
from tetherd.errors import Misconfigured, TetherError
from tetherd.paths import control_socket
from tetherd.version import own_version

_INTERRUPTED = 130
_RECOVERY_SECONDS = 20.0
_HELP_COLUMNS = 79

_EPILOG = """\
examples:
  tether start --dev              run the daemon here, without a token
  tetherctl new . -p "fix the failing test" --watch
  tetherctl list                  what needs you stands first
  tetherctl approve               take the one request that waits

An ID may be cut short as long as it fits one thing only.
exit codes: 0 done, 1 failed, 2 usage, 3 daemon not reachable, 4 not found,
5 already resolved, 75 try later, 78 configuration
"""


class _Parser(ArgumentParser):
    """Help within 80 columns, and errors in two lines."""

    def __init__(self, **settings: Any) -> None:
        settings["formatter_class"] = _formatter
        super().__init__(**settings)

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, printable(f"{self.prog}: {message}") + f"\nsee: {self.prog} --help\n")


class _ShowVersion(Action):
    def __call__(self, parser: ArgumentParser, *_: object) -> None:
        sys.stdout.write(f"{parser.prog} {own_version()}\n")
        parser.exit(DONE)


def main(
    argv: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    execute: Callable[[str, list[str]], object] = os.execv,
    stdin: TextIO | None = None,
    patience_seconds: float = _RECOVERY_SECONDS,
) -> int:
    """Carry out one command line and return the exit code. Usage errors and --help raise SystemExit.

    A daemon that has just started is asked again for `patience_seconds`.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without umlauts still shows something
    program = os.path.basename(sys.argv[0])
    parser = build_parser(program if program in ("tether", "tetherctl") else "tetherctl")
    args = parser.parse_args(argv)
    terminal = Terminal(sys.stdout, sys.stderr, environ, as_json=args.json)
    call = Call(
        args,
        terminal,
        Client(control_socket(environ), patience_seconds=patience_seconds),
        execute,
        stdin or sys.stdin,
        environ,
    )
    try:
        return int(args.run(call))
    except TetherError as error:
        return _report(parser.prog, error, terminal)
    except KeyboardInterrupt:
        terminal.end_line()
        return _INTERRUPTED
    except BrokenPipeError:
        # whoever read our output has enough; the interpreter's last flush must not complain either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def build_parser(program: str = "tetherctl") -> ArgumentParser:
    """All commands. Each group adds its own, each command sets `run`."""
    parser = _Parser(prog=program, description="Start, watch and steer coding agents.", epilog=_EPILOG)
    parser.add_argument("-V", "--version", action=_ShowVersion, nargs=0, help="show the version and exit")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", required=True)

    def add(name: str, run: Callable[[Call], int], about: str, examples: str, notes: str = "") -> ArgumentParser:
        epilog = "\n  ".join(["examples:", *examples.splitlines()]) + (f"\n\n{notes}" if notes else "")
        command = commands.add_parser(name, help=about, description=_sentence(about), epilog=epilog)
        _accept_json(command)
        command.set_defaults(run=run)
        return command

    system.register_daemon(add)
    sessions.register(add)
    follow.register(add)
    logs.register(add)
    approvals.register(add)
    bridges.register(add, _accept_json)
    rules.register(add, _accept_json)
    audit.register(add, _accept_json)
    devices.register(add, _accept_json)
    system.register(add, _accept_json)
    service.register(add, _accept_json)
    return parser


def _accept_json(command: ArgumentParser) -> None:
    # SUPPRESS: else the default of the command would undo a --json that stands before it
    command.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON object per line")


def _sentence(about: str) -> str:
    return f"{about[0].upper()}{about[1:]}."


def _formatter(prog: str) -> RawDescriptionHelpFormatter:
    return RawDescriptionHelpFormatter(prog, max_help_position=26, width=_HELP_COLUMNS)


def _report(program: str, error: TetherError, terminal: Terminal) -> int:
    """Say on stderr what went wrong and what to do now; returns the exit code."""
    terminal.end_line()
    lines = [f"{program}: {error}"]
    match error:
        case DaemonUnreachable():
            lines.append(f"start it:  {error.hint}")
        case ApiError():
            faults = error.problem.get("errors") or []
            lines += [f"{fault['where']}: {fault['problem']}" for fault in faults[:1]]
            lines += [error.hint] if error.hint else []
        case Refusal(hint=str(hint)):
            lines.append(hint)
    sys.stderr.write(printable("\n".join(lines), multi_line=True) + "\n")
    return _exit_code(error)


def _exit_code(error: TetherError) -> int:
    match error:
        case Refusal(exit_code=code):
            return code
        case DaemonUnreachable():
            return UNREACHABLE
        case ApiError(code="already_resolved"):
            return ALREADY_RESOLVED
        case ApiError(status=404):
            return NOT_FOUND
        case ApiError(status=422):
            return USAGE
        case ApiError(code="misconfigured"):
            return CONFIGURATION
        case ApiError(is_passing=True):
            return TRY_LATER
        case Misconfigured():
            return CONFIGURATION
        case _:
            return FAILED


if __name__ == "__main__":
    sys.exit(main())
