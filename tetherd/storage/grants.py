"""Grants, and the last policy that could be read: what must be there again after a restart."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from sqlite3 import Connection

from tetherd.control import NotFound
from tetherd.domain.rule import Rule
from tetherd.storage.chain import write_audit
from tetherd.storage.database import Database

_GOOD_POLICY = "good_policy"


def write_grant(db: Connection, rule: Rule) -> None:
    """Within the transaction that makes it. One that is there already stays as it is."""
    made_at = rule.made_at.isoformat() if rule.made_at else ""
    db.execute(
        "INSERT OR IGNORE INTO grants VALUES (?, ?, ?, NULL, NULL)", (rule.rule_id, rule.model_dump_json(), made_at)
    )


class GrantStore:
    """The rows behind the rule book."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def living(self) -> tuple[Rule, ...]:
        """Grants that nothing has ended, oldest first. They may have run out: that is judged when they are used."""

        def query(db: Connection) -> tuple[Rule, ...]:
            rows = db.execute("SELECT rule FROM grants WHERE ended_at IS NULL ORDER BY made_at, rule_id")
            return tuple(Rule.model_validate_json(text) for (text,) in rows)

        return await self._database.read(query)

    async def add(self, rule: Rule) -> None:
        def job(db: Connection) -> None:
            write_grant(db, rule)
            at = rule.made_at.isoformat() if rule.made_at else ""
            write_audit(db, at, "rule_added", {"rule": rule.model_dump(mode="json")})

        await self._database.write(job)

    async def end(self, rule_ids: Iterable[str], at: datetime, by: str) -> None:
        """Raises NotFound when there is no such grant; one that has ended stays as it is."""
        ids = tuple(rule_ids)

        def job(db: Connection) -> None:
            for rule_id in ids:
                if db.execute("SELECT 1 FROM grants WHERE rule_id = ?", (rule_id,)).fetchone() is None:
                    raise NotFound(f"no grant {rule_id}")
                write_audit(db, at.isoformat(), "rule_ended", {"rule_id": rule_id, "by": by})
                db.execute(
                    "UPDATE grants SET ended_at = ?, ended_by = ? WHERE rule_id = ? AND ended_at IS NULL",
                    (at.isoformat(), by, rule_id),
                )

        await self._database.write(job)

    async def good_policy(self) -> str | None:
        """The text of the last policy file that could be read; None when none ever was."""

        def query(db: Connection) -> str | None:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (_GOOD_POLICY,)).fetchone()
            return None if row is None else str(row[0])

        return await self._database.read(query)

    async def keep_policy(self, text: str) -> None:
        sql = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        await self._database.write(lambda db: db.execute(sql, (_GOOD_POLICY, text)))
