-- What instances have been seen to take, in bytes: until ready, afterwards, and on a GPU.
CREATE TABLE footprints (
    version_id text COLLATE "C" NOT NULL REFERENCES versions (id) ON DELETE CASCADE,
    hardware   text NOT NULL,
    train      boolean NOT NULL,
    model      text NOT NULL,
    at         double precision NOT NULL,
    setup      bigint NOT NULL CHECK (setup >= 0),
    run        bigint NOT NULL CHECK (run >= 0),
    gpu        bigint NOT NULL CHECK (gpu >= 0),
    PRIMARY KEY (version_id, hardware, train)
);
