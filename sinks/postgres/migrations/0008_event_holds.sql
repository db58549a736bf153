-- What is held: a hold of one event alone, which others of its ticket may overtake; and what people and metrics see of holds.

ALTER TABLE lane_holds DROP CONSTRAINT lane_holds_scope_check;
ALTER TABLE lane_holds ADD CONSTRAINT lane_holds_scope_check CHECK (scope IN ('lane', 'ticket', 'event'));

GRANT CREATE ON SCHEMA public TO ticketstream_directory;
CREATE POLICY directory ON lane_breakers FOR SELECT TO ticketstream_directory USING (true);
GRANT SELECT ON lane_breakers TO ticketstream_directory;
SET LOCAL ROLE ticketstream_directory;

-- A held lane waits for a desk that may be well again once its tenant was changed. Beside tenant_directory(), since processes of the
-- version before go on reading that while a new version is rolled out.
CREATE FUNCTION tenant_changes() RETURNS TABLE (tenant_id text, changed_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.tenant_id, t.updated_at FROM public.tenant_configs t
$$;

-- Per lane: what closes it before what only closes a ticket, the latest first.
CREATE FUNCTION held_lanes() RETURNS TABLE (
    tenant_id text, stage text, partition integer, events bigint, reason text, until timestamptz, first_failed_at timestamptz,
    attempts integer, breaker text, breaker_until timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.tenant_id, h.stage, h.partition, count(*), (array_agg(h.reason ORDER BY h.scope = 'lane' DESC, h.until DESC))[1],
           max(h.until), min(h.first_failed_at), max(h.attempts), b.state, b.until
    FROM public.lane_holds h LEFT JOIN public.lane_breakers b USING (tenant_id, stage)
    GROUP BY h.tenant_id, h.stage, h.partition, b.state, b.until
$$;

REVOKE ALL ON FUNCTION tenant_changes(), held_lanes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_changes() TO ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver,
    ticketstream_feedback_aggregate, ticketstream_console, ticketstream_lag, ticketstream_sync, ticketstream_reconcile, ticketstream_operator;
GRANT EXECUTE ON FUNCTION held_lanes() TO ticketstream_lag, ticketstream_console, ticketstream_operator;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_directory;
