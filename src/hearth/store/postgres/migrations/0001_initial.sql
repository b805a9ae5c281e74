-- Times are seconds since 1970, UTC. JSON is json, not jsonb: it is stored as it came, and may hold \u0000.
-- Ids sort as bytes.
-- Every list has an index that ends in (time, id): pages are walks from a cursor.

CREATE TABLE accounts (
    id             text COLLATE "C" PRIMARY KEY,
    username       text NOT NULL UNIQUE,
    created_at     double precision NOT NULL,
    type           text NOT NULL CHECK (type IN ('user', 'organization')),
    name           text NOT NULL,
    admin          boolean NOT NULL,
    github_url     text,
    avatar_url     text,
    webhook_secret bytea NOT NULL
);

CREATE TABLE tokens (
    hash        text COLLATE "C" PRIMARY KEY,
    account_id  text COLLATE "C" NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name        text NOT NULL,
    created_at  double precision NOT NULL,
    hint        text NOT NULL,
    disabled_at double precision
);

CREATE INDEX tokens_of_account ON tokens (account_id, created_at);

CREATE TABLE models (
    id                 text COLLATE "C" PRIMARY KEY,
    account_id         text COLLATE "C" NOT NULL,
    owner              text NOT NULL,
    name               text NOT NULL,
    created_at         double precision NOT NULL,
    visibility         text NOT NULL CHECK (visibility IN ('public', 'private')),
    hardware           text NOT NULL,
    description        text,
    readme             text,
    github_url         text,
    paper_url          text,
    weights_url        text,
    license_url        text,
    cover_image_url    text,
    latest_version_id  text COLLATE "C",
    latest_version_at  double precision,
    default_example_id text COLLATE "C",
    priority           bigint NOT NULL,
    UNIQUE (owner, name)
);

CREATE INDEX models_of_account ON models (account_id, created_at, id);
CREATE INDEX models_public ON models (created_at, id) WHERE visibility = 'public';

-- Apart from the model, so that counting a run rewrites a few bytes and not a readme; in shards, so that
-- predictions of one model do not wait for each other's commit. The count is their sum.
CREATE TABLE model_runs (
    model text NOT NULL, -- owner/name
    shard integer NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (model, shard)
);

CREATE TABLE versions (
    id             text COLLATE "C" PRIMARY KEY,
    model_id       text COLLATE "C" NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    model          text NOT NULL,
    created_at     double precision NOT NULL,
    cog_version    text NOT NULL,
    openapi_schema json NOT NULL,
    recipe         json NOT NULL
);

CREATE INDEX versions_of_model ON versions (model_id, created_at, id);

CREATE TABLE builds (
    id           text COLLATE "C" PRIMARY KEY,
    account_id   text COLLATE "C" NOT NULL,
    model_id     text COLLATE "C" NOT NULL,
    model        text NOT NULL,
    source       json NOT NULL,
    created_at   double precision NOT NULL,
    state        text NOT NULL CHECK (state IN ('uploading', 'queued', 'running', 'succeeded', 'failed')),
    version_id   text COLLATE "C",
    error        text,
    hint         text,
    completed_at double precision,
    CHECK ((state IN ('succeeded', 'failed')) = (completed_at IS NOT NULL))
);

CREATE INDEX builds_pending ON builds (created_at, id) WHERE state IN ('queued', 'running');

CREATE TABLE build_logs (
    build_id text COLLATE "C" NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    number   bigint GENERATED ALWAYS AS IDENTITY,
    text     text NOT NULL,
    PRIMARY KEY (build_id, number)
);

-- queued -> assigned | booting -> running -> succeeded | failed | canceled | aborted (domain/prediction.py).
CREATE TABLE predictions (
    id                  text COLLATE "C" PRIMARY KEY,
    account_id          text COLLATE "C" NOT NULL,
    model               text NOT NULL,
    version             text NOT NULL,
    input               json NOT NULL,
    created_at          double precision NOT NULL,
    phase               text NOT NULL CHECK (phase IN (
        'queued', 'assigned', 'booting', 'running', 'succeeded', 'failed', 'canceled', 'aborted')),
    reason              text NOT NULL,
    kind                text NOT NULL CHECK (kind IN ('prediction', 'training')),
    deployment          text,
    destination         text,
    output              json,
    logs                text NOT NULL,
    error               text,
    metrics             json NOT NULL,
    source              text NOT NULL,
    origin              text NOT NULL,
    webhook             text,
    webhook_events      json NOT NULL,
    started_at          double precision,
    completed_at        double precision,
    deadline            double precision,
    cancel_requested_at double precision,
    attempt             bigint NOT NULL,
    events              bigint NOT NULL,
    data_removed        boolean NOT NULL,
    CHECK ((phase IN ('succeeded', 'failed', 'canceled', 'aborted')) = (completed_at IS NOT NULL))
);

