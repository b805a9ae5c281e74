-- What instances have been seen to take, in bytes: until ready, afterwards, and on a GPU.
CREATE TABLE footprints (
    version_id TEXT NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    hardware   TEXT NOT NULL,
    train      INTEGER NOT NULL CHECK (train IN (0, 1)),
    model      TEXT NOT NULL,
    at         REAL NOT NULL,
    setup      INTEGER NOT NULL CHECK (setup >= 0),
    run        INTEGER NOT NULL CHECK (run >= 0),
    gpu        INTEGER NOT NULL CHECK (gpu >= 0),
    PRIMARY KEY (version_id, hardware, train)
) STRICT, WITHOUT ROWID;
