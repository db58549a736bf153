-- Desks: access tokens of cloud desks, fetched by one process for all; a tenant's own certificate authority; and credentials that
-- were replaced go when their time is over.

ALTER TABLE tenant_configs ADD COLUMN servicedesk_ca text NOT NULL DEFAULT '' CHECK (length(servicedesk_ca) <= 32768);
COMMENT ON COLUMN tenant_configs.servicedesk_ca IS 'PEM certificates that vouch for this tenant''s desk, in place of the public ones; empty for the public ones.';
GRANT SELECT (tenant_id, servicedesk_ca) ON tenant_configs TO ticketstream_deliver, ticketstream_sync, ticketstream_reconcile;

CREATE TABLE desk_access_tokens (
    tenant_id text NOT NULL REFERENCES tenant_configs ON DELETE CASCADE,
    credential_hash text NOT NULL CHECK (credential_hash ~ '^[0-9a-f]{64}$'),
    token text,
    fingerprint text CHECK (fingerprint ~ '^[0-9a-f]{64}$'),
    usable_until timestamptz,
    fetching_by text CHECK (length(fetching_by) <= 100),
    fetching_until timestamptz,
    asked_at timestamptz[] NOT NULL DEFAULT '{}' CHECK (cardinality(asked_at) <= 20),
    refused_reason text CHECK (length(refused_reason) <= 100),
    refused_detail text CHECK (length(refused_detail) <= 500),
    refused_until timestamptz,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, credential_hash),
    CHECK ((token IS NULL) = (fingerprint IS NULL) AND (token IS NULL) = (usable_until IS NULL)),
    CHECK ((fetching_by IS NULL) = (fetching_until IS NULL)),
    CHECK ((refused_reason IS NULL) = (refused_until IS NULL) AND (refused_reason IS NULL) = (refused_detail IS NULL))
);
COMMENT ON COLUMN desk_access_tokens.credential_hash IS 'SHA-256 of the OAuth client that the token was fetched with.';
COMMENT ON COLUMN desk_access_tokens.token IS 'Encrypted with the ring TICKETSTREAM_CREDENTIAL_KEYS, column "desk_access_token".';
COMMENT ON COLUMN desk_access_tokens.fingerprint IS 'SHA-256 of the token: whoever was refused with an older one must not end this one.';
COMMENT ON COLUMN desk_access_tokens.asked_at IS 'When tokens were asked for lately: a refresh token gives a limited number in a time.';
COMMENT ON COLUMN desk_access_tokens.refused_until IS 'Until then the answer to the last fetch is everybody''s answer.';
ALTER TABLE desk_access_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE desk_access_tokens FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON desk_access_tokens USING (tenant_id = NULLIF(current_setting('app.current_tenant_id', true), ''));
GRANT SELECT, INSERT, UPDATE ON desk_access_tokens TO ticketstream_deliver, ticketstream_sync, ticketstream_reconcile,
    ticketstream_operator;
GRANT DELETE ON desk_access_tokens TO ticketstream_operator;

-- Each of the following is a transaction of its own, as the caller, who has row-level security and grants of their own.

-- `state`: 'kept', the stored token is good for so many `seconds`; 'fetch', the caller is the one to fetch it and has the lease;
-- 'busy', another has, for so many `seconds`; 'refused', the last fetch was, and that holds for so many `seconds`; 'spent', `most`
-- were asked for within the window, and the next may be in so many `seconds`. `refused` is the fingerprint of a token that the desk
-- no longer takes: it is forgotten where it is the one stored.
CREATE FUNCTION take_desk_token(
    tenant text, of_credential text, refused text, worker text, lease_seconds double precision, most integer,
    window_seconds double precision
) RETURNS TABLE (state text, stored text, mark text, seconds double precision, reason text, detail text)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kept public.desk_access_tokens;
    at timestamptz;
    lately timestamptz[];
