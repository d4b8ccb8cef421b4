"""One call of tetherctl: its arguments, its terminal, and the daemon."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TextIO
from urllib.parse import quote

from tetherd.cli.output import NOT_FOUND, USAGE, Refusal, Terminal
from tetherd.cli.printable import printable
from tetherd.client.client import Client

Json = dict[str, Any]

_PAGE = 500
_SESSION_ID = re.compile(r"s-[0-9a-z]{12}")
_APPROVAL_ID = re.compile(r"a-[0-9a-f]{12}")


class Call:
    """What a command is given. `execute` is os.execv; `stdin` where answers and inputs come from."""

    def __init__(
        self,
        args: Namespace,
        terminal: Terminal,
        client: Client,
        execute: Callable[[str, list[str]], object],
        stdin: TextIO,
        environ: Mapping[str, str],
    ) -> None:
        self.args = args
        self.terminal = terminal
        self.client = client
        self.execute = execute
        self.stdin = stdin
        self.environ = environ

    def get(self, path: str) -> Json:
        return self.client.request("GET", path)

    def post(self, path: str, body: Json | None = None) -> Json:
        return self.client.request("POST", path, body or {})

    def answer(self, value: Mapping[str, Any], *words: str) -> int:
        """The result of a command that changed something: the object, or words for people. Exit code 0."""
        if self.terminal.as_json:
            self.terminal.record(value)
        else:
            self.terminal.line(*words)
        return 0

    def confirm(self, question: str) -> None:
        """Go on only when a person says yes, or --yes was given. Raises Refusal."""
        if self.args.yes:
            return
        if not self._can_be_asked():
            raise Refusal(f"{self.args.command} needs a confirmation", "say so with --yes", USAGE)
        if not self.is_yes(question):
            raise Refusal("nothing was done")

    def is_yes(self, question: str) -> bool:
        """Ask a person; where there is none, the answer is no."""
        if not self._can_be_asked():
            return False
        sys.stderr.write(printable(f"{question} [y/N] "))  # a session's name may be an agent's words
        sys.stderr.flush()
        return self.stdin.readline().strip().lower() in ("y", "yes")

    def _can_be_asked(self) -> bool:
        return self.stdin.isatty() and sys.stderr.isatty()

    # -- finding things ------------------------------------------------------------------------------------------

    def sessions(self) -> Iterator[Json]:
        """All sessions, newest first, page by page."""
        before = ""
        while True:
            page = self.get(f"/api/sessions?limit={_PAGE}{before}")
            yield from page["sessions"]
            if page["next_before"] is None:
                return
            before = f"&before={page['next_before']}"

    def session_id(self, given: str) -> str:
        """The id that begins like `given`, with or without its `s-`. Raises Refusal: none, or several."""
        if _SESSION_ID.fullmatch(given):
            return given
        found = [session for session in self.sessions() if _begins(session["session_id"], given)]
        return str(_the_only(found, given, "session", "name", "tetherctl list")["session_id"])

    def session_path(self, given: str) -> str:
        return f"/api/sessions/{quote(self.session_id(given), safe='')}"

    def pending(self) -> list[Json]:
        """Approvals that wait, oldest first."""
        return list(self.get(f"/api/approvals?state=pending&limit={_PAGE}")["approvals"])

    def approval(self, given: str | None) -> Json:
        """The approval that begins like `given`; without it the only one that waits. Raises Refusal."""
        if given is not None and _APPROVAL_ID.fullmatch(given):
            return self.get(f"/api/approvals/{given}")
        found = self.pending()
        if given is None:
            if not found:
                raise Refusal("nothing is waiting for you", exit_code=NOT_FOUND)
            if len(found) > 1:
                raise Refusal(
                    _listed(f"{len(found)} approvals are waiting", found, "approval", "title"), "say which", USAGE
                )
            return found[0]
        found = [approval for approval in found if _begins(approval["approval_id"], given)]
        if not found:  # answered already, perhaps: then the answer is who did
            closed = self.get(f"/api/approvals?state=closed&limit={_PAGE}")["approvals"]
            found = [approval for approval in closed if _begins(approval["approval_id"], given)]
        return _the_only(found, given, "approval", "title", "tetherctl approvals")


def _begins(whole: str, given: str) -> bool:
    return bool(given) and (whole.startswith(given) or whole[2:].startswith(given))


def _the_only(found: Sequence[Json], given: str, kind: str, label: str, look: str) -> Json:
    if not found:
        raise Refusal(f"no {kind} begins with {given!r}", f"see: {look}", NOT_FOUND)
    if len(found) > 1:
        raise Refusal(
            _listed(f"{len(found)} {kind}s begin with {given!r}", found, kind, label), "give more of the id", USAGE
        )
    return found[0]


def _listed(what: str, found: Sequence[Json], kind: str, label: str) -> str:
    return "\n".join([f"{what}:", *(f"  {one[f'{kind}_id']}  {one[label]}" for one in found)])
