-- What is wanted of the scheduler, and what it decided.

-- One row for each model or deployment that is not left to the server's own rules. `target` is the id of either.
CREATE TABLE scalings (
    target        text COLLATE "C" PRIMARY KEY,
    model_id      text COLLATE "C" REFERENCES models (id) ON DELETE CASCADE,
    deployment_id text COLLATE "C" REFERENCES deployments (id) ON DELETE CASCADE,
    version       text,
    warm          bigint NOT NULL CHECK (warm >= 0),
    schedule      text NOT NULL,
    zone          text NOT NULL,
    idle_timeout  double precision CHECK (idle_timeout > 0),
    changed_at    double precision NOT NULL,
    changed_by    text NOT NULL,
    CHECK ((model_id IS NULL) <> (deployment_id IS NULL) AND target = coalesce(model_id, deployment_id))
);

CREATE INDEX scalings_of_model ON scalings (model_id) WHERE model_id IS NOT NULL;
CREATE INDEX scalings_of_deployment ON scalings (deployment_id) WHERE deployment_id IS NOT NULL;

-- A ring: the engine keeps the latest thousand.
CREATE TABLE decisions (
    id         text COLLATE "C" PRIMARY KEY,
    at         double precision NOT NULL,
    action     text NOT NULL,
    lane       text NOT NULL,
    model      text NOT NULL,
    version    text NOT NULL,
    because    text NOT NULL,
    deployment text,
    instance   text,
    wanted     bigint
);