BEGIN
    PERFORM public.for_tenant(tenant);
    INSERT INTO public.desk_access_tokens (tenant_id, credential_hash) VALUES (tenant, of_credential)
        ON CONFLICT (tenant_id, credential_hash) DO NOTHING;
    SELECT * INTO kept FROM public.desk_access_tokens t WHERE t.tenant_id = tenant AND t.credential_hash = of_credential FOR UPDATE;
    at := clock_timestamp();
    IF kept.fingerprint = refused THEN
        UPDATE public.desk_access_tokens t SET token = NULL, fingerprint = NULL, usable_until = NULL, changed_at = at
            WHERE t.tenant_id = tenant AND t.credential_hash = of_credential;
        kept.token := NULL;
    END IF;
    IF kept.token IS NOT NULL AND kept.usable_until > at THEN
        RETURN QUERY SELECT 'kept', kept.token, kept.fingerprint, extract(epoch FROM kept.usable_until - at)::float8, '', '';
        RETURN;
    END IF;
    IF kept.fetching_until > at AND kept.fetching_by <> worker THEN
        RETURN QUERY SELECT 'busy', NULL, NULL, extract(epoch FROM kept.fetching_until - at)::float8, '', '';
        RETURN;
    END IF;
    IF kept.refused_until > at THEN
        RETURN QUERY SELECT 'refused', NULL, NULL, extract(epoch FROM kept.refused_until - at)::float8, kept.refused_reason,
            kept.refused_detail;
        RETURN;
    END IF;
    SELECT coalesce(array_agg(one ORDER BY one), '{}') INTO lately FROM unnest(kept.asked_at) one
        WHERE one > at - make_interval(secs => window_seconds);
    IF cardinality(lately) >= most THEN
        RETURN QUERY SELECT 'spent', NULL, NULL,
            extract(epoch FROM lately[1] + make_interval(secs => window_seconds) - at)::float8, '', '';
        RETURN;
    END IF;
    UPDATE public.desk_access_tokens t SET fetching_by = worker, fetching_until = at + make_interval(secs => lease_seconds),
        asked_at = lately || at, changed_at = at, refused_reason = NULL, refused_detail = NULL, refused_until = NULL
        WHERE t.tenant_id = tenant AND t.credential_hash = of_credential;
    RETURN QUERY SELECT 'fetch', NULL, NULL, lease_seconds, '', '';
END $$;

-- What whoever has the lease fetched; false where another has taken it over meanwhile.
CREATE FUNCTION keep_desk_token(
    tenant text, of_credential text, worker text, encrypted text, its_fingerprint text, usable_seconds double precision
) RETURNS boolean
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    UPDATE public.desk_access_tokens SET token = encrypted, fingerprint = its_fingerprint,
        usable_until = clock_timestamp() + make_interval(secs => usable_seconds), fetching_by = NULL, fetching_until = NULL,
        changed_at = clock_timestamp()
    WHERE tenant_id = tenant AND credential_hash = of_credential AND fetching_by = worker;
    RETURN FOUND;
END $$;

-- Why whoever has the lease got none, and for how long that is everybody's answer.
CREATE FUNCTION refuse_desk_token(
    tenant text, of_credential text, worker text, its_reason text, its_detail text, for_seconds double precision
) RETURNS boolean
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    UPDATE public.desk_access_tokens SET refused_reason = its_reason, refused_detail = left(its_detail, 500),
        refused_until = clock_timestamp() + make_interval(secs => for_seconds), fetching_by = NULL, fetching_until = NULL,
        changed_at = clock_timestamp()
    WHERE tenant_id = tenant AND credential_hash = of_credential AND fetching_by = worker;
    RETURN FOUND;
END $$;

-- desk_credential() with the tenant's certificate authority; beside it, since processes of the version before go on calling that.
CREATE FUNCTION desk_access(tenant text) RETURNS TABLE (stored text, ca text)
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.for_tenant(tenant);
    RETURN QUERY SELECT c.credential, t.servicedesk_ca
        FROM public.servicedesk_credentials c JOIN public.tenant_configs t USING (tenant_id)
        WHERE c.tenant_id = tenant AND c.replaced_at IS NULL;
END $$;

-- Credentials that were replaced more than 7 days ago, and access tokens that nobody has asked for in a day. As the owner, so that
-- who calls it can delete nothing else.
CREATE FUNCTION forget_replaced_credentials(tenant text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    forgotten integer := 0;
BEGIN
    PERFORM public.for_tenant(tenant);
    DELETE FROM public.desk_access_tokens WHERE tenant_id = tenant AND changed_at < now() - interval '1 day';
    -- Looked for first: a statement that deletes nothing would still tell every process that settings have changed.
    IF EXISTS (SELECT FROM public.servicedesk_credentials WHERE tenant_id = tenant AND delete_after <= now()) THEN
        DELETE FROM public.servicedesk_credentials WHERE tenant_id = tenant AND delete_after <= now();
        GET DIAGNOSTICS forgotten = ROW_COUNT;
        INSERT INTO public.audit_log (tenant_id, who, operation, subject, old_value, reason)
        VALUES (tenant, 'housekeeping', 'desk credential deleted', 'servicedesk_api_key', '***', 'replaced more than 7 days ago');
    END IF;
    RETURN forgotten;
END $$;

REVOKE ALL ON FUNCTION take_desk_token, keep_desk_token, refuse_desk_token, desk_access, forget_replaced_credentials FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_desk_token, keep_desk_token, refuse_desk_token, desk_access TO ticketstream_deliver, ticketstream_sync,
    ticketstream_reconcile, ticketstream_operator;
GRANT EXECUTE ON FUNCTION forget_replaced_credentials TO ticketstream_reconcile, ticketstream_operator;
