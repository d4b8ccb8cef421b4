"""The same work without us: what a figure cannot be better than."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tetherd.agents.adapters.demo import ARGV


def insert_alone(batch: int, batches: int) -> float:
    """Rows a second that SQLite takes, with one commit for each batch."""
    with TemporaryDirectory() as directory:
        return _insert(Path(directory) / "floor.db", batch, batches)


def _insert(path: Path, batch: int, batches: int) -> float:
    body = json.dumps({"message_id": "m", "offset": 0, "text": "hello, this is one line of an agent", "final": True})
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("CREATE TABLE log (seq INTEGER PRIMARY KEY, at TEXT, session TEXT, kind TEXT, body BLOB)")
        begun = time.perf_counter()
        for _ in range(batches):
            db.execute("BEGIN IMMEDIATE")
            for _ in range(batch):
                db.execute(
                    "INSERT INTO log (at, session, kind, body) VALUES (?, ?, ?, ?)",
                    ("2026-01-01T00:00:00.000Z", "s-000000000000", "message_written", body.encode()),
                )
            db.execute("COMMIT")
        return batch * batches / (time.perf_counter() - begun)
    finally:
        db.close()


def agent_alone(lines: int, home: Path) -> float:
    """Lines a second that the demo agent prints when somebody reads them and does nothing else."""
    with subprocess.Popen(
        ARGV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"HOME": str(home / "floor")}, bufsize=1 << 20
    ) as agent:
        assert agent.stdin is not None
        assert agent.stdout is not None

        def ask(number: int, method: str, params: object) -> bytes:
            assert agent.stdin is not None
            agent.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode())
            agent.stdin.write(b"\n")
            agent.stdin.flush()
            assert agent.stdout is not None
            return agent.stdout.readline()

        ask(1, "initialize", {"protocolVersion": 1})
        session = json.loads(ask(2, "session/new", {"cwd": "/", "mcpServers": []}))["result"]["sessionId"]
        begun = time.perf_counter()
        ask(3, "session/prompt", {"sessionId": session, "prompt": [{"type": "text", "text": f"@lines {lines}"}]})
        while b'"id":3' not in agent.stdout.readline():
            pass
        rate = lines / (time.perf_counter() - begun)
        agent.stdin.close()
    return rate
