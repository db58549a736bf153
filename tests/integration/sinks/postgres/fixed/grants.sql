-- Who may do what beyond what they own: the role ("-" is everybody) and a line of text each.
WITH ours AS (SELECT * FROM pg_namespace WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'),
given AS (
    SELECT g.grantee, g.privilege_type, g.is_grantable, c.oid::regclass::text AS what
    FROM pg_class c JOIN ours n ON n.oid = c.relnamespace CROSS JOIN aclexplode(c.relacl) g WHERE g.grantee <> c.relowner
    UNION ALL
    SELECT g.grantee, g.privilege_type, g.is_grantable, 'schema ' || n.nspname
    FROM ours n CROSS JOIN aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) g WHERE g.grantee <> n.nspowner
    UNION ALL
    SELECT g.grantee, g.privilege_type, g.is_grantable, 'the database'
    FROM pg_database d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) g
    WHERE d.datname = current_database() AND g.grantee <> d.datdba
    UNION ALL
    SELECT g.grantee, g.privilege_type, g.is_grantable,
        'what ' || d.defaclrole::regrole || ' makes (' || d.defaclobjtype::text || ')'
    FROM pg_default_acl d CROSS JOIN aclexplode(d.defaclacl) g WHERE g.grantee <> d.defaclrole
    UNION ALL
    SELECT g.grantee, g.privilege_type, g.is_grantable, 'a large object'
    FROM pg_largeobject_metadata l CROSS JOIN aclexplode(l.lomacl) g WHERE g.grantee <> l.lomowner
), by_column AS (
    SELECT g.grantee, g.privilege_type, a.attname, a.attrelid::regclass::text AS what
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN ours n ON n.oid = c.relnamespace CROSS JOIN aclexplode(a.attacl) g
)
SELECT grantee::regrole::text,
    string_agg(privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', ' ORDER BY privilege_type) || ' on ' || what
FROM given GROUP BY grantee, what
UNION ALL
SELECT grantee::regrole::text, privilege_type || ' (' || string_agg(attname, ', ' ORDER BY attname) || ') on ' || what
FROM by_column GROUP BY grantee, privilege_type, what
UNION ALL
SELECT g.grantee::regrole::text, 'execute ' || p.proname FROM pg_proc p JOIN ours n ON n.oid = p.pronamespace
CROSS JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) g WHERE g.grantee <> p.proowner
UNION ALL
SELECT rolname, 'role' || CASE WHEN rolcanlogin THEN ' that logs in' ELSE ' without login' END
    || CASE WHEN rolsuper THEN ', SUPERUSER' ELSE '' END || CASE WHEN rolbypassrls THEN ', BYPASSRLS' ELSE '' END
    || CASE WHEN rolcreaterole THEN ', CREATEROLE' ELSE '' END || CASE WHEN rolcreatedb THEN ', CREATEDB' ELSE '' END
    || CASE WHEN rolreplication THEN ', REPLICATION' ELSE '' END
FROM pg_roles WHERE rolname LIKE 'ticketstream\_%'
UNION ALL
SELECT member::regrole::text, 'member of ' || roleid::regrole FROM pg_auth_members WHERE member::regrole::text LIKE 'ticketstream\_%'
UNION ALL
SELECT setrole::regrole::text, 'setting ' || unnest(setconfig) FROM pg_db_role_setting WHERE setrole::regrole::text LIKE 'ticketstream\_%'
