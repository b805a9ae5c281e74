-- What people need who come with a browser: sessions, passwords, what was used, how deployments fare.

-- A signed-in browser, or a link that signs one in. Only a hash of the secret is kept.
CREATE TABLE sessions (
    hash       TEXT PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('browser', 'link')),
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    about      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_of_account ON sessions (account_id, created_at, hash);
CREATE INDEX sessions_expiring ON sessions (expires_at);

CREATE TABLE passwords (
    account_id TEXT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    hash       TEXT NOT NULL, -- service/passwords.py
    changed_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- What ended on a day (number of days since 1970, UTC), added up: reading a month costs the same however much ran.
-- It outlives the predictions.
CREATE TABLE usage (
    account_id TEXT NOT NULL,
    day        INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    model      TEXT NOT NULL, -- owner/name
    deployment TEXT NOT NULL, -- owner/name, or empty
    hardware   TEXT NOT NULL, -- SKU
    count      INTEGER NOT NULL,
    failed     INTEGER NOT NULL,
    seconds    REAL NOT NULL,
    PRIMARY KEY (account_id, day, kind, model, deployment, hardware)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER predictions_used AFTER UPDATE OF completed_at ON predictions
WHEN OLD.completed_at IS NULL AND NEW.completed_at IS NOT NULL
BEGIN
    INSERT INTO usage VALUES (
        NEW.account_id,
        CAST(NEW.completed_at / 86400 AS INTEGER),
        NEW.kind,
        NEW.model,
        coalesce(NEW.deployment, ''),
        coalesce(
            (SELECT r.hardware FROM deployments d
             JOIN releases r ON r.deployment_id = d.id AND r.number = coalesce(d.serving, d.current)
             WHERE d.owner = substr(NEW.deployment, 1, instr(NEW.deployment, '/') - 1)
               AND d.name = substr(NEW.deployment, instr(NEW.deployment, '/') + 1)),
            (SELECT m.hardware FROM models m
             WHERE m.owner = substr(NEW.model, 1, instr(NEW.model, '/') - 1)
               AND m.name = substr(NEW.model, instr(NEW.model, '/') + 1)),
            'cpu'
        ),
        1,
        NEW.phase = 'failed',
        coalesce(NEW.completed_at - NEW.started_at, 0)
    )
    ON CONFLICT DO UPDATE
    SET count = count + 1, failed = failed + excluded.failed, seconds = seconds + excluded.seconds;
END;

-- How a deployment, or the server as a whole, fared in one minute; written by each engine, kept for a while.
CREATE TABLE samples (
    subject TEXT NOT NULL, -- deployment id; empty: the server
    at      REAL NOT NULL,
    engine  TEXT NOT NULL,
    data    TEXT NOT NULL, -- domain/sample.py
    PRIMARY KEY (subject, at, engine)
) STRICT, WITHOUT ROWID;

CREATE INDEX samples_by_age ON samples (at);
