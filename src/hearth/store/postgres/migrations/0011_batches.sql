-- One model over many inputs.

CREATE TABLE batches (
    id           text COLLATE "C" PRIMARY KEY,
    account_id   text NOT NULL,
    model        text NOT NULL,
    version      text NOT NULL,
    total        bigint NOT NULL CHECK (total > 0),
    source       text NOT NULL,
    created_at   double precision NOT NULL,
    origin       text NOT NULL,
    state        text NOT NULL CHECK (state IN ('running', 'completed', 'canceled', 'failed')),
    because      text NOT NULL,
    completed_at double precision,
    owner        text,
    owned_until  double precision,
    CHECK ((state = 'running') = (completed_at IS NULL))
);

CREATE INDEX batches_of_account ON batches (account_id, created_at, id);
CREATE INDEX batches_running ON batches (id) WHERE state = 'running';

-- A place is taken before its prediction is made, so that a crash in between makes it once.
CREATE TABLE batch_items (
    batch_id      text COLLATE "C" NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
    position      bigint NOT NULL CHECK (position >= 0),
    prediction_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (batch_id, position)
);
