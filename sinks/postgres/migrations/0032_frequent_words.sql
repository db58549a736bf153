-- Search: how many documents a tenant has (as the word '@' and the tenant's name), and where they are many, which words they have often.
-- That is told from a sample, since counting such words reads thousands of documents.
CREATE FUNCTION frequent_ticket_words(its_tenant text, sample integer, least_documents integer)
RETURNS TABLE (lexeme text, documents bigint) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    lexeme := '@' || its_tenant;
    SELECT count(*) INTO documents FROM tickets t WHERE t.tenant_id = its_tenant AND t.solved_at IS NOT NULL;
    RETURN NEXT;
    IF documents >= sample THEN
        RETURN QUERY
            SELECT w.word, count(*) * documents / sample
            FROM (SELECT t.search FROM tickets t WHERE t.tenant_id = its_tenant AND t.solved_at IS NOT NULL ORDER BY t.solved_at DESC LIMIT sample) newest,
                unnest(tsvector_to_array(newest.search)) AS w(word)
            WHERE w.word NOT LIKE '@%' GROUP BY w.word HAVING count(*) >= least_documents;
    END IF;
END $$;

CREATE FUNCTION frequent_article_words(its_tenant text, sample integer, least_documents integer)
RETURNS TABLE (lexeme text, documents bigint) LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    PERFORM for_tenant(its_tenant);
    lexeme := '@' || its_tenant;
    SELECT count(*) INTO documents FROM knowledge_articles a WHERE a.tenant_id = its_tenant;
    RETURN NEXT;
    IF documents >= sample THEN
        RETURN QUERY
            SELECT w.word, count(*) * documents / sample
            FROM (SELECT a.search FROM knowledge_articles a WHERE a.tenant_id = its_tenant ORDER BY a.article_id LIMIT sample) sampled,
                unnest(tsvector_to_array(sampled.search)) AS w(word)
            WHERE w.word NOT LIKE '@%' GROUP BY w.word HAVING count(*) >= least_documents;
    END IF;
END $$;

REVOKE ALL ON FUNCTION frequent_ticket_words, frequent_article_words FROM PUBLIC;
GRANT EXECUTE ON FUNCTION frequent_ticket_words, frequent_article_words TO ticketstream_enrich;
