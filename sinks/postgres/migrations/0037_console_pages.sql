-- What the console's pages show of many tenants at once, in one round trip. Each function reaches one tenant after the other as that
-- tenant, under the caller's own rights and row-level security; nobody sees more by it than one by one.
CREATE FUNCTION tenants_figures(tenants text[]) RETURNS TABLE (
    tenant_id text, succeeded bigint, failed bigint, p95 double precision, rating double precision, ratings bigint, tickets bigint,
    last_at timestamptz
) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    its_tenant text;
BEGIN
    FOREACH its_tenant IN ARRAY tenants LOOP
        PERFORM for_tenant(its_tenant);
        RETURN QUERY
        SELECT its_tenant, e.succeeded, e.failed, e.p95, r.rating, r.ratings, w.tickets, w.last_at
        FROM (SELECT count(*) FILTER (WHERE status = 'success') AS succeeded, count(*) FILTER (WHERE status = 'failed') AS failed,
                     percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM posted_at - received_at)::double precision)
                         FILTER (WHERE posted_at IS NOT NULL AND received_at IS NOT NULL) AS p95
              FROM enhancements WHERE tenant_id = its_tenant AND created_at >= now() - interval '24 hours') e,
             (SELECT avg(rating)::double precision AS rating, count(rating) AS ratings
              FROM enhancement_feedback WHERE tenant_id = its_tenant AND counts AND submitted_at >= now() - interval '30 days') r,
             (SELECT count(*) FILTER (WHERE recorded_at >= now() - interval '1 hour') AS tickets, max(recorded_at) AS last_at
              FROM received_events WHERE tenant_id = its_tenant AND recorded_at >= now() - interval '24 hours') w;
    END LOOP;
END $$;

CREATE FUNCTION tenants_audited(
    tenants text[], since timestamptz, until timestamptz, its_who text, its_operation text, its_text text, newest integer
) RETURNS SETOF audit_log LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    its_tenant text;
BEGIN
    FOREACH its_tenant IN ARRAY tenants LOOP
        PERFORM for_tenant(its_tenant);
        RETURN QUERY
        SELECT * FROM audit_log a
        WHERE a.tenant_id = its_tenant AND (since IS NULL OR a.at >= since) AND (until IS NULL OR a.at < until)
          AND (its_who IS NULL OR a.who = its_who)
          AND (its_operation IS NULL OR a.operation = its_operation OR starts_with(a.operation, its_operation || ' '))
          AND (its_text IS NULL OR position(lower(its_text) IN lower(concat_ws(' ', a.operation, a.subject, a.old_value, a.new_value,
               a.reason, a.consent, a.details::text))) > 0)
        ORDER BY a.at DESC, a.audit_id DESC LIMIT newest;
    END LOOP;
END $$;

CREATE FUNCTION tenants_refused(tenants text[], newest integer) RETURNS TABLE (
    tenant_id text, at timestamptz, status integer, reason text, detail text, ticket_id text, address text, seconds_off integer,
    times integer
) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    its_tenant text;
BEGIN
    FOREACH its_tenant IN ARRAY tenants LOOP
        PERFORM for_tenant(its_tenant);
        RETURN QUERY
        SELECT its_tenant, at, status::integer, reason, detail, ticket_id, host(address), seconds_off, times
        FROM webhook_refusals WHERE tenant_id = its_tenant ORDER BY at DESC, refusal_id LIMIT newest;
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION tenants_figures, tenants_audited, tenants_refused FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenants_figures, tenants_audited, tenants_refused TO ticketstream_console;

-- The console tells which secret a desk uses, and when it is due; never a secret.
SET LOCAL ROLE ticketstream_directory;
GRANT EXECUTE ON FUNCTION webhook_secrets_overview() TO ticketstream_console;
SET LOCAL ROLE ticketstream_owner;
