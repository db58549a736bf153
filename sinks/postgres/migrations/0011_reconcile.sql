-- How far each tenant's desk was compared with what arrived. The times of `listed_until` are the desk's own clock's, since only the
-- desk's times are compared with them.
CREATE TABLE reconcile_state (
    tenant_id text PRIMARY KEY REFERENCES tenant_configs ON DELETE CASCADE,
    first timestamptz NOT NULL,
    listed_until timestamptz NOT NULL,
    not_before timestamptz,
    lease_id uuid,
    leased_until timestamptz,
    last_run_at timestamptz,
    last_result text,
    last_error text NOT NULL DEFAULT '',
    listed integer NOT NULL DEFAULT 0,
    known integer NOT NULL DEFAULT 0,
    fed_in integer NOT NULL DEFAULT 0,
    too_young integer NOT NULL DEFAULT 0,
    closed integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0,
    CHECK ((lease_id IS NULL) = (leased_until IS NULL))
);
COMMENT ON COLUMN reconcile_state.first IS 'No ticket from before this is fed in: the tenant''s creation, or an earlier time that an operator chose.';
COMMENT ON COLUMN reconcile_state.listed_until IS 'Created time of the newest ticket up to which all were dealt with; the tenant''s creation at first.';
COMMENT ON COLUMN reconcile_state.not_before IS 'Until when the desk asked to be left alone (Retry-After).';
COMMENT ON COLUMN reconcile_state.listed IS 'Counts of the last run, as the columns after it.';
ALTER TABLE reconcile_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE reconcile_state FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON reconcile_state USING (tenant_id = NULLIF(current_setting('app.current_tenant_id', true), ''));

GRANT SELECT, INSERT, UPDATE ON reconcile_state TO ticketstream_reconcile;
GRANT SELECT (tenant_id, created_at) ON tenant_configs TO ticketstream_reconcile;
GRANT SELECT ON reconcile_state TO ticketstream_console, ticketstream_operator;
GRANT DELETE ON reconcile_state TO ticketstream_operator;

-- Of tickets and answers it needs no more than whether there are any: no text, no hash.
REVOKE SELECT ON tickets, enhancements, received_events FROM ticketstream_reconcile;
GRANT SELECT (tenant_id, ticket_id, record_offset) ON tickets TO ticketstream_reconcile;
GRANT SELECT (tenant_id, ticket_id) ON received_events TO ticketstream_reconcile;
