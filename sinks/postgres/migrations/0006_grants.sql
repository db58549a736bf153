-- The least each role needs. Roles are made by migrate.py; a function is executable by nobody unless it says so here.

GRANT SELECT ON config_version, service_keys TO ticketstream_ingest, ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver,
    ticketstream_feedback_aggregate, ticketstream_console, ticketstream_lag, ticketstream_sync, ticketstream_reconcile, ticketstream_operator;
GRANT INSERT ON audit_log TO ticketstream_ingest, ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver,
    ticketstream_feedback_aggregate, ticketstream_console, ticketstream_sync, ticketstream_reconcile, ticketstream_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON lane_holds, lane_breakers TO ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver,
    ticketstream_feedback_aggregate;

SET LOCAL ROLE ticketstream_directory;
REVOKE ALL ON FUNCTION ingest_tenants(), ingest_tenants_expire_at(), tenant_directory(), secrets_due(), api_token(bytea), lane_holds_overview()
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ingest_tenants(), ingest_tenants_expire_at(), api_token(bytea) TO ticketstream_ingest;
GRANT EXECUTE ON FUNCTION tenant_directory() TO ticketstream_enrich, ticketstream_synthesize, ticketstream_deliver,
    ticketstream_feedback_aggregate, ticketstream_console, ticketstream_lag, ticketstream_sync, ticketstream_reconcile, ticketstream_operator;
GRANT EXECUTE ON FUNCTION api_token(bytea), secrets_due() TO ticketstream_console, ticketstream_operator;
GRANT EXECUTE ON FUNCTION lane_holds_overview() TO ticketstream_lag, ticketstream_console, ticketstream_operator;

SET LOCAL ROLE ticketstream_search;
REVOKE ALL ON FUNCTION lexeme_query(text), matched_lexemes(tsvector, text[], text), ticket_lexeme_counts(text[], integer),
    article_lexeme_counts(text[], integer), ticket_matches(text[], text, integer), article_matches(text[], integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ticket_lexeme_counts(text[], integer), article_lexeme_counts(text[], integer),
    ticket_matches(text[], text, integer), article_matches(text[], integer) TO ticketstream_enrich, ticketstream_console, ticketstream_operator;

SET LOCAL ROLE ticketstream_owner;

-- Generated columns are computed as the one who writes the row.
REVOKE ALL ON FUNCTION search_document(text, text, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_document(text, text, text, text[]) TO ticketstream_enrich, ticketstream_console, ticketstream_sync,
    ticketstream_operator;

-- ingest: answers about feedback; tenants and tokens by function only.
GRANT SELECT ON enhancement_feedback TO ticketstream_ingest;

-- enrich
GRANT SELECT, INSERT, UPDATE ON received_events, tickets, enhancements TO ticketstream_enrich;
GRANT SELECT, INSERT, DELETE ON ticket_addresses TO ticketstream_enrich;
GRANT SELECT ON knowledge_articles, inventory TO ticketstream_enrich;

-- synthesize: of tickets only what tells whether an event was overtaken.
GRANT SELECT (tenant_id, ticket_id, content_hash, record_offset) ON tickets TO ticketstream_synthesize, ticketstream_deliver;
GRANT SELECT, INSERT ON synthesized_answers TO ticketstream_synthesize;
GRANT SELECT, INSERT, UPDATE, DELETE ON synthesis_leases TO ticketstream_synthesize;
GRANT SELECT, INSERT, UPDATE ON enhancements TO ticketstream_synthesize, ticketstream_deliver;

-- deliver
GRANT SELECT ON servicedesk_credentials TO ticketstream_deliver, ticketstream_sync, ticketstream_reconcile;
GRANT SELECT, INSERT, UPDATE ON note_intents TO ticketstream_deliver;
GRANT SELECT, INSERT ON note_drops TO ticketstream_deliver;
GRANT SELECT, INSERT, UPDATE, DELETE ON note_leases TO ticketstream_deliver;

-- feedback_aggregate
GRANT SELECT, INSERT, UPDATE ON enhancement_feedback TO ticketstream_feedback_aggregate;
GRANT SELECT, INSERT ON feedback_aggregates TO ticketstream_feedback_aggregate;

-- sync and reconcile
GRANT SELECT, INSERT, UPDATE, DELETE ON knowledge_articles TO ticketstream_sync;
GRANT SELECT, INSERT, UPDATE ON tickets TO ticketstream_sync;
GRANT SELECT, INSERT, DELETE ON ticket_addresses TO ticketstream_sync;
GRANT SELECT ON tickets, enhancements, received_events TO ticketstream_reconcile;

-- console and operator: people's tools. The operator also publishes keys and erases.
GRANT SELECT, INSERT, UPDATE ON tenant_configs, webhook_secrets, servicedesk_credentials, api_tokens TO ticketstream_console, ticketstream_operator;
GRANT DELETE ON servicedesk_credentials TO ticketstream_console;
GRANT SELECT ON audit_log, received_events, tickets, ticket_addresses, enhancements, enhancement_feedback, feedback_aggregates, lane_holds,
    lane_breakers, note_intents, note_drops, synthesized_answers, knowledge_articles, inventory TO ticketstream_console, ticketstream_operator;
GRANT INSERT, UPDATE ON tickets TO ticketstream_operator;
GRANT INSERT, UPDATE, DELETE ON knowledge_articles, inventory TO ticketstream_operator;
GRANT INSERT ON ticket_addresses TO ticketstream_operator;
GRANT INSERT, UPDATE ON service_keys TO ticketstream_operator;
GRANT SELECT ON synthesis_leases, note_leases TO ticketstream_operator;
GRANT DELETE ON tenant_configs, webhook_secrets, servicedesk_credentials, api_tokens, received_events, tickets, ticket_addresses, enhancements,
    synthesized_answers, synthesis_leases, note_intents, note_drops, note_leases, enhancement_feedback, feedback_aggregates, lane_holds, lane_breakers
    TO ticketstream_operator;
