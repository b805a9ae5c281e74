-- Lanes that are given up: setup failed too often, and is tried again when somebody says so.
CREATE TABLE breakdowns (
    lane       TEXT PRIMARY KEY,
    version_id TEXT NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    model      TEXT NOT NULL,
    deployment TEXT,
    because    TEXT NOT NULL,
    logs       TEXT NOT NULL,
    failures   INTEGER NOT NULL CHECK (failures > 0),
    at         REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX breakdowns_of_version ON breakdowns (version_id);

-- How a release groups predictions, where not as its version says.
ALTER TABLE releases ADD COLUMN batch_size INTEGER CHECK (batch_size > 0);
ALTER TABLE releases ADD COLUMN batch_wait REAL CHECK (batch_wait >= 0);
