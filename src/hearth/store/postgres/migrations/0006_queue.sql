-- Who goes first, who may ask for what, and how long runs take.

-- domain/priority.py.
ALTER TABLE predictions ADD COLUMN priority text NOT NULL DEFAULT 'normal'
    CHECK (priority IN ('interactive', 'normal', 'batch'));
-- The most urgent that a token may ask for, and what its predictions are by themselves if they would be more urgent.
ALTER TABLE tokens ADD COLUMN priority text NOT NULL DEFAULT 'interactive'
    CHECK (priority IN ('interactive', 'normal', 'batch'));

-- When an entry counts as interactive. Entries from before this file were made as normal ones.
ALTER TABLE queue ADD COLUMN matures_at double precision NOT NULL DEFAULT 0;
UPDATE queue SET matures_at = created_at + 30;
DROP INDEX queue_waiting;
CREATE INDEX queue_waiting ON queue (matures_at, prediction_id) WHERE owner IS NULL;

-- The latest runs of a version that succeeded, newest first: a JSON array of seconds.
CREATE TABLE run_times (
    version text NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    kind    text NOT NULL CHECK (kind IN ('prediction', 'training')),
    seconds text NOT NULL,
    PRIMARY KEY (version, kind)
);
