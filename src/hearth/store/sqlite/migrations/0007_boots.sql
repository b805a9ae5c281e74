-- How long the latest boots of each version took, phase by phase, for estimates.
CREATE TABLE boots (
    version_id  TEXT NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    environment TEXT NOT NULL,
    at          REAL NOT NULL,
    laps        TEXT NOT NULL,
    forked      INTEGER NOT NULL CHECK (forked IN (0, 1))
) STRICT;

CREATE INDEX boots_of_version ON boots (version_id, at);
CREATE INDEX boots_of_environment ON boots (environment, at);
