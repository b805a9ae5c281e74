-- A deployment is a row and its releases: `current` is the newest, `serving` the one that takes traffic.
CREATE TABLE deployments (
    id         text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL,
    owner      text NOT NULL,
    name       text NOT NULL,
    created_at double precision NOT NULL,
    current    bigint NOT NULL,
    serving    bigint,
    UNIQUE (owner, name)
);

CREATE INDEX deployments_of_account ON deployments (account_id, created_at, id);

-- rolling_out -> live | failed; disabled and some live ones from birth (domain/deployment.py).
CREATE TABLE releases (
    deployment_id text COLLATE "C" NOT NULL REFERENCES deployments (id) ON DELETE CASCADE,
    number        bigint NOT NULL CHECK (number > 0),
    model         text NOT NULL,
    version       text NOT NULL,
    hardware      text NOT NULL,
    min_instances bigint NOT NULL CHECK (min_instances >= 0),
    max_instances bigint NOT NULL CHECK (max_instances >= min_instances),
    created_at    double precision NOT NULL,
    created_by    text NOT NULL,
    state         text NOT NULL CHECK (state IN ('rolling_out', 'live', 'failed', 'disabled')),
    because       text NOT NULL,
    PRIMARY KEY (deployment_id, number)
);

CREATE INDEX releases_of_version ON releases (version);

-- When a deployment was last used.
CREATE INDEX predictions_of_deployment ON predictions (deployment, created_at) WHERE deployment IS NOT NULL;
