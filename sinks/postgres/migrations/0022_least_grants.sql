-- No role keeps a right that nothing uses, and no function stays that nothing calls: since 0016 searches are calls of word_counts,
-- similar_solved_tickets and articles_about.

DROP FUNCTION similar_tickets(text, text[], double precision[], text, text, integer),
    matching_articles(text, text[], double precision[], integer), article_bodies(text, text[]),
    ticket_word_counts(text, text[], integer), article_word_counts(text, text[], integer);

SET LOCAL ROLE ticketstream_search;
DROP FUNCTION alike_tickets(text[], double precision[], text, integer), alike_articles(text[], double precision[], integer),
    best_tickets(text[], double precision[], text, integer), best_articles(text[], double precision[], integer),
    matched_lexemes(tsvector, text[], text);

-- enrich alone searches.
REVOKE EXECUTE ON FUNCTION ticket_lexeme_counts(text[], integer), article_lexeme_counts(text[], integer), best_similar_tickets,
    best_matching_articles FROM ticketstream_console, ticketstream_operator;

SET LOCAL ROLE ticketstream_directory;
REVOKE EXECUTE ON FUNCTION lane_holds_overview() FROM ticketstream_lag;

SET LOCAL ROLE ticketstream_owner;
REVOKE EXECUTE ON FUNCTION word_counts, similar_solved_tickets, articles_about, requester_tickets, addressed, named_items
    FROM ticketstream_console, ticketstream_operator;

-- A row of enhancements is begun by enrich.
REVOKE INSERT ON enhancements FROM ticketstream_synthesize, ticketstream_deliver;
REVOKE SELECT (record_offset) ON tickets FROM ticketstream_synthesize;

-- The console looks; what it would change is the operator's. Of secrets and tokens it sees when they end, not what they are.
REVOKE INSERT, UPDATE ON tenant_configs, webhook_secrets, servicedesk_credentials, api_tokens FROM ticketstream_console;
REVOKE DELETE ON servicedesk_credentials FROM ticketstream_console;
REVOKE SELECT ON webhook_secrets, api_tokens FROM ticketstream_console;
GRANT SELECT (tenant_id, secret_id, valid_from, valid_until, due, created_by) ON webhook_secrets TO ticketstream_console;
GRANT SELECT (tenant_id, token_id, name, scopes, created_at, created_by, expires_at, revoked_at) ON api_tokens TO ticketstream_console;
REVOKE EXECUTE ON FUNCTION search_document(text, text, text, text[]) FROM ticketstream_console;
