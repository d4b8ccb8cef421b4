-- The log, what is derived from it, and what is owed to agents.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- AUTOINCREMENT: a plain rowid is given out again after a delete
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    session_id TEXT NOT NULL,
    type TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX events_of_session ON events (session_id, seq);

-- whole texts of which the log holds head and tail
CREATE TABLE blobs (session_id TEXT NOT NULL, sha256 TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (session_id, sha256));

CREATE TABLE keys (
    session_id TEXT NOT NULL,
    key TEXT NOT NULL,
    seqs TEXT NOT NULL,
    PRIMARY KEY (session_id, key)
) WITHOUT ROWID;
-- a creation that is repeated does not know its session yet
CREATE INDEX creations ON keys (key) WHERE key LIKE 'CreateSession/%';

CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    cursor INTEGER NOT NULL,
    snapshot TEXT NOT NULL,
    next_outbox_seq INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX runs_of_session ON runs (session_id);

CREATE TABLE outbox (
    run_id TEXT NOT NULL,
    outbox_seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    ref TEXT,
    data BLOB NOT NULL,
    PRIMARY KEY (run_id, outbox_seq)
);

-- views: can be made anew from the events
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    snapshot TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    first_seq INTEGER NOT NULL UNIQUE,
    last_seq INTEGER NOT NULL,
    is_deleted INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX sessions_by_state ON sessions (state);

CREATE TABLE approvals (
    approval_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    approval TEXT NOT NULL,
    requested_seq INTEGER NOT NULL,
    requested_at TEXT NOT NULL,
    state TEXT NOT NULL,
    closed_seq INTEGER,
    resolution TEXT,
    delivered TEXT
);
CREATE INDEX approvals_by_state ON approvals (state, requested_seq);
CREATE INDEX approvals_of_session ON approvals (session_id);

CREATE TABLE inputs (
    input_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    is_settled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX inputs_of_session ON inputs (session_id, is_settled);

CREATE TABLE tokens (
    token_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    session_id TEXT,
    hash BLOB NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    revoked_at TEXT
);
