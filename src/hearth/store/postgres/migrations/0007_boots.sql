-- How long the latest boots of each version took, phase by phase, for estimates.
CREATE TABLE boots (
    version_id  text NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    environment text NOT NULL,
    at          double precision NOT NULL,
    laps        text NOT NULL,
    forked      boolean NOT NULL
);

CREATE INDEX boots_of_version ON boots (version_id, at);
CREATE INDEX boots_of_environment ON boots (environment, at);
