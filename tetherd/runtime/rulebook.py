"""The rule book: policy.toml and grants, as they hold now.

The file is read again when it changes. One that cannot be read changes nothing: the last good one holds, also after
a restart, and what is wrong is said. Grants are judged at use: by the clock, and never by one that was set back.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trio

from tetherd.control import NotFound
from tetherd.domain.ids import Actor, SessionId
from tetherd.domain.policy import Policy
from tetherd.domain.rule import Rule
from tetherd.domain.ruling import Rules
from tetherd.errors import Misconfigured, Rejected, Unavailable
from tetherd.logconfig import get_logger
from tetherd.policyfile import load_policy, parse_policy
from tetherd.storage.grants import GrantStore

LOOK_SECONDS = 2.0
LONGEST_STEP_BACK = timedelta(minutes=5)
CLOCK_WENT_BACK = "the clock went back"

log = get_logger(__name__)


class NotAGrant(Rejected):
    """It stands in the file, and only a person changes the file."""

    code = "not_a_grant"


@dataclass(frozen=True, slots=True)
class _Seen:
    """What tells one state of the file from another."""

    inode: int
    size: int
    changed_ns: int


class RuleBook:
    """All rules. `newest` is the time of the newest entry of the log; `own` are directories of ours."""

    def __init__(
        self,
        grants: GrantStore,
        path: Path,
        *,
        own: tuple[str, ...] = (),
        newest: Callable[[], datetime | None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = path
        self.fault: str | None = None
        """Why the file as it is cannot be read, or None."""
        self.is_good = True
        self._grants_store = grants
        self._own = own
        self._newest = newest
        self._wall = now
        self._latest = datetime(1970, 1, 1, tzinfo=UTC)
        self._disowned: datetime | None = None
        self._seen: _Seen | None = None
        self._written: tuple[Rule, ...] = ()
        self._granted: dict[str, Rule] = {}
        self._rules = Rules()

    async def open(self) -> None:
        """Read everything. A file that cannot be read is no error here: `fault` says so."""
        self._granted = {rule.rule_id: rule for rule in await self._grants_store.living()}
        self._latest = self._logged()
        await self._read_file(is_first=True)
        self._rules = Rules((*self._written, *self._granted.values()))

    # -- asking --------------------------------------------------------------------------------------------------

    @property
    def rules(self) -> Rules:
        return self._rules

    def now(self) -> datetime:
        """The time that rules are judged by: it never goes back, but by a step that ends what was timed."""
        self._latest = max(self._latest, self._wall(), self._logged())
        return self._latest

    def _logged(self) -> datetime:
        """The time of the newest entry, unless it is one from before the clock went back."""
        newest = self._newest()
        return self._latest if newest is None or newest == self._disowned else newest

    async def policy(self, resolved: Mapping[str, str] | None = None) -> Policy:
        """What to judge by now."""
        await self._mind_the_clock()
        return Policy(rules=self._rules, now=self.now(), own=self._own, resolved=resolved or {}, is_good=self.is_good)

    def changed_by(self, text: str) -> Rules:
        """The rules that would hold with this file instead. Raises Misconfigured."""
        return Rules((*parse_policy(text, self.path.name), *self._granted.values()))

    # -- changing ------------------------------------------------------------------------------------------------

    def granted(self, rule: Rule) -> None:
        """A grant was committed: it holds from now on."""
        self._granted[rule.rule_id] = rule
        self._rules = Rules((*self._written, *self._granted.values()))

    async def add(self, rule: Rule) -> Rule:
        """A rule of somebody's own making, kept as a grant. Raises Unavailable."""
        rule = rule.model_copy(update={"rule_id": f"g-{secrets.token_hex(6)}", "made_at": self.now()})
        await self._grants_store.add(rule)
        self.granted(rule)
        return rule

    async def end(self, rule_id: str, by: Actor | str) -> Rule:
        """Make a grant worthless at once. Raises NotFound, or NotAGrant for a rule of the file."""
        if any(rule.rule_id == rule_id for rule in self._written):
            raise NotAGrant(f"{rule_id} stands in {self.path}: change it there")
        rule = self._granted.get(rule_id)
        if rule is None:
            raise NotFound(f"no rule {rule_id}")
        await self._grants_store.end([rule_id], self.now(), str(by))
        self._forget([rule_id])
        return rule

    async def session_deleted(self, session_id: SessionId) -> None:
        """Its own rules go with it."""
        rule_ids = [rule_id for rule_id, rule in self._granted.items() if rule.session_id == session_id]
        if rule_ids:
            await self._grants_store.end(rule_ids, self.now(), "the session was deleted")
            self._forget(rule_ids)

    def _forget(self, rule_ids: list[str]) -> None:
        for rule_id in rule_ids:
            self._granted.pop(rule_id, None)
        self._rules = Rules((*self._written, *self._granted.values()))

    async def _mind_the_clock(self) -> None:
        """A clock that went back would give timed grants more time than was meant: it ends them."""
        wall, latest = self._wall(), max(self._latest, self._logged())
        if latest - wall <= LONGEST_STEP_BACK:
            return
        timed = [rule_id for rule_id, rule in self._granted.items() if rule.expires_at is not None]
        log.warning("the clock went back", seconds=(latest - wall).total_seconds(), grants_ended=len(timed))
        if timed:
            await self._grants_store.end(timed, wall, CLOCK_WENT_BACK)
            self._forget(timed)
        self._latest, self._disowned = wall, self._newest()

    # -- the file ------------------------------------------------------------------------------------------------

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> None:
        """Read the file whenever it has changed; `changed` is called after that. Runs until cancelled."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            if await trio.to_thread.run_sync(self._look) != self._seen:
                try:
                    await self.reload()
                except Unavailable as error:
                    log.warning("the policy waits", why=str(error))
                    continue
                await changed()

    async def reload(self) -> None:
        """Read the file again, whether it has changed or not. Raises Unavailable."""
        await self._read_file()
        self._rules = Rules((*self._written, *self._granted.values()))

    async def _read_file(self, is_first: bool = False) -> None:
        seen = await trio.to_thread.run_sync(self._look)
        try:
            text = await trio.to_thread.run_sync(load_policy, self.path)
            written = parse_policy(text, str(self.path))
        except Misconfigured as error:
            self.fault = str(error)
            log.error("the policy cannot be read; the last good one holds", why=self.fault)
            if is_first:
                await self._take_last_good()
        else:
            await self._grants_store.keep_policy(text)
            self._written, self.fault, self.is_good = written, None, True
        self._seen = seen

    async def _take_last_good(self) -> None:
        text = await self._grants_store.good_policy()
        self.is_good = text is not None
        if text is not None:
            try:
                self._written = parse_policy(text, str(self.path))
            except Misconfigured:  # an older version of us took it
                self.is_good = False

    def _look(self) -> _Seen | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return _Seen(found.st_ino, found.st_size, found.st_mtime_ns)
