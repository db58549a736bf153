-- ReceivedEvents.mark: several events, of several tenants, each reached as its own tenant. The places (1 is the first) of those marked
-- are returned; a row that another transaction holds is passed over, so that no tenant waits for another's.
CREATE FUNCTION mark_events(tenants text[], events uuid[], outcomes text[], reasons text[]) RETURNS SETOF integer
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    asked record;
BEGIN
    FOR asked IN SELECT * FROM unnest(tenants, events, outcomes, reasons) WITH ORDINALITY AS a(tenant, event, outcome, reason, place) LOOP
        PERFORM for_tenant(asked.tenant);
        PERFORM FROM received_events WHERE tenant_id = asked.tenant AND event_id = asked.event FOR NO KEY UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;
        UPDATE received_events SET published = true, outcome = coalesce(outcome, asked.outcome), reason = coalesce(reason, asked.reason),
            updated_at = now()
        WHERE tenant_id = asked.tenant AND event_id = asked.event;
        RETURN NEXT asked.place::integer;
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION mark_events FROM PUBLIC;
GRANT EXECUTE ON FUNCTION mark_events TO ticketstream_enrich;
