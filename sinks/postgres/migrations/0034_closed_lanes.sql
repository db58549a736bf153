-- Whether a lane is closed, or only some of its tickets wait: a tenant whose lane is closed has no use for another worker. Processes
-- of the version before name the columns that they read, so one more is none of their business.
GRANT CREATE ON SCHEMA public TO ticketstream_directory;
SET LOCAL ROLE ticketstream_directory;

DROP FUNCTION held_lanes();
CREATE FUNCTION held_lanes() RETURNS TABLE (
    tenant_id text, stage text, partition integer, events bigint, reason text, until timestamptz, first_failed_at timestamptz,
    attempts integer, breaker text, breaker_until timestamptz, closed boolean
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.tenant_id, h.stage, h.partition, count(*), (array_agg(h.reason ORDER BY h.scope = 'lane' DESC, h.until DESC))[1],
           max(h.until), min(h.first_failed_at), max(h.attempts), b.state, b.until, bool_or(h.scope = 'lane')
    FROM public.lane_holds h LEFT JOIN public.lane_breakers b USING (tenant_id, stage)
    GROUP BY h.tenant_id, h.stage, h.partition, b.state, b.until
$$;
REVOKE ALL ON FUNCTION held_lanes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION held_lanes() TO ticketstream_lag, ticketstream_console, ticketstream_operator;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_directory;
