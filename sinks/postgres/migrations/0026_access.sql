-- Who may do what: tokens of persons who use the command line and the console, and when a tool's token was last used.

CREATE TABLE operator_tokens (
    token_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    person text NOT NULL CHECK (length(person) BETWEEN 1 AND 200),
    role text NOT NULL CHECK (role IN ('support', 'engineer')),
    tenants text[] CHECK (cardinality(tenants) BETWEEN 1 AND 1000),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    last_used_at timestamptz,
    refused bigint NOT NULL DEFAULT 0,
    CHECK (expires_at > created_at AND expires_at <= created_at + interval '366 days')
);
CREATE INDEX operator_tokens_person ON operator_tokens (person);
COMMENT ON TABLE operator_tokens IS 'Belongs to no tenant. A person''s token is 256 random bits and shown once.';
COMMENT ON COLUMN operator_tokens.tenants IS 'Those that the person may touch; null for all.';
COMMENT ON COLUMN operator_tokens.last_used_at IS 'Noted at most once a minute.';
COMMENT ON COLUMN operator_tokens.refused IS 'How often the person was refused another tenant or what is for engineers.';

-- The hash stays with the owner: it is written by `token create` and looked up by the function.
GRANT SELECT (token_id, person, role, tenants, created_at, created_by, expires_at, revoked_at, last_used_at, refused),
    INSERT (token_hash, person, role, tenants, created_by, expires_at), UPDATE (revoked_at) ON operator_tokens TO ticketstream_operator;

-- OperatorTokens.find: the argument has 256 bits of entropy. Also what has ended, so that its owner can be told so.
CREATE FUNCTION operator_token(hash bytea) RETURNS TABLE (
    token_id uuid, person text, role text, tenants text[], expires_at timestamptz, revoked_at timestamptz, valid boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.operator_tokens t SET last_used_at = now()
    WHERE t.token_hash = hash AND t.revoked_at IS NULL AND t.expires_at > now()
        AND (t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute');
    RETURN QUERY
        SELECT t.token_id, t.person, t.role, t.tenants, t.expires_at, t.revoked_at, t.revoked_at IS NULL AND t.expires_at > now()
        FROM public.operator_tokens t WHERE t.token_hash = hash;
END $$;

CREATE FUNCTION count_operator_refused(its_token uuid) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE public.operator_tokens SET refused = refused + 1 WHERE token_id = its_token
$$;
REVOKE ALL ON FUNCTION operator_token(bytea), count_operator_refused(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION operator_token(bytea), count_operator_refused(uuid) TO ticketstream_operator, ticketstream_console;

-- Tools' tokens. That one was used is no change that processes must follow.
ALTER TABLE api_tokens ADD COLUMN last_used_at timestamptz;
COMMENT ON COLUMN api_tokens.last_used_at IS 'As the edges noted it, up to half a minute late.';
DROP TRIGGER bump ON api_tokens;
CREATE TRIGGER bump AFTER INSERT OR DELETE OR UPDATE OF token_hash, scopes, expires_at, revoked_at ON api_tokens
    FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();

-- ApiTokens.note_uses: all that the edge may do with this table beyond a look-up. Runs as the owner, each use as its own tenant; in one
-- order, so that two edges can't wait for each other.
CREATE FUNCTION note_token_uses(tenants text[], tokens uuid[], times_at timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    used record;
BEGIN
    FOR used IN SELECT * FROM unnest(tenants, tokens, times_at) AS u(tenant, token, at) ORDER BY tenant, token LOOP
        PERFORM for_tenant(used.tenant);
        UPDATE api_tokens SET last_used_at = least(used.at, now())
        WHERE tenant_id = used.tenant AND token_id = used.token AND (last_used_at IS NULL OR last_used_at < used.at);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION note_token_uses(text[], uuid[], timestamptz[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_token_uses(text[], uuid[], timestamptz[]) TO ticketstream_ingest;
GRANT SELECT (last_used_at) ON api_tokens TO ticketstream_console;

-- A page of feedback goes on behind the last answer of the page before.
CREATE INDEX enhancement_feedback_page ON enhancement_feedback (tenant_id, submitted_at DESC, feedback_id DESC);
DROP INDEX enhancement_feedback_time;
