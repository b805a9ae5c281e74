-- One model over many inputs.

CREATE TABLE batches (
    id           TEXT PRIMARY KEY,
    account_id   TEXT NOT NULL,
    model        TEXT NOT NULL,
    version      TEXT NOT NULL,
    total        INTEGER NOT NULL CHECK (total > 0),
    source       TEXT NOT NULL,
    created_at   REAL NOT NULL,
    origin       TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('running', 'completed', 'canceled', 'failed')),
    because      TEXT NOT NULL,
    completed_at REAL,
    owner        TEXT,
    owned_until  REAL,
    CHECK ((state = 'running') = (completed_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX batches_of_account ON batches (account_id, created_at, id);
CREATE INDEX batches_running ON batches (id) WHERE state = 'running';

-- A place is taken before its prediction is made, so that a crash in between makes it once.
CREATE TABLE batch_items (
    batch_id      TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    position      INTEGER NOT NULL CHECK (position >= 0),
    prediction_id TEXT NOT NULL,
    PRIMARY KEY (batch_id, position)
) STRICT, WITHOUT ROWID;
