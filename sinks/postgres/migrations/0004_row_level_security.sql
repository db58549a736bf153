-- Every table with a tenant: rows of the transaction's tenant only, for everybody, the owner included. With no tenant set, or an
-- empty one, the comparison is with NULL: nothing is read and nothing can be written.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'tenant_id' AND NOT a.attisdropped
    LOOP
        EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE public.%I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY tenant ON public.%I USING (tenant_id = NULLIF(current_setting(''app.current_tenant_id'', true), ''''))',
            name);
    END LOOP;
END $$;

-- Nobody logs in as these two: their functions are the only way to what they may see.
CREATE POLICY directory ON tenant_configs FOR SELECT TO ticketstream_directory USING (true);
CREATE POLICY directory ON webhook_secrets FOR SELECT TO ticketstream_directory USING (true);
CREATE POLICY directory ON api_tokens FOR SELECT TO ticketstream_directory USING (true);
CREATE POLICY directory ON lane_holds FOR SELECT TO ticketstream_directory USING (true);
GRANT SELECT ON tenant_configs, webhook_secrets, api_tokens, lane_holds TO ticketstream_directory;

CREATE POLICY search ON tickets FOR SELECT TO ticketstream_search USING (true);
CREATE POLICY search ON knowledge_articles FOR SELECT TO ticketstream_search USING (true);
GRANT SELECT ON tickets, knowledge_articles TO ticketstream_search;
