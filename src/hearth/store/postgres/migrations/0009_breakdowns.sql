-- Lanes that are given up: setup failed too often, and is tried again when somebody says so.
CREATE TABLE breakdowns (
    lane       text COLLATE "C" PRIMARY KEY,
    version_id text COLLATE "C" NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    model      text NOT NULL,
    deployment text,
    because    text NOT NULL,
    logs       text NOT NULL,
    failures   bigint NOT NULL CHECK (failures > 0),
    at         double precision NOT NULL
);

CREATE INDEX breakdowns_of_version ON breakdowns (version_id);

-- How a release groups predictions, where not as its version says.
ALTER TABLE releases ADD COLUMN batch_size bigint CHECK (batch_size > 0);
ALTER TABLE releases ADD COLUMN batch_wait double precision CHECK (batch_wait >= 0);
