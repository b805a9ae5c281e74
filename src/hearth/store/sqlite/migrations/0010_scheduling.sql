-- What is wanted of the scheduler, and what it decided.

-- One row for each model or deployment that is not left to the server's own rules. `target` is the id of either.
CREATE TABLE scalings (
    target        TEXT PRIMARY KEY,
    model_id      TEXT REFERENCES models (id) ON DELETE CASCADE,
    deployment_id TEXT REFERENCES deployments (id) ON DELETE CASCADE,
    version       TEXT,
    warm          INTEGER NOT NULL CHECK (warm >= 0),
    schedule      TEXT NOT NULL,
    zone          TEXT NOT NULL,
    idle_timeout  REAL CHECK (idle_timeout > 0),
    changed_at    REAL NOT NULL,
    changed_by    TEXT NOT NULL,
    CHECK ((model_id IS NULL) <> (deployment_id IS NULL) AND target = coalesce(model_id, deployment_id))
) STRICT, WITHOUT ROWID;

CREATE INDEX scalings_of_model ON scalings (model_id) WHERE model_id IS NOT NULL;
CREATE INDEX scalings_of_deployment ON scalings (deployment_id) WHERE deployment_id IS NOT NULL;

-- A ring: the engine keeps the latest thousand.
CREATE TABLE decisions (
    id         TEXT PRIMARY KEY,
    at         REAL NOT NULL,
    action     TEXT NOT NULL,
    lane       TEXT NOT NULL,
    model      TEXT NOT NULL,
    version    TEXT NOT NULL,
    because    TEXT NOT NULL,
    deployment TEXT,
    instance   TEXT,
    wanted     INTEGER
) STRICT, WITHOUT ROWID;
