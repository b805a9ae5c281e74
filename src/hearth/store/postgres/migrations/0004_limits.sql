-- Rate limits, retention and idempotency keys.

-- Calls a minute; NULL: as the server has it, 0: no limit. Retention in seconds; NULL: as the server has it.
ALTER TABLE accounts ADD COLUMN creates_per_minute bigint CHECK (creates_per_minute >= 0);
ALTER TABLE accounts ADD COLUMN others_per_minute bigint CHECK (others_per_minute >= 0);
ALTER TABLE accounts ADD COLUMN retention double precision CHECK (retention >= 0);

-- Seconds from its end until a prediction's data goes; NULL: as the server has it. Kept: an example, or shared.
ALTER TABLE predictions ADD COLUMN retention double precision CHECK (retention >= 0);
ALTER TABLE predictions ADD COLUMN kept boolean NOT NULL DEFAULT false;

DROP INDEX predictions_retained;
CREATE INDEX predictions_retained ON predictions (completed_at)
WHERE completed_at IS NOT NULL AND NOT data_removed AND NOT kept AND source = 'api' AND kind = 'prediction'
  AND retention IS NULL;
CREATE INDEX predictions_retained_own ON predictions ((completed_at + retention))
WHERE completed_at IS NOT NULL AND NOT data_removed AND NOT kept AND source = 'api' AND kind = 'prediction'
  AND retention IS NOT NULL;

-- The first answer to a create with an Idempotency-Key: a prediction, or status and body. `until`: somebody is at it.
CREATE TABLE idempotency (
    account_id    text COLLATE "C" NOT NULL,
    key           text COLLATE "C" NOT NULL,
    fingerprint   text NOT NULL,
    created_at    double precision NOT NULL,
    prediction_id text COLLATE "C",
    until         double precision,
    status        bigint,
    body          bytea,
    PRIMARY KEY (account_id, key)
);

CREATE INDEX idempotency_expiring ON idempotency (created_at);

-- What the server processes together have let through in a lane's present minute. Not worth a log: a crash of the
-- database gives everybody a fresh minute.
CREATE UNLOGGED TABLE rate_windows (
    account_id text COLLATE "C" NOT NULL,
    lane       text NOT NULL,
    started_at double precision NOT NULL,
    used       bigint NOT NULL,
    PRIMARY KEY (account_id, lane)
);
