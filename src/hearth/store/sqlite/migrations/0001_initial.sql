-- Times are seconds since 1970, UTC. JSON is text. Ids sort as bytes.
-- Every list has an index that ends in (time, id): pages are walks from a cursor.

CREATE TABLE accounts (
    id             TEXT PRIMARY KEY,
    username       TEXT NOT NULL UNIQUE,
    created_at     REAL NOT NULL,
    type           TEXT NOT NULL CHECK (type IN ('user', 'organization')),
    name           TEXT NOT NULL,
    admin          INTEGER NOT NULL CHECK (admin IN (0, 1)),
    github_url     TEXT,
    avatar_url     TEXT,
    webhook_secret BLOB NOT NULL
) STRICT;

CREATE TABLE tokens (
    hash        TEXT PRIMARY KEY,
    account_id  TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    created_at  REAL NOT NULL,
    hint        TEXT NOT NULL,
    disabled_at REAL
) STRICT;

CREATE INDEX tokens_of_account ON tokens (account_id, created_at);

CREATE TABLE models (
    id                 TEXT PRIMARY KEY,
    account_id         TEXT NOT NULL,
    owner              TEXT NOT NULL,
    name               TEXT NOT NULL,
    created_at         REAL NOT NULL,
    visibility         TEXT NOT NULL CHECK (visibility IN ('public', 'private')),
    hardware           TEXT NOT NULL,
    description        TEXT,
    readme             TEXT,
    github_url         TEXT,
    paper_url          TEXT,
    weights_url        TEXT,
    license_url        TEXT,
    cover_image_url    TEXT,
    latest_version_id  TEXT,
    latest_version_at  REAL,
    default_example_id TEXT,
    priority           INTEGER NOT NULL,
    UNIQUE (owner, name)
) STRICT;

CREATE INDEX models_of_account ON models (account_id, created_at, id);
CREATE INDEX models_public ON models (created_at, id) WHERE visibility = 'public';

-- Apart from the model, so that counting a run rewrites a few bytes and not a readme.
CREATE TABLE model_runs (
    model TEXT PRIMARY KEY, -- owner/name
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
    id             TEXT PRIMARY KEY,
    model_id       TEXT NOT NULL REFERENCES models (id) ON DELETE CASCADE,
    model          TEXT NOT NULL,
    created_at     REAL NOT NULL,
    cog_version    TEXT NOT NULL,
    openapi_schema TEXT NOT NULL,
    recipe         TEXT NOT NULL
) STRICT;

CREATE INDEX versions_of_model ON versions (model_id, created_at, id);

CREATE TABLE builds (
    id           TEXT PRIMARY KEY,
    account_id   TEXT NOT NULL,
    model_id     TEXT NOT NULL,
    model        TEXT NOT NULL,
    source       TEXT NOT NULL,
    created_at   REAL NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('uploading', 'queued', 'running', 'succeeded', 'failed')),
    version_id   TEXT,
    error        TEXT,
    hint         TEXT,
    completed_at REAL,
    CHECK ((state IN ('succeeded', 'failed')) = (completed_at IS NOT NULL))
) STRICT;

CREATE INDEX builds_pending ON builds (created_at, id) WHERE state IN ('queued', 'running');

CREATE TABLE build_logs (
    build_id TEXT NOT NULL REFERENCES builds (id) ON DELETE CASCADE,
    number   INTEGER NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (build_id, number)
) STRICT, WITHOUT ROWID;

-- queued -> assigned | booting -> running -> succeeded | failed | canceled | aborted (domain/prediction.py).
CREATE TABLE predictions (
    id                  TEXT PRIMARY KEY,
    account_id          TEXT NOT NULL,
    model               TEXT NOT NULL,
    version             TEXT NOT NULL,
    input               TEXT NOT NULL,
    created_at          REAL NOT NULL,
    phase               TEXT NOT NULL CHECK (phase IN (
        'queued', 'assigned', 'booting', 'running', 'succeeded', 'failed', 'canceled', 'aborted')),
    reason              TEXT NOT NULL,
    kind                TEXT NOT NULL CHECK (kind IN ('prediction', 'training')),
    deployment          TEXT,
    destination         TEXT,
    output              TEXT,
    logs                TEXT NOT NULL,
    error               TEXT,
    metrics             TEXT NOT NULL,
    source              TEXT NOT NULL,
    origin              TEXT NOT NULL,
    webhook             TEXT,
    webhook_events      TEXT NOT NULL,
    started_at          REAL,
    completed_at        REAL,
    deadline            REAL,
    cancel_requested_at REAL,
    attempt             INTEGER NOT NULL,
    events              INTEGER NOT NULL,
    data_removed        INTEGER NOT NULL CHECK (data_removed IN (0, 1)),
    CHECK ((phase IN ('succeeded', 'failed', 'canceled', 'aborted')) = (completed_at IS NOT NULL))
) STRICT;

