-- Rules that people made by an answer or by name. They outlive their sessions: what ended one stands in it.
CREATE TABLE grants (
    rule_id TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    made_at TEXT NOT NULL,
    ended_at TEXT,
    ended_by TEXT
) WITHOUT ROWID;
