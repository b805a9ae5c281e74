-- A browser that was signed in with a token is signed out when the token is disabled: whoever took the token could
-- have taken a session with it.
ALTER TABLE sessions ADD COLUMN token text COLLATE "C"; -- its hash

CREATE INDEX sessions_of_token ON sessions (token) WHERE token IS NOT NULL;

CREATE FUNCTION end_sessions_of_token() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM sessions WHERE token = NEW.hash;
    RETURN NULL;
END
$$;

CREATE TRIGGER tokens_end_sessions AFTER UPDATE OF disabled_at ON tokens
FOR EACH ROW WHEN (NEW.disabled_at IS NOT NULL)
EXECUTE FUNCTION end_sessions_of_token();
