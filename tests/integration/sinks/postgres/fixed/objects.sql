-- What the database is made of, one line of text each.
WITH ours AS (SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)')
SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table' ELSE 'relation ' || c.relkind::text END
    || ' ' || c.oid::regclass || ' of ' || c.relowner::regrole || CASE WHEN c.relrowsecurity THEN ', row-level security' ELSE '' END
    || CASE WHEN c.relforcerowsecurity THEN ' forced' ELSE '' END || coalesce(' (' || array_to_string(c.reloptions, ', ') || ')', '')
FROM pg_class c JOIN ours n ON n.oid = c.relnamespace WHERE c.relkind NOT IN ('i', 'I', 't', 'c')
UNION ALL
SELECT 'policy ' || p.polname || ' on ' || p.polrelid::regclass || CASE WHEN p.polpermissive THEN '' ELSE ' restrictive' END || ' for '
    || CASE p.polcmd WHEN '*' THEN 'all' WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' ELSE 'delete' END || ' to '
    || (SELECT string_agg(CASE member WHEN 0 THEN 'everybody' ELSE member::regrole::text END, ', ') FROM unnest(p.polroles) member)
    || coalesce(' using ' || replace(pg_get_expr(p.polqual, p.polrelid),
        '(tenant_id = NULLIF(current_setting(''app.current_tenant_id''::text, true), ''''::text))', '(its tenant)'), '')
    || coalesce(' with check ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
FROM pg_policy p
UNION ALL
SELECT 'function ' || p.proname || '('
    || replace(replace(oidvectortypes(p.proargtypes), 'timestamp with time zone', 'timestamptz'), 'double precision', 'float')
    || ') of ' || p.proowner::regrole || CASE WHEN p.prosecdef THEN ', with its owner''s rights' ELSE '' END
    || coalesce(', ' || (SELECT string_agg(setting, ', ' ORDER BY setting) FROM unnest(p.proconfig) setting), '')
FROM pg_proc p JOIN ours n ON n.oid = p.pronamespace
UNION ALL
SELECT 'trigger ' || t.tgname || ' on ' || t.tgrelid::regclass || ' calls ' || t.tgfoid::regproc
    || CASE t.tgenabled WHEN 'O' THEN '' ELSE ', mode ' || t.tgenabled::text END
FROM pg_trigger t WHERE NOT t.tgisinternal
UNION ALL
SELECT 'rule ' || r.rulename || ' on ' || r.ev_class::regclass
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN ours n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN'
UNION ALL SELECT 'schema ' || nspname || ' of ' || nspowner::regrole FROM ours
UNION ALL SELECT 'event trigger ' || evtname FROM pg_event_trigger
UNION ALL SELECT 'extension ' || extname FROM pg_extension
UNION ALL SELECT 'publication ' || pubname FROM pg_publication
UNION ALL SELECT 'foreign server ' || srvname FROM pg_foreign_server
