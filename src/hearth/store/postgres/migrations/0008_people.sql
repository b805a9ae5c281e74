-- What people need who come with a browser: sessions, passwords, what was used, how deployments fare.

-- A signed-in browser, or a link that signs one in. Only a hash of the secret is kept.
CREATE TABLE sessions (
    hash       text COLLATE "C" PRIMARY KEY,
    account_id text COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind       text NOT NULL CHECK (kind IN ('browser', 'link')),
    created_at double precision NOT NULL,
    expires_at double precision NOT NULL,
    about      text NOT NULL
);

CREATE INDEX sessions_of_account ON sessions (account_id, created_at, hash);
CREATE INDEX sessions_expiring ON sessions (expires_at);

CREATE TABLE passwords (
    account_id text COLLATE "C" PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    hash       text NOT NULL, -- service/passwords.py
    changed_at double precision NOT NULL
);

-- What ended on a day (number of days since 1970, UTC), added up: reading a month costs the same however much ran.
-- It outlives the predictions. In shards, so that predictions do not wait for each other's commit.
CREATE TABLE usage (
    account_id text COLLATE "C" NOT NULL,
    day        bigint NOT NULL,
    kind       text NOT NULL,
    model      text NOT NULL, -- owner/name
    deployment text NOT NULL, -- owner/name, or empty
    hardware   text NOT NULL, -- SKU
    shard      integer NOT NULL,
    count      bigint NOT NULL,
    failed     bigint NOT NULL,
    seconds    double precision NOT NULL,
    PRIMARY KEY (account_id, day, kind, model, deployment, hardware, shard)
);

CREATE FUNCTION count_usage() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO usage VALUES (
        NEW.account_id,
        floor(NEW.completed_at / 86400)::bigint,
        NEW.kind,
        NEW.model,
        coalesce(NEW.deployment, ''),
        coalesce(
            (SELECT r.hardware FROM deployments d
             JOIN releases r ON r.deployment_id = d.id AND r.number = coalesce(d.serving, d.current)
             WHERE d.owner = split_part(NEW.deployment, '/', 1) AND d.name = split_part(NEW.deployment, '/', 2)),
            (SELECT m.hardware FROM models m
             WHERE m.owner = split_part(NEW.model, '/', 1) AND m.name = split_part(NEW.model, '/', 2)),
            'cpu'
        ),
        pg_backend_pid() % 16,
        1,
        (NEW.phase = 'failed')::int,
        coalesce(NEW.completed_at - NEW.started_at, 0)
    )
    ON CONFLICT (account_id, day, kind, model, deployment, hardware, shard) DO UPDATE
    SET count = usage.count + 1, failed = usage.failed + excluded.failed, seconds = usage.seconds + excluded.seconds;
    RETURN NULL;
END
$$;

CREATE TRIGGER predictions_used AFTER UPDATE OF completed_at ON predictions
FOR EACH ROW WHEN (OLD.completed_at IS NULL AND NEW.completed_at IS NOT NULL)
EXECUTE FUNCTION count_usage();

-- How a deployment, or the server as a whole, fared in one minute; written by each engine, kept for a while.
CREATE TABLE samples (
    subject text COLLATE "C" NOT NULL, -- deployment id; empty: the server
    at      double precision NOT NULL,
    engine  text COLLATE "C" NOT NULL,
    data    json NOT NULL, -- domain/sample.py
    PRIMARY KEY (subject, at, engine)
);

CREATE INDEX samples_by_age ON samples (at);
