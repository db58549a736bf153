-- Whom to ask at a tenant, and which of its webhooks the edge refused lately.

CREATE TABLE tenant_contacts (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    kind text NOT NULL CHECK (kind IN ('technical', 'executive', 'sdp_administrator')),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    email text NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    phone text NOT NULL CHECK (length(phone) BETWEEN 3 AND 32),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, kind)
);

CREATE TABLE webhook_refusals (
    tenant_id text NOT NULL REFERENCES tenant_configs,
    refusal_id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    status integer NOT NULL CHECK (status BETWEEN 400 AND 599),
    reason text NOT NULL CHECK (length(reason) <= 64),
    detail text NOT NULL DEFAULT '' CHECK (length(detail) <= 200),
    ticket_id text CHECK (ticket_id ~ '^[A-Za-z0-9._-]{1,64}$'),
    address inet,
    seconds_off integer,
    times integer NOT NULL DEFAULT 1 CHECK (times > 0),
    PRIMARY KEY (tenant_id, refusal_id)
);
COMMENT ON COLUMN webhook_refusals.ticket_id IS 'What the body claimed; where the signature was refused nobody vouches for it.';
COMMENT ON COLUMN webhook_refusals.seconds_off IS 'The webhook''s timestamp minus our clock; null within the 300 s that are allowed.';
COMMENT ON COLUMN webhook_refusals.times IS 'So many alike came at about that time; only the first of them is described.';

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['tenant_contacts', 'webhook_refusals'] LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON public.%I USING (tenant_id = NULLIF(current_setting(''app.current_tenant_id'', true), ''''))',
            name);
    END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_contacts TO ticketstream_operator;
GRANT SELECT ON tenant_contacts, webhook_refusals TO ticketstream_console;
GRANT SELECT, DELETE ON webhook_refusals TO ticketstream_operator;

-- WebhookRefusals.keep: refusals of several tenants, each reached as its own tenant, of whom the newest 100 stay. A tenant that was
-- erased meanwhile is passed over. Runs as the owner, under row-level security, so that the edge can neither read nor delete any.
CREATE FUNCTION keep_refusals(
    tenants text[], times_at timestamptz[], statuses integer[], reasons text[], details text[], tickets text[], addresses text[],
    off integer[], counts integer[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    its_tenant text;
BEGIN
    FOR its_tenant IN SELECT DISTINCT t FROM unnest(tenants) t ORDER BY t LOOP
        PERFORM for_tenant(its_tenant);
        CONTINUE WHEN NOT EXISTS (SELECT FROM tenant_configs WHERE tenant_id = its_tenant);
        INSERT INTO webhook_refusals (tenant_id, at, status, reason, detail, ticket_id, address, seconds_off, times)
        SELECT r.tenant, r.at, r.status, r.reason, r.detail, r.ticket, r.address::inet, r.seconds_off, r.times
        FROM unnest(tenants, times_at, statuses, reasons, details, tickets, addresses, off, counts) WITH ORDINALITY
            AS r(tenant, at, status, reason, detail, ticket, address, seconds_off, times, place)
        WHERE r.tenant = its_tenant ORDER BY r.place DESC LIMIT 100;
        DELETE FROM webhook_refusals WHERE tenant_id = its_tenant AND refusal_id IN (
            SELECT refusal_id FROM webhook_refusals WHERE tenant_id = its_tenant ORDER BY at DESC, refusal_id OFFSET 100
            FOR UPDATE SKIP LOCKED);
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION keep_refusals FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_refusals TO ticketstream_ingest;
