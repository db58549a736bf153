-- Tenants that left. A row outlives its tenant and holds nothing of it but its name: so that every process drops what is still under
-- way, so that neither the name nor the partition is given away again at once, and so that an erasure that was cut off goes on.
CREATE TABLE erased_tenants (
    tenant_id text NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    partition integer NOT NULL CHECK (partition >= 0),
    finished_at timestamptz,
    runs integer NOT NULL DEFAULT 1,
    rows_deleted jsonb NOT NULL DEFAULT '{}',
    records jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, begun_at)
);
CREATE UNIQUE INDEX erased_tenants_unfinished ON erased_tenants (tenant_id) WHERE finished_at IS NULL;
COMMENT ON TABLE erased_tenants IS 'Outlives its tenant, hence no foreign key. Numbers only, no content.';
COMMENT ON COLUMN erased_tenants.runs IS 'How often somebody had to begin: more than 1 where a run was cut off.';
COMMENT ON COLUMN erased_tenants.rows_deleted IS 'By table, written in the transaction that deletes.';
COMMENT ON COLUMN erased_tenants.records IS 'By topic, the partition''s offsets [first, end] as they stood when it began.';
CREATE TRIGGER bump AFTER INSERT OR UPDATE OF finished_at OR DELETE ON erased_tenants FOR EACH STATEMENT EXECUTE FUNCTION bump_config_version();

ALTER TABLE erased_tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE erased_tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON erased_tenants USING (tenant_id = NULLIF(current_setting('app.current_tenant_id', true), ''));
GRANT SELECT, INSERT, UPDATE ON erased_tenants TO ticketstream_operator;

GRANT CREATE ON SCHEMA public TO ticketstream_directory;
CREATE POLICY directory ON erased_tenants FOR SELECT TO ticketstream_directory USING (true);
GRANT SELECT ON erased_tenants TO ticketstream_directory;
SET LOCAL ROLE ticketstream_directory;

-- What stands on these partitions is dropped, for so many seconds (null: until the erasure is finished). Nobody gets such a partition or
-- such a name before `free_from`, an hour later: whoever reads this a little late must not drop events of a new tenant.
CREATE FUNCTION erased_partitions() RETURNS TABLE (
    tenant_id text, partition integer, dropped_for double precision, free_from timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.tenant_id, e.partition, extract(epoch FROM e.finished_at + interval '23 hours' - now())::double precision,
           e.finished_at + interval '24 hours'
    FROM public.erased_tenants e WHERE e.finished_at IS NULL OR e.finished_at + interval '24 hours' > now()
$$;
REVOKE ALL ON FUNCTION erased_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erased_partitions() TO ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver,
    ticketstream_feedback_aggregate, ticketstream_console, ticketstream_lag, ticketstream_sync, ticketstream_reconcile, ticketstream_operator;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_directory;
