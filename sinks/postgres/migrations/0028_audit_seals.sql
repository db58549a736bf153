-- The audit log's hours are sealed: hashed, linked and signed by a process of its own, so that a later change shows even if
-- somebody with the owner's rights made it.

CREATE TABLE audit_seals (
    tenant_id text NOT NULL,
    hour timestamptz NOT NULL CHECK (hour = date_trunc('hour', hour, 'UTC')),
    entries integer NOT NULL CHECK (entries > 0),
    entries_hash bytea NOT NULL CHECK (length(entries_hash) = 32),
    previous bytea NOT NULL CHECK (length(previous) = 32),
    sealed_at timestamptz NOT NULL,
    key_id text NOT NULL,
    signature bytea NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (tenant_id, hour)
);
COMMENT ON TABLE audit_seals IS 'One for each tenant and closed hour with entries. Outlives its entries and its tenant, hence no foreign key.';
COMMENT ON COLUMN audit_seals.previous IS 'SHA-256 of the tenant''s seal before this one; zeros for the first.';
ALTER TABLE audit_seals ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_seals FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_seals USING (tenant_id = NULLIF(current_setting('app.current_tenant_id', true), ''));

-- When an entry was written, and by whose login, is the database's to say: nobody backdates one into an hour that is sealed.
REVOKE INSERT ON audit_log FROM ticketstream_ingest, ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver,
    ticketstream_feedback_aggregate, ticketstream_console, ticketstream_sync, ticketstream_reconcile, ticketstream_operator;
GRANT INSERT (tenant_id, who, operation, subject, old_value, new_value, reason, details, role, consent) ON audit_log
    TO ticketstream_ingest, ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver, ticketstream_feedback_aggregate,
    ticketstream_console, ticketstream_sync, ticketstream_reconcile, ticketstream_operator;

GRANT SELECT ON service_keys TO ticketstream_sealer;
GRANT SELECT ON audit_log TO ticketstream_sealer;
GRANT SELECT, INSERT ON audit_seals TO ticketstream_sealer;
GRANT SELECT ON audit_seals TO ticketstream_operator, ticketstream_console;

-- 90 days. Only whole hours that are sealed go; the seals stay for 400 days, and say how many entries there were.
CREATE FUNCTION drop_old_audit_hours(its_tenant text) RETURNS TABLE (dropped timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(its_tenant);
    DELETE FROM public.audit_seals WHERE tenant_id = its_tenant AND hour < now() - interval '400 days';
    RETURN QUERY
        WITH old AS (
            SELECT s.hour FROM public.audit_seals s
            WHERE s.tenant_id = its_tenant AND s.hour + interval '1 hour' < now() - interval '90 days'
              AND EXISTS (SELECT FROM public.audit_log a
                          WHERE a.tenant_id = its_tenant AND a.at >= s.hour AND a.at < s.hour + interval '1 hour')
            ORDER BY s.hour LIMIT 1000),
        gone AS (
            DELETE FROM public.audit_log a USING old
            WHERE a.tenant_id = its_tenant AND a.at >= old.hour AND a.at < old.hour + interval '1 hour')
        SELECT old.hour FROM old;
END $$;

GRANT SELECT (tenant_id, at) ON audit_log TO ticketstream_directory;
GRANT SELECT (tenant_id, hour) ON audit_seals TO ticketstream_directory;
CREATE POLICY directory ON audit_log FOR SELECT TO ticketstream_directory USING (true);
CREATE POLICY directory ON audit_seals FOR SELECT TO ticketstream_directory USING (true);

GRANT CREATE ON SCHEMA public TO ticketstream_directory;
SET LOCAL ROLE ticketstream_directory;

-- Whose entries there are: also of tenants that are gone, and of the platform itself. Jumps from name to name along the index.
CREATE FUNCTION audited_tenants() RETURNS TABLE (tenant_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE names AS (
        (SELECT a.tenant_id FROM public.audit_log a ORDER BY a.tenant_id LIMIT 1)
        UNION ALL
        SELECT (SELECT a.tenant_id FROM public.audit_log a WHERE a.tenant_id > names.tenant_id ORDER BY a.tenant_id LIMIT 1)
        FROM names WHERE names.tenant_id IS NOT NULL)
    SELECT names.tenant_id FROM names WHERE names.tenant_id IS NOT NULL
    UNION SELECT s.tenant_id FROM public.audit_seals s
$$;

-- Hours that ended two minutes ago or earlier (no transaction of ours lasts that long) and come after the tenant's last seal.
CREATE FUNCTION audit_hours_to_seal() RETURNS TABLE (tenant_id text, hour timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT names.tenant_id, found.hour
    FROM public.audited_tenants() names
    CROSS JOIN LATERAL (SELECT max(s.hour) AS hour FROM public.audit_seals s WHERE s.tenant_id = names.tenant_id) last
    CROSS JOIN LATERAL (
        SELECT DISTINCT date_trunc('hour', a.at, 'UTC') AS hour FROM public.audit_log a
        WHERE a.tenant_id = names.tenant_id AND a.at >= coalesce(last.hour + interval '1 hour', '-infinity')
          AND a.at < date_trunc('hour', now() - interval '2 minutes', 'UTC')) found
    ORDER BY found.hour, names.tenant_id LIMIT 10000
$$;

REVOKE ALL ON FUNCTION audited_tenants(), audit_hours_to_seal() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_hours_to_seal() TO ticketstream_sealer;
GRANT EXECUTE ON FUNCTION audited_tenants() TO ticketstream_sealer, ticketstream_operator, ticketstream_console;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_directory;
REVOKE ALL ON FUNCTION drop_old_audit_hours FROM PUBLIC;
GRANT EXECUTE ON FUNCTION for_tenant, drop_old_audit_hours TO ticketstream_sealer;
