-- Sessions of persons at the console. A row outlives no token, and no token stands in it: only the console's key ring opens it.
CREATE TABLE console_sessions (
    session_hash bytea PRIMARY KEY CHECK (length(session_hash) = 32),
    token_id uuid NOT NULL REFERENCES operator_tokens ON DELETE CASCADE,
    sealed_token text NOT NULL CHECK (length(sealed_token) BETWEEN 1 AND 1000),
    made_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL CHECK (expires_at <= made_at + interval '24 hours')
);
CREATE INDEX console_sessions_token ON console_sessions (token_id, made_at);
CREATE INDEX console_sessions_expire ON console_sessions (expires_at);
COMMENT ON TABLE console_sessions IS 'Belongs to no tenant. The session''s id is 256 random bits that only the browser has.';
COMMENT ON COLUMN console_sessions.sealed_token IS 'The operator token under TICKETSTREAM_CONSOLE_KEYS, bound to this row.';
COMMENT ON COLUMN console_sessions.last_used_at IS 'Noted at most once a minute.';
GRANT SELECT, INSERT, DELETE, UPDATE (last_used_at) ON console_sessions TO ticketstream_console;
