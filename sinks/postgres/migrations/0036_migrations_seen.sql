-- Which migrations are applied, for `ticketstream health`: their numbers only. Nobody that logs in reads the table itself.
GRANT SELECT (number) ON schema_migrations TO ticketstream_directory;
GRANT CREATE ON SCHEMA public TO ticketstream_directory;
SET LOCAL ROLE ticketstream_directory;

CREATE FUNCTION migrations_applied() RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT number FROM public.schema_migrations ORDER BY number
$$;
REVOKE ALL ON FUNCTION migrations_applied() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION migrations_applied() TO ticketstream_console, ticketstream_operator;

SET LOCAL ROLE ticketstream_owner;
REVOKE CREATE ON SCHEMA public FROM ticketstream_directory;
