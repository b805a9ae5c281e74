-- What is collected, and what must not be counted on meanwhile.

-- Contents (SHA-256) whose blobs are being removed: a push that needs one waits until it is gone, and sends it again.
CREATE TABLE condemned (
    sha256 text PRIMARY KEY
);

CREATE INDEX versions_of_environment ON versions ((recipe ->> 'environment'));
CREATE INDEX builds_ended ON builds (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX batches_ended ON batches (completed_at) WHERE completed_at IS NOT NULL;