CREATE INDEX predictions_of_account ON predictions (account_id, kind, created_at, id);
-- The API makes most predictions: its list walks the index above, the other sources have their own.
CREATE INDEX predictions_by_source ON predictions (account_id, kind, source, created_at, id) WHERE source <> 'api';
CREATE INDEX predictions_retained ON predictions (completed_at) WHERE completed_at IS NOT NULL AND data_removed = 0;

CREATE TRIGGER predictions_end_is_final
BEFORE UPDATE OF phase ON predictions
WHEN OLD.completed_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a terminal prediction cannot change its phase');
END;

-- One row per recorded change: events seq .. seq + count - 1, encoded by domain/events.py.
CREATE TABLE events (
    prediction_id TEXT NOT NULL REFERENCES predictions (id) ON DELETE CASCADE,
    seq           INTEGER NOT NULL,
    count         INTEGER NOT NULL CHECK (count > 0),
    items         TEXT NOT NULL,
    PRIMARY KEY (prediction_id, seq)
) STRICT, WITHOUT ROWID;

-- Exactly the predictions that are not terminal. Secrets live here and nowhere else: they end with the work.
CREATE TABLE queue (
    prediction_id    TEXT PRIMARY KEY REFERENCES predictions (id) ON DELETE CASCADE,
    version          TEXT NOT NULL,
    created_at       REAL NOT NULL,
    owner            TEXT,
    until            REAL,
    delivered        INTEGER NOT NULL DEFAULT 0 CHECK (delivered IN (0, 1)),
    cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    secrets          BLOB,
    CHECK ((owner IS NULL) = (until IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX queue_waiting ON queue (created_at, prediction_id) WHERE owner IS NULL;
CREATE INDEX queue_leased ON queue (until) WHERE owner IS NOT NULL;
CREATE INDEX queue_canceled ON queue (owner) WHERE cancel_requested = 1;

CREATE TABLE files (
    id            TEXT PRIMARY KEY,
    account_id    TEXT NOT NULL,
    kind          TEXT NOT NULL CHECK (kind IN ('upload', 'input', 'output')),
    name          TEXT NOT NULL,
    content_type  TEXT NOT NULL,
    size          INTEGER NOT NULL CHECK (size >= 0),
    sha256        TEXT NOT NULL,
    md5           TEXT NOT NULL,
    created_at    REAL NOT NULL,
    expires_at    REAL,
    prediction_id TEXT,
    metadata      TEXT NOT NULL
) STRICT;

CREATE INDEX files_uploaded ON files (account_id, created_at, id) WHERE kind = 'upload';
CREATE INDEX files_expiring ON files (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX files_of_prediction ON files (prediction_id) WHERE prediction_id IS NOT NULL;

-- pending -> delivered | failed; a replay leads back to pending.
CREATE TABLE deliveries (
    id            TEXT PRIMARY KEY,
    prediction_id TEXT NOT NULL,
    account_id    TEXT NOT NULL,
    event         TEXT NOT NULL,
    url           TEXT NOT NULL,
    body          BLOB NOT NULL,
    created_at    REAL NOT NULL,
    due_at        REAL NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'failed')),
    attempts      INTEGER NOT NULL
) STRICT;

CREATE INDEX deliveries_due ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX deliveries_of_prediction ON deliveries (prediction_id, created_at, id);
CREATE INDEX deliveries_of_account ON deliveries (account_id, created_at, id);

CREATE TABLE attempts (
    delivery_id TEXT NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    at          REAL NOT NULL,
    duration    REAL NOT NULL,
    status      INTEGER,
    error       TEXT,
    PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;

-- What ping() writes to. A counter, because SQLite spares itself a write that changes nothing.
CREATE TABLE pings (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL
) STRICT;
