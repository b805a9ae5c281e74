-- A browser that was signed in with a token is signed out when the token is disabled: whoever took the token could
-- have taken a session with it.
ALTER TABLE sessions ADD COLUMN token TEXT; -- its hash

CREATE INDEX sessions_of_token ON sessions (token) WHERE token IS NOT NULL;

CREATE TRIGGER tokens_end_sessions AFTER UPDATE OF disabled_at ON tokens WHEN NEW.disabled_at IS NOT NULL
BEGIN
    DELETE FROM sessions WHERE token = NEW.hash;
END;
