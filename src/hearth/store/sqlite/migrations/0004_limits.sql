-- Rate limits, retention and idempotency keys.

-- Calls a minute; NULL: as the server has it, 0: no limit. Retention in seconds; NULL: as the server has it.
ALTER TABLE accounts ADD COLUMN creates_per_minute INTEGER CHECK (creates_per_minute >= 0);
ALTER TABLE accounts ADD COLUMN others_per_minute INTEGER CHECK (others_per_minute >= 0);
ALTER TABLE accounts ADD COLUMN retention REAL CHECK (retention >= 0);

-- Seconds from its end until a prediction's data goes; NULL: as the server has it. Kept: an example, or shared.
ALTER TABLE predictions ADD COLUMN retention REAL CHECK (retention >= 0);
ALTER TABLE predictions ADD COLUMN kept INTEGER NOT NULL DEFAULT 0 CHECK (kept IN (0, 1));

DROP INDEX predictions_retained;
CREATE INDEX predictions_retained ON predictions (completed_at)
WHERE completed_at IS NOT NULL AND data_removed = 0 AND kept = 0 AND source = 'api' AND kind = 'prediction'
  AND retention IS NULL;
CREATE INDEX predictions_retained_own ON predictions (completed_at + retention)
WHERE completed_at IS NOT NULL AND data_removed = 0 AND kept = 0 AND source = 'api' AND kind = 'prediction'
  AND retention IS NOT NULL;

-- The first answer to a create with an Idempotency-Key: a prediction, or status and body. `until`: somebody is at it.
CREATE TABLE idempotency (
    account_id    TEXT NOT NULL,
    key           TEXT NOT NULL,
    fingerprint   TEXT NOT NULL,
    created_at    REAL NOT NULL,
    prediction_id TEXT,
    until         REAL,
    status        INTEGER,
    body          BLOB,
    PRIMARY KEY (account_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_expiring ON idempotency (created_at);

-- What the server processes together have let through in a lane's present minute.
CREATE TABLE rate_windows (
    account_id TEXT NOT NULL,
    lane       TEXT NOT NULL,
    started_at REAL NOT NULL,
    used       INTEGER NOT NULL,
    PRIMARY KEY (account_id, lane)
) STRICT, WITHOUT ROWID;
