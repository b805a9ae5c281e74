-- A deployment is a row and its releases: `current` is the newest, `serving` the one that takes traffic.
CREATE TABLE deployments (
    id         TEXT PRIMARY KEY,
    account_id TEXT NOT NULL,
    owner      TEXT NOT NULL,
    name       TEXT NOT NULL,
    created_at REAL NOT NULL,
    current    INTEGER NOT NULL,
    serving    INTEGER,
    UNIQUE (owner, name)
) STRICT;

CREATE INDEX deployments_of_account ON deployments (account_id, created_at, id);

-- rolling_out -> live | failed; disabled and some live ones from birth (domain/deployment.py).
CREATE TABLE releases (
    deployment_id TEXT NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    number        INTEGER NOT NULL CHECK (number > 0),
    model         TEXT NOT NULL,
    version       TEXT NOT NULL,
    hardware      TEXT NOT NULL,
    min_instances INTEGER NOT NULL CHECK (min_instances >= 0),
    max_instances INTEGER NOT NULL CHECK (max_instances >= min_instances),
    created_at    REAL NOT NULL,
    created_by    TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('rolling_out', 'live', 'failed', 'disabled')),
    because       TEXT NOT NULL,
    PRIMARY KEY (deployment_id, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX releases_of_version ON releases (version);

-- When a deployment was last used.
CREATE INDEX predictions_of_deployment ON predictions (deployment, created_at) WHERE deployment IS NOT NULL;