CREATE INDEX predictions_of_account ON predictions (account_id, kind, created_at, id);
-- The API makes most predictions: its list walks the index above, the other sources have their own.
CREATE INDEX predictions_by_source ON predictions (account_id, kind, source, created_at, id) WHERE source <> 'api';
CREATE INDEX predictions_retained ON predictions (completed_at) WHERE completed_at IS NOT NULL AND NOT data_removed;

CREATE FUNCTION refuse_change_of_phase() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a terminal prediction cannot change its phase' USING ERRCODE = 'check_violation';
END
$$;

CREATE TRIGGER predictions_end_is_final
BEFORE UPDATE OF phase ON predictions
FOR EACH ROW WHEN (OLD.completed_at IS NOT NULL)
EXECUTE FUNCTION refuse_change_of_phase();

-- One row per recorded change: events seq .. seq + count - 1, encoded by domain/events.py.
CREATE TABLE events (
    prediction_id text COLLATE "C" NOT NULL REFERENCES predictions (id) ON DELETE CASCADE,
    seq           bigint NOT NULL,
    count         bigint NOT NULL CHECK (count > 0),
    items         json NOT NULL,
    PRIMARY KEY (prediction_id, seq)
);

-- Exactly the predictions that are not terminal. Secrets live here and nowhere else: they end with the work.
-- Whoever changes a prediction locks its row here first, so nobody waits in a circle.
CREATE TABLE queue (
    prediction_id    text COLLATE "C" PRIMARY KEY REFERENCES predictions (id) ON DELETE CASCADE,
    version          text NOT NULL,
    created_at       double precision NOT NULL,
    owner            text,
    until            double precision,
    delivered        boolean NOT NULL DEFAULT false,
    cancel_requested boolean NOT NULL DEFAULT false,
    secrets          bytea,
    CHECK ((owner IS NULL) = (until IS NULL))
);

CREATE INDEX queue_waiting ON queue (created_at, prediction_id) WHERE owner IS NULL;
CREATE INDEX queue_leased ON queue (until) WHERE owner IS NOT NULL;
CREATE INDEX queue_owned ON queue (owner) WHERE owner IS NOT NULL;

CREATE TABLE files (
    id            text COLLATE "C" PRIMARY KEY,
    account_id    text COLLATE "C" NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('upload', 'input', 'output')),
    name          text NOT NULL,
    content_type  text NOT NULL,
    size          bigint NOT NULL CHECK (size >= 0),
    sha256        text NOT NULL,
    md5           text NOT NULL,
    created_at    double precision NOT NULL,
    expires_at    double precision,
    prediction_id text COLLATE "C",
    metadata      json NOT NULL
);

CREATE INDEX files_uploaded ON files (account_id, created_at, id) WHERE kind = 'upload';
CREATE INDEX files_expiring ON files (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX files_of_prediction ON files (prediction_id) WHERE prediction_id IS NOT NULL;

-- pending -> delivered | failed; a replay leads back to pending.
CREATE TABLE deliveries (
    id            text COLLATE "C" PRIMARY KEY,
    prediction_id text COLLATE "C" NOT NULL,
    account_id    text COLLATE "C" NOT NULL,
    event         text NOT NULL,
    url           text NOT NULL,
    body          bytea NOT NULL,
    created_at    double precision NOT NULL,
    due_at        double precision NOT NULL,
    state         text NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts      bigint NOT NULL
);

CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX deliveries_of_prediction ON deliveries (prediction_id, created_at, id);
CREATE INDEX deliveries_of_account ON deliveries (account_id, created_at, id);

CREATE TABLE attempts (
    delivery_id text COLLATE "C" NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    number      bigint NOT NULL,
    at          double precision NOT NULL,
    duration    double precision NOT NULL,
    status      bigint,
    error       text,
    PRIMARY KEY (delivery_id, number)
);

-- What ping() writes to. A counter, because SQLite spares itself a write that changes nothing.
CREATE TABLE pings (
    id     bigint PRIMARY KEY CHECK (id = 1),
    number bigint NOT NULL
);
