-- What each chat bridge remembers, has heard and owes.

CREATE TABLE bridge_cursors (bridge TEXT PRIMARY KEY, epoch TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE bridge_memory (
    bridge TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (bridge, key)
) WITHOUT ROWID;

CREATE TABLE bridge_heard (
    bridge TEXT NOT NULL,
    key TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (bridge, key)
) WITHOUT ROWID;

-- `due` orders what is owed and is NULL when nothing is; the platform's own name of a message is `ref`
CREATE TABLE bridge_messages (
    number INTEGER PRIMARY KEY,
    bridge TEXT NOT NULL,
    key TEXT NOT NULL,
    lane TEXT NOT NULL,
    session_id TEXT,
    body TEXT NOT NULL,
    file BLOB,
    is_kept INTEGER NOT NULL,
    version INTEGER NOT NULL,
    due INTEGER,
    ref TEXT,
    is_sending INTEGER NOT NULL DEFAULT 0,
    is_doubtful INTEGER NOT NULL DEFAULT 0,
    UNIQUE (bridge, key)
);
CREATE INDEX bridge_due ON bridge_messages (bridge, lane, due) WHERE due IS NOT NULL;
CREATE INDEX bridge_refs ON bridge_messages (bridge, lane, ref) WHERE ref IS NOT NULL;

CREATE TABLE bridge_buttons (
    bridge TEXT NOT NULL,
    token TEXT NOT NULL,
    key TEXT NOT NULL,
    press TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (bridge, token)
) WITHOUT ROWID;
