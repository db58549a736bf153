-- The few reads across tenants (owner ticketstream_directory) and the searches that need an index (owner ticketstream_search).
-- No bypass of row-level security: each owner has a SELECT policy on the tables it needs, and no login.

GRANT CREATE ON SCHEMA public TO ticketstream_directory, ticketstream_search;

SET LOCAL ROLE ticketstream_directory;

CREATE FUNCTION ingest_tenants() RETURNS TABLE (
    tenant_id text, partition integer, enabled boolean, rate_per_second double precision, burst integer, secrets text[]
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.tenant_id, t.partition, t.enabled, t.webhook_rate_per_second, t.webhook_burst,
           coalesce((SELECT array_agg(s.secret ORDER BY s.valid_from DESC) FROM public.webhook_secrets s
                     WHERE s.tenant_id = t.tenant_id AND s.valid_from <= now() AND (s.valid_until IS NULL OR s.valid_until > now())),
                    '{}')
    FROM public.tenant_configs t ORDER BY t.partition
$$;

-- Earliest moment at which the set of valid secrets changes by itself, without anybody writing a row.
CREATE FUNCTION ingest_tenants_expire_at() RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT min(moment) FROM (
        SELECT valid_until AS moment FROM public.webhook_secrets
        UNION ALL SELECT valid_from FROM public.webhook_secrets) moments
    WHERE moment > now()
$$;

CREATE FUNCTION tenant_directory() RETURNS TABLE (
    tenant_id text, partition integer, enabled boolean, servicedesk_base_url text, servicedesk_form text,
    max_concurrent_jobs integer, enhancement_timeout_seconds integer, enable_context_caching boolean, gpt4_model text,
    gpt4_temperature double precision, external_model boolean, webhook_rate_per_second double precision, webhook_burst integer
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.tenant_id, t.partition, t.enabled, t.servicedesk_base_url, t.servicedesk_form, t.max_concurrent_jobs,
           t.enhancement_timeout_seconds, t.enable_context_caching, t.gpt4_model, t.gpt4_temperature, t.external_model,
           t.webhook_rate_per_second, t.webhook_burst
    FROM public.tenant_configs t ORDER BY t.partition
$$;

CREATE FUNCTION secrets_due() RETURNS TABLE (tenant_id text, due timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.tenant_id, s.due FROM public.webhook_secrets s WHERE s.valid_until IS NULL ORDER BY s.due
$$;

-- A token names its tenant, so the tenant can't be known before the token is looked up. The argument has 256 bits of entropy.
CREATE FUNCTION api_token(hash bytea) RETURNS TABLE (tenant_id text, token_id uuid, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.tenant_id, t.token_id, t.scopes FROM public.api_tokens t
    WHERE t.token_hash = hash AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
$$;

CREATE FUNCTION lane_holds_overview() RETURNS TABLE (
    tenant_id text, stage text, partition integer, scope text, reason text, held bigint, until timestamptz, first_failed_at timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.tenant_id, h.stage, h.partition, h.scope, h.reason, count(*), max(h.until), min(h.first_failed_at)
    FROM public.lane_holds h GROUP BY 1, 2, 3, 4, 5
$$;

SET LOCAL ROLE ticketstream_search;

-- A lexeme as a query, quoted so that nothing in it can be an operator.
CREATE FUNCTION lexeme_query(lexeme text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''')::tsquery
$$;

-- How many of the tenant's documents have each lexeme; counting stops at `ceiling`.
CREATE FUNCTION ticket_lexeme_counts(lexemes text[], ceiling integer) RETURNS TABLE (lexeme text, documents bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    query tsquery;
BEGIN
    FOREACH lexeme IN ARRAY lexemes LOOP
        query := public.lexeme_query('@' || tenant) && public.lexeme_query(lexeme);
        SELECT count(*) INTO documents FROM (
            SELECT 1 FROM public.tickets t
            WHERE t.search @@ query AND t.tenant_id = tenant AND t.solved_at IS NOT NULL LIMIT ceiling) counted;
        IF documents > 0 THEN RETURN NEXT; END IF;
    END LOOP;
END $$;

CREATE FUNCTION article_lexeme_counts(lexemes text[], ceiling integer) RETURNS TABLE (lexeme text, documents bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    query tsquery;
BEGIN
    FOREACH lexeme IN ARRAY lexemes LOOP
        query := public.lexeme_query('@' || tenant) && public.lexeme_query(lexeme);
        SELECT count(*) INTO documents FROM (
            SELECT 1 FROM public.knowledge_articles a WHERE a.search @@ query AND a.tenant_id = tenant LIMIT ceiling) counted;
        IF documents > 0 THEN RETURN NEXT; END IF;
    END LOOP;
END $$;

-- Which of the lexemes a document has, anywhere and in its title.
CREATE FUNCTION matched_lexemes(search tsvector, lexemes text[], label text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT coalesce(array_agg(l), '{}') FROM unnest(lexemes) l
    WHERE search @@ (public.lexeme_query(l)::text || label)::tsquery
$$;

CREATE FUNCTION ticket_matches(lexemes text[], exclude_ticket text, ceiling integer) RETURNS TABLE (
    ticket_id text, subject text, description text, resolution text, end_customer text, solved_at timestamptz,
    matched text[], in_title text[], size integer
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    query tsquery;
BEGIN
    SELECT string_agg(public.lexeme_query(l)::text, ' | ')::tsquery INTO query FROM unnest(lexemes) l;
    query := public.lexeme_query('@' || tenant) && query;
    RETURN QUERY
        SELECT t.ticket_id, left(t.subject, 500), left(t.description, 4000), left(t.resolution, 8000), t.end_customer, t.solved_at,
               public.matched_lexemes(t.search, lexemes, ''), public.matched_lexemes(t.search, lexemes, ':A'), length(t.search)
        FROM public.tickets t
        WHERE t.search @@ query AND t.tenant_id = tenant AND t.solved_at IS NOT NULL AND t.ticket_id <> exclude_ticket
        LIMIT ceiling;
END $$;

CREATE FUNCTION article_matches(lexemes text[], ceiling integer) RETURNS TABLE (
    article_id text, title text, link text, matched text[], in_title text[], size integer
) LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant text := NULLIF(current_setting('app.current_tenant_id', true), '');
    query tsquery;
BEGIN
    SELECT string_agg(public.lexeme_query(l)::text, ' | ')::tsquery INTO query FROM unnest(lexemes) l;
    query := public.lexeme_query('@' || tenant) && query;
    RETURN QUERY
        SELECT a.article_id, left(a.title, 500), a.link,
               public.matched_lexemes(a.search, lexemes, ''), public.matched_lexemes(a.search, lexemes, ':A'), length(a.search)
        FROM public.knowledge_articles a
        WHERE a.search @@ query AND a.tenant_id = tenant
        LIMIT ceiling;
END $$;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_directory, ticketstream_search;
