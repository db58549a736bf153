-- Desks that can't sign: an engineer approves a bearer secret instead, from listed addresses only.
ALTER TABLE tenant_configs
    ADD COLUMN webhook_auth text NOT NULL DEFAULT 'signature' CHECK (webhook_auth IN ('signature', 'bearer')),
    ADD COLUMN webhook_sources text NOT NULL DEFAULT '' CHECK (length(webhook_sources) <= 2000),
    ADD COLUMN webhook_auth_approved_by text CHECK (length(webhook_auth_approved_by) BETWEEN 1 AND 200),
    ADD COLUMN webhook_auth_approved_at timestamptz,
    ADD CHECK (webhook_auth = 'signature'
               OR (webhook_sources <> '' AND webhook_auth_approved_by IS NOT NULL AND webhook_auth_approved_at IS NOT NULL));
COMMENT ON COLUMN tenant_configs.webhook_auth IS 'bearer: webhooks need no signature; they only say that a ticket changed, and enrich asks the desk.';
COMMENT ON COLUMN tenant_configs.webhook_sources IS 'Addresses and networks that a bearer secret is taken from, separated by commas.';

-- Beside tenant_directory() and ingest_tenants(), not in them: processes of the version before go on reading those.
GRANT CREATE ON SCHEMA public TO ticketstream_directory;
SET LOCAL ROLE ticketstream_directory;

CREATE FUNCTION tenant_webhook_auth() RETURNS TABLE (tenant_id text, webhook_auth text, webhook_sources text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.tenant_id, t.webhook_auth, t.webhook_sources FROM public.tenant_configs t
$$;

REVOKE ALL ON FUNCTION tenant_webhook_auth() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_webhook_auth() TO ticketstream_ingest, ticketstream_enrich, ticketstream_synthesize,
    ticketstream_deliver, ticketstream_feedback_aggregate, ticketstream_console, ticketstream_lag, ticketstream_sync,
    ticketstream_reconcile, ticketstream_operator;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_directory;

-- What enrich needs to ask a desk for a ticket whose webhook may not carry it: of tenants in bearer mode, and of no others. As the
-- owner, under row-level security like everybody, since enrich itself may touch neither credentials nor tokens.
CREATE FUNCTION credential_to_fetch(tenant text) RETURNS TABLE (stored text, ca text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    RETURN QUERY SELECT c.credential, t.servicedesk_ca
        FROM public.servicedesk_credentials c JOIN public.tenant_configs t USING (tenant_id)
        WHERE c.tenant_id = tenant AND c.replaced_at IS NULL AND t.webhook_auth = 'bearer';
END $$;

-- A cloud desk's access token: the three steps of 0025.
CREATE FUNCTION only_in_bearer_mode(its_tenant text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(its_tenant);
    IF NOT EXISTS (SELECT FROM public.tenant_configs WHERE tenant_id = its_tenant AND webhook_auth = 'bearer') THEN
        RAISE insufficient_privilege USING MESSAGE = 'enrich asks the desks of tenants in bearer mode only';
    END IF;
END $$;

CREATE FUNCTION take_fetch_token(
    its_tenant text, of_credential text, refused text, worker text, lease_seconds double precision, most integer,
    window_seconds double precision
) RETURNS TABLE (state text, stored text, mark text, seconds double precision, reason text, detail text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM public.only_in_bearer_mode(its_tenant);
    RETURN QUERY SELECT * FROM public.take_desk_token(
        its_tenant, of_credential, refused, worker, lease_seconds, most, window_seconds);
END $$;

CREATE FUNCTION keep_fetch_token(
    its_tenant text, of_credential text, worker text, encrypted text, its_fingerprint text, usable_seconds double precision
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM public.only_in_bearer_mode(its_tenant);
    RETURN public.keep_desk_token(its_tenant, of_credential, worker, encrypted, its_fingerprint, usable_seconds);
END $$;

CREATE FUNCTION refuse_fetch_token(
    its_tenant text, of_credential text, worker text, its_reason text, its_detail text, for_seconds double precision
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM public.only_in_bearer_mode(its_tenant);
    RETURN public.refuse_desk_token(its_tenant, of_credential, worker, its_reason, its_detail, for_seconds);
END $$;

REVOKE ALL ON FUNCTION only_in_bearer_mode, credential_to_fetch, take_fetch_token, keep_fetch_token, refuse_fetch_token FROM PUBLIC;
GRANT EXECUTE ON FUNCTION credential_to_fetch, take_fetch_token, keep_fetch_token, refuse_fetch_token TO ticketstream_enrich;
