-- What a tenant wants while its model is away: another model, the built-in writer, or to wait.

ALTER TABLE tenant_configs
    ADD COLUMN fallback_model text NOT NULL DEFAULT 'none' CHECK (length(fallback_model) BETWEEN 1 AND 100),
    ADD COLUMN fallback_builtin boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN tenant_configs.fallback_model IS 'Asked at once while gpt4_model is away; ''none'' for no other model.';
COMMENT ON COLUMN tenant_configs.fallback_builtin IS 'Whether the built-in writer answers when no model does; else tickets wait for the model.';

-- Beside tenant_directory(), not in it: processes of the version before go on reading that while a new version is rolled out.
GRANT CREATE ON SCHEMA public TO ticketstream_directory;
SET LOCAL ROLE ticketstream_directory;

CREATE FUNCTION tenant_fallbacks() RETURNS TABLE (tenant_id text, fallback_model text, fallback_builtin boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.tenant_id, t.fallback_model, t.fallback_builtin FROM public.tenant_configs t
$$;
REVOKE ALL ON FUNCTION tenant_fallbacks() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_fallbacks() TO ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver,
    ticketstream_feedback_aggregate, ticketstream_console, ticketstream_lag, ticketstream_sync, ticketstream_reconcile, ticketstream_operator;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_directory;
