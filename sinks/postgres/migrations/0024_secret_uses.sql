-- Webhook secrets: told apart without being shown, and when the desk used each.

ALTER TABLE webhook_secrets ADD COLUMN fingerprint text CHECK (fingerprint ~ '^[0-9a-f]{8}$');
COMMENT ON COLUMN webhook_secrets.fingerprint IS 'The first 8 hex digits of the raw key''s SHA-256; null for secrets older than this column.';

-- A table of its own, without the trigger of webhook_secrets: that a secret was used is no change that processes must follow.
CREATE TABLE webhook_secret_uses (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    secret_id uuid NOT NULL,
    first_used_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    uses bigint NOT NULL CHECK (uses > 0),
    PRIMARY KEY (tenant_id, secret_id),
    FOREIGN KEY (tenant_id, secret_id) REFERENCES webhook_secrets ON DELETE CASCADE
);
ALTER TABLE webhook_secret_uses ENABLE ROW LEVEL SECURITY;
ALTER TABLE webhook_secret_uses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON webhook_secret_uses USING (tenant_id = NULLIF(current_setting('app.current_tenant_id', true), ''));
CREATE POLICY directory ON webhook_secret_uses FOR SELECT TO ticketstream_directory USING (true);
GRANT SELECT ON webhook_secret_uses TO ticketstream_directory;
GRANT SELECT, DELETE ON webhook_secret_uses TO ticketstream_operator;

-- SecretUseStore.note: all that the edge may do with this table, hence with the owner's rights. Each use is written as its own tenant;
-- one of a secret that is gone is passed over. In one order, so that two edges can't wait for each other.
CREATE FUNCTION note_secret_uses(tenants text[], its_secrets uuid[], firsts timestamptz[], lasts timestamptz[], counts bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    used record;
BEGIN
    FOR used IN
        SELECT * FROM unnest(tenants, its_secrets, firsts, lasts, counts) AS u(tenant, secret, first, last, count) ORDER BY tenant, secret
    LOOP
        PERFORM for_tenant(used.tenant);
        INSERT INTO webhook_secret_uses AS kept (tenant_id, secret_id, first_used_at, last_used_at, uses)
        SELECT s.tenant_id, s.secret_id, least(used.first, now()), least(used.last, now()), used.count FROM webhook_secrets s
        WHERE s.tenant_id = used.tenant AND s.secret_id = used.secret
        ON CONFLICT (tenant_id, secret_id) DO UPDATE SET uses = kept.uses + excluded.uses,
            first_used_at = least(kept.first_used_at, excluded.first_used_at),
            last_used_at = greatest(kept.last_used_at, excluded.last_used_at);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION note_secret_uses FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_secret_uses TO ticketstream_ingest;

GRANT CREATE ON SCHEMA public TO ticketstream_directory;
SET LOCAL ROLE ticketstream_directory;

-- Beside ingest_tenants(), which stays as it is for edges that still run the version before: what is valid now, the newest first, with
-- the ids under which uses are noted, and when the current secret is due.
CREATE FUNCTION ingest_webhook_secrets() RETURNS TABLE (tenant_id text, secret_ids uuid[], secrets text[], due timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.tenant_id, array_agg(s.secret_id ORDER BY s.valid_from DESC), array_agg(s.secret ORDER BY s.valid_from DESC),
           min(s.due) FILTER (WHERE s.valid_until IS NULL)
    FROM public.webhook_secrets s
    WHERE s.valid_from <= now() AND (s.valid_until IS NULL OR s.valid_until > now())
    GROUP BY s.tenant_id
$$;

-- For `tenant list`: never a secret.
CREATE FUNCTION webhook_secrets_overview() RETURNS TABLE (
    tenant_id text, secret_id uuid, fingerprint text, valid_from timestamptz, valid_until timestamptz, due timestamptz,
    first_used_at timestamptz, last_used_at timestamptz, uses bigint
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.tenant_id, s.secret_id, s.fingerprint, s.valid_from, s.valid_until, s.due, u.first_used_at, u.last_used_at, u.uses
    FROM public.webhook_secrets s LEFT JOIN public.webhook_secret_uses u USING (tenant_id, secret_id)
    WHERE s.valid_until IS NULL OR s.valid_until > now()
    ORDER BY s.tenant_id, s.valid_from DESC
$$;
REVOKE ALL ON FUNCTION ingest_webhook_secrets(), webhook_secrets_overview() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ingest_webhook_secrets() TO ticketstream_ingest;
GRANT EXECUTE ON FUNCTION webhook_secrets_overview() TO ticketstream_operator;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_directory;
