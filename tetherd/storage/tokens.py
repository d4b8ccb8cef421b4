"""Access tokens: kept as hashes, shown once."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from sqlite3 import Connection

from tetherd.control import NotFound, TokenView
from tetherd.domain.ids import Actor, Principal, Role, SessionId
from tetherd.storage.chain import write_audit
from tetherd.storage.database import Database

_COLUMNS = "token_id, name, role, session_id, created_at, revoked_at"
ROOT = Principal(role=Role.OWNER, name="root token")


class TokenStore:
    """See control.Tokens. All hashes are in memory, so that asking costs no I/O."""

    def __init__(self, database: Database, rows: Iterable[tuple[bytes, TokenView]], roots: Iterable[str]) -> None:
        self._database = database
        self._principals = {digest: _principal(view) for digest, view in rows if view.revoked_at is None}
        self._digests = {view.token_id: digest for digest, view in rows}
        self._roots = [_hash(secret) for secret in roots]
        database.on_session_deleted.append(self._forget)

    @classmethod
    async def open(cls, database: Database, roots: Iterable[str] = ()) -> TokenStore:
        """`roots` are secrets that open everything and are kept elsewhere: the token of the settings."""

        def query(db: Connection) -> list[tuple[bytes, TokenView]]:
            rows = db.execute(f"SELECT hash, {_COLUMNS} FROM tokens").fetchall()
            return [(bytes(row[0]), _view(row[1:])) for row in rows]

        return cls(database, await database.read(query), roots)

    async def create(self, name: str, role: Role, session_id: SessionId | None, by: Actor) -> tuple[TokenView, str]:
        secret = f"tether_{secrets.token_urlsafe(32)}"
        digest = _hash(secret)
        view = TokenView(f"t-{secrets.token_hex(4)}", name, role, session_id, datetime.now(UTC), None)
        row = (view.token_id, name, role.value, session_id, digest, view.created_at.isoformat(), None)
        about = {"token_id": view.token_id, "name": name, "role": role.value, "session_id": session_id}

        def job(db: Connection) -> None:
            db.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            write_audit(db, view.created_at.isoformat(), "token_created", about | {"by": by.model_dump(mode="json")})

        await self._database.write(job)
        self._principals[digest] = _principal(view)
        self._digests[view.token_id] = digest
        return view, secret

    async def list(self) -> tuple[TokenView, ...]:
        def query(db: Connection) -> tuple[TokenView, ...]:
            return tuple(_view(row) for row in db.execute(f"SELECT {_COLUMNS} FROM tokens ORDER BY rowid"))

        return await self._database.read(query)

    async def revoke(self, token_id: str) -> TokenView:
        now = datetime.now(UTC).isoformat()

        def job(db: Connection) -> TokenView:
            db.execute("UPDATE tokens SET revoked_at = ? WHERE token_id = ? AND revoked_at IS NULL", (now, token_id))
            row = db.execute(f"SELECT {_COLUMNS} FROM tokens WHERE token_id = ?", (token_id,)).fetchone()
            if row is None:
                raise NotFound(f"no token {token_id}")
            write_audit(db, now, "token_revoked", {"token_id": token_id})
            return _view(row)

        view = await self._database.write(job)
        self._principals.pop(self._digests.get(token_id, b""), None)
        return view

    def _forget(self, session_id: str) -> None:
        for digest in [digest for digest, who in self._principals.items() if who.session_id == session_id]:
            del self._principals[digest]

    def authenticate(self, secret: str) -> Principal | None:
        # What is looked up is a hash of the secret: how long that takes tells nothing of any secret that is good.
        digest = _hash(secret)
        if any(hmac.compare_digest(digest, root) for root in self._roots):
            return ROOT
        return self._principals.get(digest)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="replace")).digest()


def _principal(view: TokenView) -> Principal:
    return Principal(role=view.role, name=view.name, session_id=view.session_id)


def _view(row: tuple[str, str, str, str | None, str, str | None]) -> TokenView:
    token_id, name, role, session_id, created, revoked = row
    return TokenView(
        token_id,
        name,
        Role(role),
        SessionId(session_id) if session_id else None,
        datetime.fromisoformat(created),
        datetime.fromisoformat(revoked) if revoked else None,
    )
